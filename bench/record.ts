import { execFileSync } from "node:child_process";
import { appendFileSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, totalmem } from "node:os";
import { join } from "node:path";
import type { Ground } from "./ground.ts";
import type { BenchOptions } from "./options.ts";
import { PAYLOAD_BYTES } from "./payload.ts";
import type { Spread } from "./statistics.ts";

/** What belongs to every figure. */
export interface Conditions {
  readonly engine: Ground["name"];
  readonly commit: string;
  /** ISO time. */
  readonly at: string;
  readonly machine: string;
  /** How many processes wanted the CPUs in the minute before: what else went on there. */
  readonly load: number;
  readonly node: string;
  readonly servers: readonly string[];
  readonly durability: string;
  /** By name and version of the other systems. */
  readonly settings: Readonly<Record<string, string>>;
  readonly payloadBytes: number;
  /** Of a backlog. */
  readonly tasks: number;
  readonly seconds: number;
  readonly repeat: number;
}

/** What one run of the bench found: by measure, then by system. */
export interface Comparison extends Conditions {
  readonly measures: Readonly<Record<string, Readonly<Record<string, Spread>>>>;
  /** By other system and measure: of the medians, with the least and the largest of runs beside one another. */
  readonly ratios: Readonly<Record<string, Readonly<Record<string, Spread>>>>;
}

const ROOT = join(import.meta.dirname, "..");
export const RUNS: string = join(ROOT, "docs/runs");
const NAME = /^bench-.*\.jsonl$/;

export function conditionsOf(
  ground: Ground,
  settings: Conditions["settings"],
  { tasks, seconds, repeat }: BenchOptions,
): Conditions {
  return {
    engine: ground.name,
    commit: commit(),
    at: new Date().toISOString(),
    machine: `${availableParallelism()} × ${cpus()[0]?.model.trim() ?? "CPU"}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    load: Math.round(loadavg()[0] ?? 0),
    node: process.version,
    servers: ground.servers,
    durability: ground.durability,
    settings,
    payloadBytes: PAYLOAD_BYTES,
    tasks,
    seconds,
    repeat,
  };
}

/** Adds a run to docs/runs/bench-ENGINE.jsonl. */
export function keep(comparison: Comparison): void {
  mkdirSync(RUNS, { recursive: true });
  appendFileSync(join(RUNS, `bench-${comparison.engine}.jsonl`), `${JSON.stringify(comparison, rounded)}\n`);
}

/** All kept runs, the oldest of each engine first. */
export function keptRuns(folder: string = RUNS): Comparison[] {
  const files = readdirSync(folder)
    .filter((name) => NAME.test(name))
    .sort();
  return files.flatMap((name) => {
    const lines = readFileSync(join(folder, name), "utf8").split("\n");
    return lines.filter((line) => line !== "").map((line): Comparison => JSON.parse(line));
  });
}

/** Four digits: no figure of a bench has more that mean anything. */
export function rounded(_key: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;
}

function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync("git", args, { cwd: ROOT, encoding: "utf8" }).trim();
  const isChanged = git("status", "--porcelain", "--untracked-files=no", "packages", "bench") !== "";
  return `${git("rev-parse", "--short", "HEAD")}${isChanged ? "+" : ""}`;
}
