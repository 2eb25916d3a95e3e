import { readFile, writeFile } from "node:fs/promises";
import type { Command } from "commander";
import { waitChart } from "../../lab/chart.ts";
import { compare } from "../../lab/laboratory.ts";
import type { Measure } from "../../lab/measure.ts";
import { HEADINGS, pageOf, rowOf } from "../../lab/report.ts";
import { readScenario, type Scenario } from "../../lab/scenario.ts";
import { messageOf } from "../../protocol/errors.ts";
import { EXIT } from "../exit-code.ts";
import { whole } from "../options.ts";
import { outputOf, usage } from "../target.ts";
import type { Exit } from "../yard-command.ts";

interface SimulateOptions {
  readonly seed?: number;
  readonly svg?: string;
  readonly html?: string;
}

/** The policy laboratory: simulate. */
export function addSimulate(program: Command, exit: Exit): void {
  program
    .command("simulate <scenario>")
    .description(
      "run a scenario (YAML) under each of its policies, with the real scheduler and modelled workers",
    )
    .option("--seed <n>", "another course of chance than the scenario's", whole(0, 2 ** 31))
    .option("--svg <file>", "write a chart of the waits")
    .option("--html <file>", "write a page with chart and table")
    .action(async (file: string, options: SimulateOptions, command: Command) =>
      exit(await simulate(command, await load(file), options)),
    );
}

async function simulate(
  command: Command,
  scenario: Scenario,
  { seed = scenario.seed, svg, html }: SimulateOptions,
): Promise<number> {
  const output = outputOf(command);
  const measures: Measure[] = [...compare({ ...scenario, seed })];
  output.list(measures, {
    headings: HEADINGS,
    row: ({ figures }) => rowOf(figures),
    json: ({ figures }) => figures,
    none: "",
  });
  if (svg !== undefined) await writeFile(svg, waitChart(measures));
  if (html !== undefined) await writeFile(html, pageOf(measures));
  return EXIT.ok;
}

async function load(file: string): Promise<Scenario> {
  return readScenario(await contentOf(file));
}

async function contentOf(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw usage(`${file} cannot be read: ${messageOf(error)}`);
  }
}
