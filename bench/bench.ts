import { mkdir } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { type BenchOptions, parseOptions, USAGE, UsageError } from "./options.ts";
import { selfTimes } from "./profile.ts";
import { type Measures, type Scenario, scenarios } from "./scenarios.ts";
import { type Spread, spread } from "./statistics.ts";

/*
 * Measures a yard of real processes: a producer, a dispatcher and a worker. Every scenario runs several times on fresh
 * files; every result is counted and checked, and a run that loses or mixes up one is an error, not a number.
 */
interface Result {
  readonly scenario: string;
  readonly measures: Readonly<Record<string, Spread>>;
}

async function main(options: BenchOptions): Promise<void> {
  const log = options.json ? process.stderr : process.stdout;
  const chosen = scenarios(options);
  if (chosen.length === 0) throw new UsageError(`no scenario has ${options.only} in its name`);
  if (options.profile !== "") await mkdir(options.profile, { recursive: true });
  const results: Result[] = [];
  for (const scenario of chosen) {
    const result = await measure(scenario, options);
    results.push(result);
    log.write(`${tableOf(result)}\n\n`);
  }
  if (options.profile !== "") log.write(`${await selfTimes(options.profile)}\n`);
  const { version } = process;
  if (options.json) {
    console.log(
      JSON.stringify({ node: version, cpus: availableParallelism(), repeat: options.repeat, results }),
    );
  }
}

async function measure({ name, run }: Scenario, options: BenchOptions): Promise<Result> {
  const runs: Measures[] = [];
  while (runs.length < options.repeat) runs.push(await run(options));
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

try {
  await main(parseOptions(process.argv.slice(2)));
} catch (error) {
  const isUsage = error instanceof UsageError;
  console.error(isUsage ? `${error.message}\n${USAGE}` : error);
  process.exitCode = isUsage ? 2 : 1;
}
