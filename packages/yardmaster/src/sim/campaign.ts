import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { systemHost } from "../host.ts";
import { allCells, type CellCounts } from "./coverage.ts";
import type { PointCounts } from "./crash-points.ts";
import { describePlan, planOf } from "./run-plan.ts";
import { runSeed } from "./scenario.ts";
import { print, printViolations } from "./violations.ts";

/** Below so many seeds chance alone may leave a crash point or a cell out. */
const SEEDS_FOR_ALL_POINTS = 2_000;
const SEEDS_FOR_ALL_CELLS = 20_000;
/** Up to so many seeds each runs twice, and must take the same course. */
const SEEDS_ALL_TWICE = 2_000;
/**
 * Of more than these each with a multiple of this number does. What makes courses differ (a clock, a stack, an order
 * of keys) is in the code of all of them, and a second run costs as much as another seed.
 */
const REPEAT_EVERY = 5;
const MAX_FAILURES_SHOWN = 50;
const RECORD_EVERY = 1_000;
const RECORDS = resolve(import.meta.dirname, "../../../../docs/runs/sim.jsonl");

export interface Campaign {
  /** Null to go on where the record ends, or from 1. */
  readonly from: number | null;
  readonly most: number;
  /** Which seeds run twice: the multiples of it. Null to leave it to their number. */
  readonly repeatEvery: number | null;
  /** Stops at the first seed that fails. */
  readonly untilFailure: boolean;
  readonly json: boolean;
  readonly record: boolean;
}

interface Totals {
  seeds: number;
  failures: number;
  events: number;
  readonly points: PointCounts;
  readonly cells: CellCounts;
}

/** Runs many seeds; answers with the exit code. */
export async function simulate(campaign: Campaign): Promise<number> {
  const { most, untilFailure, json, record } = campaign;
  const from = campaign.from ?? (record ? nextSeed() : 1);
  const repeatEvery = campaign.repeatEvery ?? (most <= SEEDS_ALL_TWICE ? 1 : REPEAT_EVERY);
  const totals = noTotals();
  const startedAt = systemHost.monotonic();
  let stretch = noTotals();
  let stretchAt = startedAt;
  for (let seed = from; seed < from + most; seed++) {
    const before = stretch.failures;
    const repeats = seed % repeatEvery === 0;
    await runOne(seed, repeats, stretch, totals.failures);
    const isEnd = (untilFailure && stretch.failures > before) || seed === from + most - 1;
    if (!isEnd && (seed - from + 1) % RECORD_EVERY !== 0) continue;
    const seconds = (systemHost.monotonic() - stretchAt) / 1000;
    if (record) {
      const entry = entryOf({ from: seed - stretch.seeds + 1, repeatEvery, seconds }, stretch);
      appendFileSync(RECORDS, `${JSON.stringify(entry)}\n`);
    }
    add(totals, stretch);
    stretch = noTotals();
    stretchAt = systemHost.monotonic();
    if (isEnd) break;
  }
  return conclude(totals, (systemHost.monotonic() - startedAt) / 1000, json);
}

function conclude(totals: Totals, seconds: number, json: boolean): number {
  const { seeds, failures, events, points, cells } = totals;
  const uncrashed = [...points].filter(([, count]) => count.crashed === 0).map(([name]) => name);
  const unreached = unreachedOf(cells);
  if (uncrashed.length > 0) print(`No crash at: ${uncrashed.toSorted().join(", ")}`);
  if (seeds >= SEEDS_FOR_ALL_POINTS && unreached.length > 0) print(`Never reached: ${unreached.join("; ")}`);
  const total = allCells().length;
  const summary = {
    seeds,
    failures,
    eventsPerSecond: Math.round(events / seconds),
    cells: { reached: total - unreached.length, total },
    crashPoints: points.size,
    unreached: uncrashed.length,
  };
  if (json) print(JSON.stringify(summary));
  else
    print(
      `${seeds} seeds, ${failures} failures, ${events} events in ${seconds.toFixed(1)} s, ` +
        `${points.size - uncrashed.length} of ${points.size} crash points, ${total - unreached.length} of ${total} cells`,
    );
  const isIncomplete =
    (seeds >= SEEDS_FOR_ALL_POINTS && uncrashed.length > 0) ||
    (seeds >= SEEDS_FOR_ALL_CELLS && unreached.length > 0);
  return failures > 0 || isIncomplete ? 1 : 0;
}

async function runOne(seed: number, repeats: boolean, totals: Totals, failuresBefore: number): Promise<void> {
  const report = await runSeed(seed);
  add(totals, { seeds: 1, failures: 0, events: report.events, points: report.points, cells: report.cells });
  const differs = repeats && (await runSeed(seed)).hash !== report.hash;
  if (report.violations.length === 0 && !differs) return;
  totals.failures++;
  if (failuresBefore + totals.failures > MAX_FAILURES_SHOWN) return;
  if (differs) print(`seed ${seed} took another course when it ran again`);
  printViolations(report);
  print(`drew: ${describePlan(planOf(seed))}`);
  print(`replay: npm run sim -- --seed ${seed} --trace`);
  print(`shrink: npm run sim -- --seed ${seed} --shrink plan-${seed}.json`);
}

function unreachedOf(cells: CellCounts): string[] {
  return allCells().filter((cell) => !cells.has(cell));
}

function noTotals(): Totals {
  return { seeds: 0, failures: 0, events: 0, points: new Map(), cells: new Map() };
}

function add(totals: Totals, { seeds, failures, events, points, cells }: Totals): void {
  totals.seeds += seeds;
  totals.failures += failures;
  totals.events += events;
  for (const [name, { passed, crashed }] of points) {
    const count = totals.points.get(name) ?? { passed: 0, crashed: 0 };
    totals.points.set(name, { passed: count.passed + passed, crashed: count.crashed + crashed });
  }
  for (const [cell, count] of cells) totals.cells.set(cell, (totals.cells.get(cell) ?? 0) + count);
}

interface Entry {
  readonly commit: string;
  readonly from: number;
  readonly seeds: number;
  readonly failures: number;
  readonly events: number;
  readonly seconds: number;
  readonly repeatEvery: number;
  readonly cells: number;
  /** The names of the other cells. */
  readonly unreached: readonly string[];
}

function entryOf(
  { from, repeatEvery, seconds }: Pick<Entry, "from" | "repeatEvery" | "seconds">,
  { seeds, failures, events, cells }: Totals,
): Entry {
  return {
    commit: commit(),
    from,
    seeds,
    failures,
    events,
    seconds: Math.round(seconds),
    repeatEvery,
    cells: cells.size,
    unreached: unreachedOf(cells),
  };
}

function commit(): string {
  return execFileSync("git", ["rev-parse", "--short=12", "HEAD"], { encoding: "utf8" }).trim();
}

/** What ran on another commit says nothing about this one: seeds go on where the last entry of this one ends. */
function nextSeed(): number {
  if (!existsSync(RECORDS)) return 1;
  const lines = readFileSync(RECORDS, "utf8")
    .split("\n")
    .filter((line) => line !== "");
  // Nobody else writes them.
  const entries = lines.map((line) => JSON.parse(line) as Entry);
  const own = entries.filter((entry) => entry.commit === commit());
  return own.reduce((next, { from, seeds }) => Math.max(next, from + seeds), 1);
}
