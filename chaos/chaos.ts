import { execFileSync } from "node:child_process";
import { appendFile, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { exitOnSignals } from "../bench/processes.ts";
import { quantile } from "../bench/statistics.ts";
import { ENGINE_NAMES, type EngineName } from "../servers/engines.ts";
import { playRound, type Round } from "./round.ts";

/*
 * Faults on real processes and servers. Each round plays, on a new yard under load, faults drawn from its seed, lets
 * everything heal, and checks what all processes saw. A round is a line of docs/runs/chaos-ENGINE.jsonl, so that a run
 * that was ended goes on with what is missing.
 */
const USAGE = `npm run chaos -- [--engine ${ENGINE_NAMES.join("|")}] [--minutes 5] [--rate 120] [--resume] [--total] [--json] [--dry] [--seed N] [--only FAULT]`;
const ROOT = join(import.meta.dirname, "..");
const ROUND_SECONDS = 120;

/** A line of docs/runs. */
interface Entry {
  readonly commit: string;
  /** The product's source, which other commits leave as it is. */
  readonly source: string;
  readonly engine: EngineName;
  readonly at: string;
  readonly seed: number;
  readonly seconds: number;
  readonly rate: number;
  readonly acknowledged: number;
  readonly facts: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly lost: number;
  readonly duplicateTerminals: number;
  readonly staleWritesRefused: number;
  readonly repeatedAttempts: number;
  readonly recoveryMs: Readonly<Record<string, readonly number[]>>;
  readonly restartMs: Readonly<Record<string, readonly number[]>>;
  readonly problems: readonly string[];
}

interface Options {
  readonly engine: EngineName;
  readonly minutes: number;
  readonly seed: number | null;
  readonly rate: number;
  readonly only: string;
  /** Whether earlier lines of the same source count. */
  readonly isResumed: boolean;
  /** Whether no line is written. */
  readonly isDry: boolean;
  readonly json: boolean;
}

async function main(options: Options): Promise<boolean> {
  const { engine, minutes, rate, only, isResumed, isDry, json } = options;
  const say = (text: string): void => {
    if (!json) console.log(text);
  };
  const file = fileOf(engine);
  const [commit, source] = [git("rev-parse", "--short", "HEAD"), git("rev-parse", "--short", SOURCE)];
  const entries = isResumed ? (await entriesIn(file)).filter((entry) => entry.source === source) : [];
  for (let seconds = total(entries); seconds < minutes * 60 - 1; seconds = total(entries)) {
    const seed = options.seed ?? Date.now() % 1_000_000_000;
    const left = minutes * 60 - seconds;
    say(`${engine}, seed ${seed}:`);
    const wanted = Math.min(left, ROUND_SECONDS);
    const round = await playRound({ engine, seed, seconds: wanted, rate, only, say });
    const at = new Date().toISOString();
    const entry: Entry = { commit, source, engine, at, seed, rate, ...countsOf(round) };
    entries.push(entry);
    if (!isDry) await append(file, entry);
    for (const problem of round.problems.slice(0, 20)) console.error(problem);
    if (round.problems.length > 0) {
      console.error(`${round.problems.length} problems; the history is in ${round.folder}`);
      console.error(`again: npm run chaos -- --engine ${engine} --minutes ${wanted / 60} --seed ${seed}`);
    }
  }
  console.log(JSON.stringify(summary(engine, entries)));
  return entries.every(({ problems }) => problems.length === 0);
}

function fileOf(engine: EngineName): string {
  return join(ROOT, `docs/runs/chaos-${engine}.jsonl`);
}

const SOURCE = "HEAD:packages/yardmaster/src";

function git(...args: readonly string[]): string {
  return execFileSync("git", args, { cwd: ROOT, encoding: "utf8" }).trim();
}

async function entriesIn(file: string): Promise<Entry[]> {
  const text = await readFile(file, "utf8").catch(() => "");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

async function append(file: string, entry: Entry): Promise<void> {
  await mkdir(join(file, ".."), { recursive: true });
  await appendFile(file, `${JSON.stringify(entry)}\n`);
}

function countsOf({ seconds, faults, recoveryMs, findings, problems }: Round) {
  const { acknowledged, facts, staleWritesRefused, repeatedAttempts, restartMs, violations } = findings;
  const count = (...rules: string[]): number => violations.filter(({ rule }) => rules.includes(rule)).length;
  return {
    seconds: Math.round(seconds),
    acknowledged,
    facts,
    faults,
    lost: count("ACKNOWLEDGED_LOST"),
    duplicateTerminals: count("TERMINAL_CHANGED"),
    staleWritesRefused,
    repeatedAttempts,
    recoveryMs: rounded(recoveryMs),
    restartMs: rounded(restartMs),
    problems: problems.slice(0, 20),
  };
}

function rounded(times: Readonly<Record<string, readonly number[]>>): Record<string, number[]> {
  return Object.fromEntries(Object.entries(times).map(([name, all]) => [name, all.map(Math.round)]));
}

function total(entries: readonly Entry[]): number {
  return entries.reduce((sum, { seconds }) => sum + seconds, 0);
}

function summary(engine: EngineName, entries: readonly Entry[]) {
  const sum = (of: (entry: Entry) => number): number => entries.reduce((all, entry) => all + of(entry), 0);
  return {
    engine,
    seconds: total(entries),
    acknowledged: sum(({ acknowledged }) => acknowledged),
    faults: sum(({ faults }) => Object.values(faults).reduce((all, count) => all + count, 0)),
    lost: sum(({ lost }) => lost),
    duplicateTerminals: sum(({ duplicateTerminals }) => duplicateTerminals),
    staleWritesRefused: sum(({ staleWritesRefused }) => staleWritesRefused),
    repeatedAttempts: sum(({ repeatedAttempts }) => repeatedAttempts),
    problems: sum(({ problems }) => problems.length),
    recoveryMs: spreads(entries.map(({ recoveryMs }) => recoveryMs)),
    restartMs: spreads(entries.map(({ restartMs }) => restartMs)),
  };
}

function spreads(all: readonly Readonly<Record<string, readonly number[]>>[]) {
  const names = new Set(all.flatMap((times) => Object.keys(times)));
  return Object.fromEntries(
    [...names].sort().map((name) => {
      const times = all.flatMap((each) => each[name] ?? []);
      const [median, p99] = [quantile(times, 0.5), quantile(times, 0.99)];
      return [name, { count: times.length, median, p99, max: Math.max(...times) }];
    }),
  );
}

exitOnSignals();
const { values } = parseArgs({
  options: {
    engine: { type: "string", default: "sqlite" },
    minutes: { type: "string", default: "5" },
    seed: { type: "string" },
    rate: { type: "string", default: "120" },
    only: { type: "string", default: "" },
    resume: { type: "boolean", default: false },
    total: { type: "boolean", default: false },
    dry: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
const engine = ENGINE_NAMES.find((name) => name === values.engine);
const [minutes, rate] = [Number(values.minutes), Number(values.rate)];
const seed = values.seed === undefined ? null : Number(values.seed);
if (engine === undefined || !(minutes > 0) || !(rate > 0) || Number.isNaN(seed)) {
  console.error(USAGE);
  process.exitCode = 2;
} else if (values.total) {
  console.log(JSON.stringify(summary(engine, await entriesIn(fileOf(engine)))));
} else {
  const { only, resume: isResumed, json } = values;
  // What is picked, or played again, does not count.
  const isDry = values.dry || seed !== null || only !== "";
  const isGood = await main({ engine, minutes, rate, seed, only, isResumed, isDry, json });
  // Half-open connections would hold it.
  process.exit(isGood ? 0 : 1);
}
