import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { systemHost } from "../host.ts";
import type { PointCounts } from "./crash-points.ts";
import { type RunReport, runSeed } from "./scenario.ts";

/** Below this many seeds chance alone may leave a crash point out. */
const SEEDS_FOR_ALL_POINTS = 500;
/** Each seed with a multiple of this number runs twice, and must take the same course. */
const REPEAT_EVERY = 20;
const MAX_FAILURES_SHOWN = 50;
const MAX_SHOWN_BY_RULE = 2;

const USAGE = `npm run sim -- [--seeds N] [--from N] [--until-failure] [--json]   runs N seeds (default 500)
npm run sim -- --seed N [--trace] [--history FILE]                 runs one seed, with its course if wanted, and keeps its facts`;

interface Totals {
  seeds: number;
  failures: number;
  events: number;
  readonly points: PointCounts;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "500" },
      from: { type: "string", default: "1" },
      seed: { type: "string" },
      trace: { type: "boolean", default: false },
      history: { type: "string" },
      json: { type: "boolean", default: false },
      "until-failure": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    print(USAGE);
    return 0;
  }
  if (values.seed !== undefined) return replay(wholeNumber(values.seed), values.trace, values.history);
  const { from, seeds, json, "until-failure": untilFailure } = values;
  return runMany({ from: wholeNumber(from), most: wholeNumber(seeds), untilFailure, json });
}

async function replay(seed: number, trace: boolean, history: string | undefined): Promise<number> {
  const facts: string[] = [];
  const report = await runSeed(seed, {
    ...(trace ? { print } : {}),
    ...(history === undefined ? {} : { record: (fact) => facts.push(JSON.stringify(fact)) }),
  });
  if (history !== undefined) writeFileSync(history, `${facts.join("\n")}\n`);
  print(
    `seed ${seed}: ${report.events} events, ${(report.virtualMs / 1000).toFixed(1)} s, trace ${hex(report.hash)}`,
  );
  printViolations(report);
  return report.violations.length === 0 ? 0 : 1;
}

interface Plan {
  readonly from: number;
  readonly most: number;
  /** Stops at the first seed that fails. */
  readonly untilFailure: boolean;
  readonly json: boolean;
}

async function runMany({ from, most, untilFailure, json }: Plan): Promise<number> {
  const totals: Totals = { seeds: 0, failures: 0, events: 0, points: new Map() };
  const startedAt = systemHost.monotonic();
  for (let seed = from; seed < from + most; seed++) {
    await runOne(seed, totals);
    if (untilFailure && totals.failures > 0) break;
  }
  const seconds = (systemHost.monotonic() - startedAt) / 1000;
  const unreached = [...totals.points].filter(([, count]) => count.crashed === 0).map(([name]) => name);
  const { seeds } = totals;
  const incomplete = seeds >= SEEDS_FOR_ALL_POINTS && unreached.length > 0;
  if (unreached.length > 0) print(`No crash at: ${unreached.toSorted().join(", ")}`);
  const summary = {
    seeds,
    failures: totals.failures,
    eventsPerSecond: Math.round(totals.events / seconds),
    crashPoints: totals.points.size,
    unreached: unreached.length,
  };
  if (json) print(JSON.stringify(summary));
  else
    print(
      `${seeds} seeds, ${totals.failures} failures, ${totals.events} events in ${seconds.toFixed(1)} s, ` +
        `${totals.points.size - unreached.length} of ${totals.points.size} crash points`,
    );
  return totals.failures > 0 || incomplete ? 1 : 0;
}

async function runOne(seed: number, totals: Totals): Promise<void> {
  const report = await runSeed(seed);
  totals.seeds++;
  totals.events += report.events;
  for (const [name, { passed, crashed }] of report.points) {
    const count = totals.points.get(name) ?? { passed: 0, crashed: 0 };
    totals.points.set(name, { passed: count.passed + passed, crashed: count.crashed + crashed });
  }
  const differs = seed % REPEAT_EVERY === 0 && (await runSeed(seed)).hash !== report.hash;
  if (report.violations.length === 0 && !differs) return;
  totals.failures++;
  if (totals.failures > MAX_FAILURES_SHOWN) return;
  if (differs) print(`seed ${seed} took another course when it ran again`);
  printViolations(report);
  print(`replay: npm run sim -- --seed ${seed} --trace`);
}

/** One fault can break a rule for every task: the first few of each rule tell enough. */
function printViolations({ seed, violations }: RunReport): void {
  const shown = new Map<string, number>();
  for (const { rule, at, message } of violations) {
    const count = (shown.get(rule) ?? 0) + 1;
    shown.set(rule, count);
    if (count <= MAX_SHOWN_BY_RULE) print(`seed ${seed} at ${(at / 1000).toFixed(3)} s: ${rule}: ${message}`);
  }
  for (const [rule, count] of shown)
    if (count > MAX_SHOWN_BY_RULE) print(`seed ${seed}: ${rule} ${count} times`);
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`${text} is not a whole number\n${USAGE}`);
  return value;
}

function hex(hash: number): string {
  return hash.toString(16).padStart(8, "0");
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

process.exitCode = await main();
