import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Engines, nameOf } from "../servers/engines.ts";
import { failover } from "./failover.ts";
import type { Spot } from "./ground.ts";
import { backlogGrowth, keyGrowth, queueGrowth } from "./growth.ts";
import type { Latency, Trips } from "./load.ts";
import { bytesOf, flat, memory, overtaking } from "./millions.ts";
import type { BenchOptions } from "./options.ts";
import type { Process } from "./processes.ts";
import { shards } from "./shards.ts";
import { yardSystem } from "./systems.ts";
import { IDLE_SLOTS, type Measures, WORKLOADS, warmIdle } from "./workloads.ts";
import { type Cost, type Durability, YardProcesses } from "./yard-processes.ts";

export interface Scenario {
  readonly name: string;
  readonly run: (options: BenchOptions, engines: Engines) => Promise<Measures>;
}

const WARM_SECONDS = 1;
const ROLES = ["producer", "dispatcher", "worker", "engine"] as const;
/** Of the common workloads those that have no scenario of their own here. */
const COMMON = ["latency-loaded", "mixed", "drain"];

const runFile = promisify(execFile);

export function scenarios(options: BenchOptions): Scenario[] {
  const { only } = options;
  const place = nameOf(options.place);
  const isSqlite = place === "sqlite";
  // SQLite is the engine whose durability a URL chooses: it is measured with both.
  const durabilities: readonly Durability[] = isSqlite ? ["full", "os"] : ["full"];
  const all: Scenario[] = durabilities.flatMap((durability) => {
    const suffix = isSqlite ? durability : place;
    return [
      ...[500, 5_000].map((inFlight) => roundTrips(`roundtrip-${inFlight}-${suffix}`, inFlight, durability)),
      idle(`idle-${suffix}`, durability),
    ];
  });
  // These count what waits in the whole yard and leave it there: nothing for a yard that others use.
  if (place !== "url") {
    all.push(
      ...WORKLOADS.filter(({ name }) => COMMON.includes(name)).map(common),
      { name: "backlog", run: overtaking },
      { name: "memory", run: memory },
      { name: "failover", run: failover },
      ...[500, 5_000].map((inFlight) => ({
        name: `shards-${inFlight}`,
        run: (given: BenchOptions, engines: Engines) => shards(inFlight, given, engines),
      })),
      { name: "growth-backlog", run: backlogGrowth },
      { name: "growth-queues", run: queueGrowth },
      { name: "growth-keys", run: keyGrowth },
    );
  }
  if (isSqlite) {
    all.push(
      { name: "kernel", run: () => script("kernel.ts") },
      { name: "growth-kernel", run: () => script("kernel-growth.ts") },
    );
  }
  // It takes minutes: only for who asks for it.
  if (only === "flat") all.push({ name: "flat", run: flat });
  const exact = all.filter(({ name }) => name === only);
  return exact.length > 0 ? exact : all.filter(({ name }) => name.includes(only));
}

/** A workload that all systems have, on a yard by itself. */
function common({ name, run }: (typeof WORKLOADS)[number]): Scenario {
  return {
    name,
    run: (options, engines) => run(yardSystem({ yard: () => spotOf(engines) }, options), options),
  };
}

async function spotOf(engines: Engines): Promise<Spot<ReturnType<Engines["address"]>>> {
  return {
    address: engines.address(),
    bytes: async () => bytesOf(await engines.footprint()),
    dispose: async () => undefined,
  };
}

function roundTrips(name: string, inFlight: number, durability: Durability): Scenario {
  return {
    name,
    run: (options, engines) =>
      YardProcesses.with(options, engines, durability, async (yard) => {
        const producer = await startAll(yard, inFlight);
        await producer.ask("roundTrips", inFlight, WARM_SECONDS);
        const { result, cpuMicros } = await yard.costOf(
          () => producer.ask<Trips>("roundTrips", inFlight, options.seconds),
          ({ tasks }) => tasks,
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
        const producer = await startAll(yard, IDLE_SLOTS);
        await warmIdle(producer);
        const { result, cpuMicros } = await yard.costOf(
          () => producer.ask<Latency>("idle", options.seconds),
          ({ tasks }) => tasks,
        );
        const { tasks, p50Ms, p99Ms } = result;
        return { p50Ms, p99Ms, ...cpuPerTask(cpuMicros, tasks) };
      }),
  };
}

/** The scheduling alone, without any input or output. */
async function script(file: string): Promise<Measures> {
  const { stdout } = await runFile(process.execPath, [join(import.meta.dirname, file)]);
  const measures: Measures = JSON.parse(stdout.trim().split("\n").at(-1) ?? "{}");
  return measures;
}

async function startAll(yard: YardProcesses, slots: number): Promise<Process> {
  await yard.start("dispatcher");
  await yard.start("worker", String(slots));
  return yard.start("producer");
}

function cpuPerTask(cpuMicros: Cost<unknown>["cpuMicros"], tasks: number): Measures {
  const present = ROLES.filter((role) => cpuMicros.has(role));
  const shares = present.map(
    (role) => [`${role}CpuMicrosPerTask`, (cpuMicros.get(role) ?? 0) / tasks] as const,
  );
  const total = shares.reduce((sum, [, micros]) => sum + micros, 0);
  return { cpuMicrosPerTask: total, ...Object.fromEntries(shares) };
}
