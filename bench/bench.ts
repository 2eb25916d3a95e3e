import { mkdir } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { connect, type EngineReport } from "yardmaster";
import { type Engines, openPlace } from "../servers/engines.ts";
import { startRedis } from "../servers/redis.ts";
import { ServerMissing } from "../servers/server.ts";
import { compare } from "./against.ts";
import { type BenchOptions, parseOptions, USAGE, UsageError } from "./options.ts";
import { exitOnSignals } from "./processes.ts";
import { profileReport } from "./profile.ts";
import { rawLimits } from "./raw.ts";
import { type Comparison, keep } from "./record.ts";
import { type Scenario, scenarios } from "./scenarios.ts";
import { type Spread, spread } from "./statistics.ts";
import { writePictures } from "./tables.ts";
import { type Measures, unitOf } from "./workloads.ts";

/*
 * Measures a yard of real processes: a producer, a dispatcher and a worker. Every scenario runs several times on fresh
 * yards; every result is counted and checked, and a run that loses or mixes up one is an error, not a number.
 */
interface Result {
  readonly scenario: string;
  readonly measures: Readonly<Record<string, Spread>>;
}

async function main(options: BenchOptions): Promise<void> {
  if (options.chart) {
    writePictures();
    return;
  }
  if (options.profile !== "") await mkdir(options.profile, { recursive: true });
  if (options.against !== "") await against(options);
  else if (options.only === "raw") await raw(options);
  else await alone(options);
  if (options.profile !== "") logOf(options).write(`\n${await profileReport(options.profile)}\n`);
}

/** A yard by itself. */
async function alone(options: BenchOptions): Promise<void> {
  const log = logOf(options);
  const chosen = scenarios(options);
  if (chosen.length === 0) throw new UsageError(`no scenario has ${options.only} in its name`);
  const engines = await open(options);
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

/** What the engines do on this machine without a task system on them. */
async function raw(options: BenchOptions): Promise<void> {
  const limits: Record<string, Record<string, Spread>> = {};
  for await (const { engine, measures } of rawLimits(options)) {
    limits[engine] = measures;
    logOf(options).write(`${tableOf({ scenario: engine, measures })}\n\n`);
  }
  if (options.json) console.log(JSON.stringify({ node: process.version, raw: limits }));
}

/** A yard beside other systems: ratios above 1 are better for the yard. */
async function against(options: BenchOptions): Promise<void> {
  for await (const comparison of compare(options)) {
    logOf(options).write(`${comparisonText(comparison)}\n`);
    if (options.keep) keep(comparison);
    if (options.json) console.log(jsonOf(comparison));
  }
}

function jsonOf({ engine, measures, ratios }: Comparison): string {
  const medians = (part: Readonly<Record<string, Spread>>): Record<string, number> =>
    Object.fromEntries(Object.entries(part).map(([name, { median }]) => [name, rounded(median)]));
  const figures = Object.entries(measures).map(
    ([name, systems]) => [name, rounded(systems["yardmaster"]?.median)] as const,
  );
  const ratiosOfPeers = Object.entries(ratios).map(([peer, part]) => [peer, medians(part)] as const);
  return JSON.stringify({
    engine,
    figures: Object.fromEntries(figures),
    ratios: Object.fromEntries(ratiosOfPeers),
  });
}

function comparisonText(comparison: Comparison): string {
  const { engine, durability, servers, machine, load, node, commit, settings, measures, ratios } = comparison;
  const lines = [
    `\n${engine}: ${durability}`,
    `${servers.join(", ")}, Node.js ${node}, ${machine}, load average ${load}, commit ${commit}`,
    `${comparison.payloadBytes} bytes of payload, backlogs of ${comparison.tasks}, ${comparison.seconds} s a measurement, medians of ${comparison.repeat} (least to most)`,
    ...Object.entries(settings).map(([name, text]) => `${name}: ${text}`),
    "",
  ];
  for (const [measure, systems] of Object.entries(measures)) {
    for (const [system, { median, min, max }] of Object.entries(systems)) {
      const ratio = ratios[system]?.[measure];
      const figure = `${rounded(median)} ${unitOf(measure)}`.padStart(16);
      const times =
        ratio === undefined
          ? ""
          : `  × ${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)} to ${ratio.max.toFixed(2)})`;
      lines.push(
        `${measure.padEnd(14)}${system.padEnd(27)}${figure}  (${rounded(min)} to ${rounded(max)})${times}`,
      );
    }
  }
  return lines.join("\n");
}

async function open({ place, fsync }: BenchOptions): Promise<Engines> {
  if (!("engine" in place) || place.engine !== "redis" || fsync === null) return openPlace(place);
  const server = await startRedis({ fsync });
  return { servers: [server], address: server.yardUrl, footprint: server.footprint, stop: server.stop };
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

function logOf({ json }: BenchOptions): NodeJS.WriteStream {
  return json ? process.stderr : process.stdout;
}

function rounded(value = Number.NaN): number {
  return Number(value.toPrecision(4));
}

function tableOf({ scenario, measures }: Result): string {
  const rows = Object.entries(measures).map(
    ([name, { median, min, max }]) =>
      `  ${name.padEnd(36)} ${String(rounded(median)).padStart(10)}   (${rounded(min)} to ${rounded(max)})`,
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
