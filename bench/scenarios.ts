import { execFile } from "node:child_process";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { type Engines, nameOf } from "../servers/engines.ts";
import { failover } from "./failover.ts";
import type { BenchOptions } from "./options.ts";
import type { Process, Role } from "./processes.ts";
import type { Usage } from "./role.ts";
import { shards } from "./shards.ts";
import { type Durability, YardProcesses } from "./yard-processes.ts";

/** What one run measured, by name; the names carry the unit. */
export type Measures = Readonly<Record<string, number>>;

export interface Scenario {
  readonly name: string;
  readonly run: (options: BenchOptions, engines: Engines) => Promise<Measures>;
}

const WARM_SECONDS = 1;
const BACKLOG = 100_000;
const DRAIN_SLOTS = 500;
const MILLION = 1_000_000;
const ROLES = ["producer", "dispatcher", "worker"] as const;

const runFile = promisify(execFile);

export function scenarios(options: BenchOptions): Scenario[] {
  const place = nameOf(options.place);
  const isSqlite = place === "sqlite";
  // SQLite is the engine whose durability a URL chooses: it is measured with both.
  const durabilities: readonly Durability[] = isSqlite ? ["full", "os"] : ["full"];
  const all = [
    ...durabilities.flatMap((durability) => {
      const suffix = isSqlite ? durability : place;
      return [
        ...[500, 5_000].map((inFlight) =>
          roundTrips(`roundtrip-${inFlight}-${suffix}`, inFlight, durability),
        ),
        idle(`idle-${suffix}`, durability),
      ];
    }),
    // These count what waits in the whole yard and leave it there: nothing for a yard that others use.
    ...(place === "url"
      ? []
      : [
          { name: "drain", run: drain },
          { name: "failover", run: failover },
          ...[500, 5_000].map((inFlight) => ({
            name: `shards-${inFlight}`,
            run: (given: BenchOptions, engines: Engines) => shards(inFlight, given, engines),
          })),
        ]),
    ...(isSqlite
      ? [
          { name: "million", run: million },
          { name: "kernel", run: kernel },
        ]
      : []),
  ];
  return all.filter(({ name }) => name.includes(options.only));
}

function roundTrips(name: string, inFlight: number, durability: Durability): Scenario {
  return {
    name,
    run: (options, engines) =>
      YardProcesses.with(options, engines, durability, async (yard) => {
        const producer = await startAll(yard, inFlight);
        await producer.ask("roundTrips", inFlight, WARM_SECONDS);
        const { result, cpuMicros } = await yard.costOf(() =>
          producer.ask<{ tasks: number; seconds: number }>("roundTrips", inFlight, options.seconds),
        );
        return { tasksPerSecond: result.tasks / result.seconds, ...cpuPerTask(cpuMicros, result.tasks) };
      }),
  };
}

function idle(name: string, durability: Durability): Scenario {
  return {
    name,
    run: (options, engines) =>
      YardProcesses.with(options, engines, durability, async (yard) => {
        const producer = await startAll(yard, 10);
        await producer.ask("idle", WARM_SECONDS);
        const { result, cpuMicros } = await yard.costOf(() =>
          producer.ask<{ tasks: number; p50Ms: number; p99Ms: number }>("idle", options.seconds),
        );
        const { tasks, p50Ms, p99Ms } = result;
        return { p50Ms, p99Ms, ...cpuPerTask(cpuMicros, tasks) };
      }),
  };
}

/** A backlog that waits at the dispatcher, from the moment that a worker joins. */
function drain(options: BenchOptions, engines: Engines): Promise<Measures> {
  return YardProcesses.with(options, engines, "full", async (yard) => {
    await yard.start("dispatcher");
    const producer = await yard.start("producer");
    await producer.ask("submit", BACKLOG, 1);
    await untilWaiting(producer, BACKLOG);
    await yard.start("worker", String(DRAIN_SLOTS));
    const startedAt = performance.now();
    const { result, cpuMicros } = await yard.costOf(() => producer.ask<number>("settle"));
    const seconds = (performance.now() - startedAt) / 1_000;
    if (result !== BACKLOG) throw new Error(`${result} of ${BACKLOG} tasks ended`);
    return { tasksPerSecond: BACKLOG / seconds, ...cpuPerTask(cpuMicros, BACKLOG) };
  });
}

/** What it costs to submit a million tasks, and what a dispatcher needs to hold them. */
function million(options: BenchOptions, engines: Engines): Promise<Measures> {
  return YardProcesses.with(options, engines, "full", async (yard) => {
    const dispatcher = await yard.start("dispatcher");
    const producer = await yard.start("producer");
    const before = await dispatcher.ask<Usage>("memory");
    const { result, cpuMicros } = await yard.costOf(async () => {
      const submitted = await producer.ask<{ seconds: number; rssBytes: number[] }>("submit", MILLION, 0);
      await untilWaiting(producer, MILLION);
      return submitted;
    });
    const after = await dispatcher.ask<Usage>("memory");
    const half = result.rssBytes[Math.floor(result.rssBytes.length / 2)];
    return {
      tasksPerSecond: MILLION / result.seconds,
      producerRssHalfWayMiB: toMiB(half ?? 0),
      producerRssLastMiB: toMiB(result.rssBytes.at(-1) ?? 0),
      producerRssMostMiB: toMiB(Math.max(...result.rssBytes)),
      dispatcherHeapBytesPerTask: (after.heapBytes - before.heapBytes) / MILLION,
      dispatcherRssMiB: toMiB(after.rssBytes),
      ...cpuPerTask(cpuMicros, MILLION),
    };
  });
}

/** The scheduling alone, without any input or output. */
async function kernel(): Promise<Measures> {
  const { stdout } = await runFile(process.execPath, [join(import.meta.dirname, "kernel.ts")]);
  const measures: Measures = JSON.parse(stdout.trim().split("\n").at(-1) ?? "{}");
  return measures;
}

async function startAll(yard: YardProcesses, slots: number): Promise<Process> {
  await yard.start("dispatcher");
  await yard.start("worker", String(slots));
  return yard.start("producer");
}

async function untilWaiting(producer: Process, count: number): Promise<void> {
  for (;;) {
    const waiting = await producer.ask<number>("waiting");
    if (waiting > count) throw new Error(`${waiting} instead of ${count} tasks wait`);
    if (waiting === count) return;
    await pause(50);
  }
}

function cpuPerTask(cpuMicros: ReadonlyMap<Role, number>, tasks: number): Measures {
  const shares = ROLES.filter((role) => cpuMicros.has(role)).map(
    (role) => [`${role}CpuMicrosPerTask`, (cpuMicros.get(role) ?? 0) / tasks] as const,
  );
  const total = shares.reduce((sum, [, micros]) => sum + micros, 0);
  return { cpuMicrosPerTask: total, ...Object.fromEntries(shares) };
}

function toMiB(bytes: number): number {
  return bytes / 1024 / 1024;
}
