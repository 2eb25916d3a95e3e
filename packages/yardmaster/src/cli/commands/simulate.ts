import { readFile, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import type { Command } from "commander";
import { policyChart } from "../../lab/chart.ts";
import { compare, replayed } from "../../lab/laboratory.ts";
import type { Measure } from "../../lab/measure.ts";
import { type Replay, replayOf } from "../../lab/replay.ts";
import { HEADINGS, pageOf, rowOf } from "../../lab/report.ts";
import { type Policy, policyNamed, readScenario } from "../../lab/scenario.ts";
import { readTrace } from "../../lab/trace-file.ts";
import { messageOf, YardmasterError } from "../../protocol/errors.ts";
import { EXIT } from "../exit-code.ts";
import { linesOf } from "../file-lines.ts";
import { whole } from "../options.ts";
import { plain } from "../plain-text.ts";
import { outputOf, usage } from "../target.ts";
import type { Exit } from "../yard-command.ts";

interface SimulateOptions {
  readonly policy: readonly Policy[];
  readonly seed?: number;
  readonly svg?: string;
  readonly html?: string;
}

/** The policy laboratory: simulate. */
export function addSimulate(program: Command, exit: Exit): void {
  program
    .command("simulate <file>")
    .description(
      "run a scenario (YAML), or replay what a yard did (.jsonl, from trace), under several policies, with the real scheduler and modelled workers",
    )
    .option(
      "--policy <words>",
      "an order, a placement, or both (fair,least-loaded); again for more (default: the scenario's; of a trace, each order)",
      (text: string, policies: readonly Policy[]) => [...policies, policyNamed(text)],
      [],
    )
    .option("--seed <n>", "another course of chance than the scenario's", whole(0, 2 ** 31))
    .option("--svg <file>", "write a chart of the waits, or of the ends where attempts may be joined")
    .option("--html <file>", "write a page with chart and table")
    .action(async (file: string, options: SimulateOptions, command: Command) =>
      exit(await simulate(command, file, options)),
    );
}

async function simulate(command: Command, file: string, options: SimulateOptions): Promise<number> {
  const output = outputOf(command);
  const { svg, html } = options;
  const measures = /\.(?:jsonl|ndjson)$/.test(file)
    ? await replay(file, options, (text) => output.note(text))
    : await play(file, options);
  output.list(measures, {
    headings: HEADINGS,
    row: ({ figures }) => rowOf(figures),
    json: ({ figures }) => figures,
    none: "",
  });
  if (svg !== undefined) await written(svg, policyChart(measures));
  if (html !== undefined) await written(html, pageOf(measures));
  return EXIT.ok;
}

async function play(file: string, { policy, seed }: SimulateOptions): Promise<Measure[]> {
  const scenario = readScenario(await contentOf(file));
  const policies = policy.length === 0 ? scenario.policies : policy;
  return [...compare({ ...scenario, policies, seed: seed ?? scenario.seed })];
}

async function replay(
  file: string,
  { policy, seed }: SimulateOptions,
  note: (text: string) => void,
): Promise<Measure[]> {
  const trace = await traceIn(file);
  const one = replayOf(trace, basename(file), policy.length === 0 ? undefined : policy);
  for (const text of leftOut(one)) note(text);
  const scenario = seed === undefined ? one.scenario : { ...one.scenario, seed };
  return [...replayed({ ...one, scenario })];
}

async function traceIn(file: string): ReturnType<typeof readTrace> {
  const lines = linesOf(file);
  try {
    return await readTrace(lines);
  } catch (error) {
    if (error instanceof YardmasterError) throw error;
    throw usage(`${file} cannot be read: ${messageOf(error)}`);
  } finally {
    lines.close();
  }
}

function leftOut({ neverStarted, unknown, unserved }: Replay): string[] {
  const told: readonly (readonly [number, string])[] = [
    [neverStarted, "were cancelled or refused before they started"],
    [unknown, "have not started, and none of their name has ended: what they take is unknown"],
    [unserved, "can run on none of the recorded workers"],
  ];
  return told.filter(([count]) => count > 0).map(([count, why]) => `left out: ${count} tasks that ${why}`);
}

async function written(file: string, content: string): Promise<void> {
  try {
    await writeFile(file, content);
  } catch (error) {
    throw usage(`${plain(file)} cannot be written: ${messageOf(error)}`);
  }
}

async function contentOf(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw usage(`${file} cannot be read: ${messageOf(error)}`);
  }
}
