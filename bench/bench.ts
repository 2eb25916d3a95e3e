import { mkdir } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { connect, type EngineReport } from "yardmaster";
import { type Engines, openPlace } from "../servers/engines.ts";
import { ServerMissing } from "../servers/server.ts";
import { compare } from "./against.ts";
import { type BenchOptions, parseOptions, USAGE, UsageError } from "./options.ts";
import { exitOnSignals } from "./processes.ts";
import { selfTimes } from "./profile.ts";
import { type Measures, type Scenario, scenarios } from "./scenarios.ts";
import { type Spread, spread } from "./statistics.ts";

/*
 * Measures a yard of real processes: a producer, a dispatcher and a worker. Every scenario runs several times on fresh
 * yards; every result is counted and checked, and a run that loses or mixes up one is an error, not a number.
 */
interface Result {
  readonly scenario: string;
  readonly measures: Readonly<Record<string, Spread>>;
}

async function main(options: BenchOptions): Promise<void> {
  if (options.against !== "") return await against(options);
  const log = options.json ? process.stderr : process.stdout;
  const chosen = scenarios(options);
  if (chosen.length === 0) throw new UsageError(`no scenario has ${options.only} in its name`);
  if (options.profile !== "") await mkdir(options.profile, { recursive: true });
  const engines = await openPlace(options.place);
  const results: Result[] = [];
  let reports: readonly EngineReport[];
  try {
    reports = await reportsOf(engines);
    for (const { engine, durability, warnings } of reports) {
      log.write(`${[`${engine}: ${durability}`, ...warnings].join("\n")}\n\n`);
    }
    for (const scenario of chosen) {
      const result = await measure(scenario, options, engines);
      results.push(result);
      log.write(`${tableOf(result)}\n\n`);
    }
  } finally {
    await engines.stop();
  }
  if (options.profile !== "") log.write(`${await selfTimes(options.profile)}\n`);
  const { version } = process;
  if (options.json) {
    console.log(
      JSON.stringify({
        node: version,
        cpus: availableParallelism(),
        engines: reports,
        repeat: options.repeat,
        results,
      }),
    );
  }
}

/** A yard beside another system: ratios above 1 are better for the yard. */
async function against(options: BenchOptions): Promise<void> {
  const log = options.json ? process.stderr : process.stdout;
  const { engine, durability, peer, settings, measures } = await compare(options.against, options);
  log.write(
    `${peer} (${settings})\non ${engine} (${durability}), Node.js ${process.version}, ${availableParallelism()} CPUs\n\n`,
  );
  log.write(`${"".padEnd(14)}${"yardmaster".padStart(28)}${peer.padStart(28)}${"ratio".padStart(9)}\n`);
  for (const [name, { ours, theirs, ratio }] of Object.entries(measures)) {
    const [own, other] = [ours, theirs].map(({ median, min, max }) =>
      `${rounded(median)} (${rounded(min)} to ${rounded(max)})`.padStart(28),
    );
    log.write(`${name.padEnd(14)}${own}${other}${ratio.toFixed(2).padStart(9)}\n`);
  }
  if (!options.json) return;
  const part = (pick: (name: string) => number): Record<string, number> =>
    Object.fromEntries(Object.keys(measures).map((name) => [name, pick(name)]));
  const figures = part((name) => measures[name]?.ours.median ?? Number.NaN);
  const ratios = { [options.against]: part((name) => measures[name]?.ratio ?? Number.NaN) };
  console.log(JSON.stringify({ engine, figures, ratios }));
}

/** What the engines say of themselves: version and durability belong to every figure. */
async function reportsOf(engines: Engines): Promise<readonly EngineReport[]> {
  const yard = await connect(engines.address());
  const { engines: reports } = await yard.health();
  await yard.close();
  return reports;
}

async function measure({ name, run }: Scenario, options: BenchOptions, engines: Engines): Promise<Result> {
  const runs: Measures[] = [];
  while (runs.length < options.repeat) runs.push(await run(options, engines));
  const names = Object.keys(runs[0] ?? {});
  const measures = names.map(
    (measure) => [measure, spread(runs.map((each) => rounded(each[measure])))] as const,
  );
  return { scenario: name, measures: Object.fromEntries(measures) };
}

function rounded(value = Number.NaN): number {
  return Number(value.toPrecision(4));
}

function tableOf({ scenario, measures }: Result): string {
  const rows = Object.entries(measures).map(
    ([name, { median, min, max }]) =>
      `  ${name.padEnd(28)} ${String(median).padStart(10)}   (${min} to ${max})`,
  );
  return [scenario, ...rows].join("\n");
}

exitOnSignals();
try {
  await main(parseOptions(process.argv.slice(2), process.env));
} catch (error) {
  const isUsage = error instanceof UsageError;
  if (isUsage) console.error(`${error.message}\n${USAGE}`);
  else console.error(error instanceof ServerMissing ? error.message : error);
  process.exitCode = isUsage ? 2 : 1;
}
