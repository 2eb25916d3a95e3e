import { execFileSync } from "node:child_process";
import { appendFile, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { ENGINE_NAMES, type EngineName, type Engines, startEngines } from "../servers/engines.ts";
import type { Footprint } from "../servers/server.ts";
import { exitOnSignals, Process } from "./processes.ts";
import type { Usage } from "./role.ts";
import type { Tally } from "./soak-producer.ts";

/*
 * Hours in a yard's life, in minutes: a steady load of every kind of task whose records leave after seconds. Before
 * and after it, with nothing under way, memory, open files and everything that the engine keeps are compared. Each
 * minute is a line of docs/runs/soak-ENGINE.jsonl, so that a run that was ended goes on with what is missing.
 */
const USAGE = `npm run soak -- --engine ${ENGINE_NAMES.join("|")} [--minutes 10] [--rate 200]`;
const RUNS = join(import.meta.dirname, "../docs/runs");
/** How long anything that has ended is kept. */
const KEEP_MS = 2_000;
/** Without a limit V8 lets a process grow for as long as there is room, whatever it needs. */
const HEAP = ["--max-old-space-size=64", "--max-semi-space-size=2"];
const WARM_SECONDS = 30;
/** The longest that a finished task may stay, and then some for housekeeping. */
const REST_MS = 90_000;

interface State {
  readonly footprint: Footprint;
  /** By role. */
  readonly processes: Readonly<Record<string, Usage>>;
}

async function main(engine: EngineName, minutes: number, rate: number): Promise<boolean> {
  const file = join(RUNS, `soak-${engine}.jsonl`);
  const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  await mkdir(RUNS, { recursive: true });
  const done = await minutesDone(file, commit);
  if (done >= minutes) {
    console.log(`${file} has ${done} minutes of this commit already`);
    return true;
  }
  const engines = await startEngines(engine);
  const processes = new Map<string, Process>();
  try {
    const address = JSON.stringify(engines.address());
    processes.set("dispatcher", await Process.start("dispatcher", [address, "1", `${KEEP_MS}`], HEAP));
    processes.set("worker", await Process.start("soak-worker", [address], HEAP));
    const producer = await Process.start("soak-producer", [address], HEAP);
    processes.set("producer", producer);
    await producer.ask("load", rate, WARM_SECONDS);
    const baseline = await atRest(engines, processes, producer);
    for (let minute = done + 1; minute <= minutes; minute += 1) {
      const tally = await producer.ask<Tally>("load", rate, 60);
      await note(file, { commit, engine, minute, rate, ...tally });
    }
    const end = await atRest(engines, processes, producer, baseline);
    const tally = await producer.ask<Tally>("settled");
    const problems = [...lossesOf(tally), ...growthOf(baseline, end)];
    await note(file, {
      commit,
      engine,
      at: new Date().toISOString(),
      minutes,
      ...tally,
      baseline,
      end,
      problems,
    });
    for (const process of [...processes.values()].toReversed()) await process.close();
    return problems.length === 0;
  } finally {
    for (const process of processes.values()) process.kill();
    await engines.stop();
  }
}

/** How many minutes of this commit the file has. */
async function minutesDone(file: string, commit: string): Promise<number> {
  const text = await readFile(file, "utf8").catch(() => "");
  const lines: { commit?: string; minute?: number }[] = text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
  return Math.max(0, ...lines.filter((line) => line.commit === commit).map(({ minute = 0 }) => minute));
}

async function note(file: string, line: object): Promise<void> {
  const text = JSON.stringify(line);
  console.log(text);
  await appendFile(file, `${text}\n`);
}

/** Waits until everything has ended and what it left is swept away, or, beside a baseline, until it is like that. */
async function atRest(
  engines: Engines,
  processes: ReadonlyMap<string, Process>,
  producer: Process,
  baseline?: State,
): Promise<State> {
  await producer.ask("settled");
  const until = Date.now() + REST_MS;
  let before = "";
  for (;;) {
    await pause(5_000);
    const state = { footprint: await engines.footprint(), processes: await usagesOf(processes) };
    const counts = JSON.stringify(countsOf(state.footprint));
    const isStill = baseline === undefined ? counts === before : growthOf(baseline, state).length === 0;
    if (isStill || Date.now() > until) return state;
    before = counts;
  }
}

async function usagesOf(processes: ReadonlyMap<string, Process>): Promise<Record<string, Usage>> {
  const usages: Record<string, Usage> = {};
  for (const [role, process] of processes) usages[role] = await process.ask<Usage>("memory");
  return usages;
}

function countsOf(footprint: Footprint): Footprint {
  return Object.fromEntries(Object.entries(footprint).filter(([name]) => !name.endsWith("Bytes")));
}

function lossesOf({ acknowledged, ended, wrong, refused }: Tally): string[] {
  const losses: string[] = [];
  if (ended !== acknowledged) losses.push(`${acknowledged - ended} of ${acknowledged} tasks are lost`);
  if (wrong > 0) losses.push(`${wrong} results are wrong`);
  if (refused > 0) losses.push(`${refused} submissions were refused`);
  return losses;
}

const MIB = 1024 * 1024;

/**
 * What is larger than before. Counts must be what they were, but for a few (a heartbeat under way, an answer that is
 * about to be fetched); bytes may be a quarter and some MiB more, as allocators keep what they had.
 */
function growthOf(before: State, after: State): string[] {
  const growth: string[] = [];
  const check = (name: string, from: number, to: number, allowed: number): void => {
    if (to > allowed) growth.push(`${name} grew from ${from} to ${to}`);
  };
  for (const [name, from] of Object.entries(before.footprint)) {
    const to = after.footprint[name] ?? 0;
    check(name, from, to, name.endsWith("Bytes") ? from * 1.25 + 2 * MIB : from + 3);
  }
  for (const [role, from] of Object.entries(before.processes)) {
    const to = after.processes[role];
    if (to === undefined) continue;
    check(`${role} heap`, from.heapBytes, to.heapBytes, from.heapBytes * 1.25 + 5 * MIB);
    check(`${role} memory`, from.rssBytes, to.rssBytes, from.rssBytes * 1.25 + 30 * MIB);
    check(`${role} files`, from.files, to.files, from.files + 1);
  }
  return growth;
}

exitOnSignals();
const { values } = parseArgs({
  options: {
    engine: { type: "string", default: "sqlite" },
    minutes: { type: "string", default: "10" },
    rate: { type: "string", default: "200" },
  },
});
const engine = ENGINE_NAMES.find((name) => name === values.engine);
const [minutes, rate] = [Number(values.minutes), Number(values.rate)];
if (engine === undefined || !(minutes > 0) || !(rate > 0)) {
  console.error(USAGE);
  process.exitCode = 2;
} else if (!(await main(engine, minutes, rate))) process.exitCode = 1;
