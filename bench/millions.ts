import { setTimeout as pause } from "node:timers/promises";
import type { Engines } from "../servers/engines.ts";
import type { Footprint } from "../servers/server.ts";
import type { Latency, Tally, Trips } from "./load.ts";
import type { BenchOptions } from "./options.ts";
import { PAYLOAD_BYTES } from "./payload.ts";
import type { Process } from "./processes.ts";
import type { Usage } from "./role.ts";
import type { Measures } from "./workloads.ts";
import { YardProcesses } from "./yard-processes.ts";

const SLOTS = 500;
const PROBES = 50;
const FLAT_IN_FLIGHT = 5_000;
/** How many times the large backlog a run goes through that must not grow. */
const FLAT_TIMES = 5;
const FLAT_STEP_SECONDS = 5;
/** Longer than a record of a brief task is kept. */
const REST_MS = 5_000;
const KEEP_MS = 2_000;
const MIB = 1024 * 1024;

/** How long urgent tasks take to their results, one by one, while a worker is at a large backlog of others. */
export function overtaking(options: BenchOptions, engines: Engines): Promise<Measures> {
  const { backlog } = options;
  return YardProcesses.with(options, engines, "full", async (yard) => {
    const producer = await withWaiting(yard, backlog, "urgent");
    const worker = await yard.start("worker", `${SLOTS}`, "later");
    await worker.ask("open");
    await untilMoving(worker);
    const { result } = await yard.costOf(
      () => producer.ask<Latency>("overtake", PROBES),
      ({ tasks }) => tasks,
    );
    const waiting = await producer.ask<number>("waiting");
    if (waiting === 0) throw new Error("the backlog had ended before the urgent tasks: give --backlog more");
    return { p50Ms: result.p50Ms, p99Ms: result.p99Ms, waitingAfterwards: waiting };
  });
}

/** What it costs to submit very many tasks, and what the engine and a dispatcher need to hold them. */
export function memory(options: BenchOptions, engines: Engines): Promise<Measures> {
  const { backlog } = options;
  return YardProcesses.with(options, engines, "full", async (yard) => {
    const dispatcher = await yard.start("dispatcher");
    const producer = await yard.start("producer");
    const before = await dispatcher.ask<Usage>("memory");
    const engineBefore = bytesOf(await engines.footprint());
    const { result, cpuMicros } = await yard.costOf(
      async () => {
        const submitted = await producer.ask<{ seconds: number; rssBytes: number[] }>("submit", backlog);
        await untilWaiting(producer, backlog);
        return submitted;
      },
      () => backlog,
    );
    const after = await dispatcher.ask<Usage>("memory");
    const engineBytes = (bytesOf(await engines.footprint()) - engineBefore) / backlog - PAYLOAD_BYTES;
    const half = result.rssBytes[Math.floor(result.rssBytes.length / 2)] ?? 0;
    const cpu = [...cpuMicros.values()].reduce((sum, each) => sum + each, 0);
    return {
      tasksPerSecond: backlog / result.seconds,
      engineBytesPerTaskBesidePayload: engineBytes,
      dispatcherHeapBytesPerTask: (after.heapBytes - before.heapBytes) / backlog,
      dispatcherRssMiB: after.rssBytes / MIB,
      producerRssHalfWayMiB: half / MIB,
      producerRssLastMiB: (result.rssBytes.at(-1) ?? 0) / MIB,
      producerRssMostMiB: Math.max(0, ...result.rssBytes) / MIB,
      cpuMicrosPerTask: cpu / backlog,
    };
  });
}

/**
 * Memory over very many tasks whose records leave after seconds: heaps after a garbage collection and resident memory,
 * once a tenth is through, at the end, and of the engine at rest.
 */
export function flat(options: BenchOptions, engines: Engines): Promise<Measures> {
  const total = options.backlog * FLAT_TIMES;
  return YardProcesses.with(options, engines, "full", async (yard) => {
    const dispatcher = await yard.start("dispatcher", "1", `${KEEP_MS}`);
    const processes = {
      dispatcher,
      worker: await yard.start("worker", `${FLAT_IN_FLIGHT}`),
      producer: await yard.start("producer"),
    };
    const through = async (count: number, from: number): Promise<number> => {
      let done = from;
      while (done < count) {
        const step = await processes.producer.ask<Trips>("trips", "brief", FLAT_IN_FLIGHT, FLAT_STEP_SECONDS);
        done += step.tasks;
      }
      return done;
    };
    const measured = async (when: string): Promise<Measures> => {
      await pause(REST_MS);
      const measures: Record<string, number> = {};
      for (const [role, process] of Object.entries(processes)) {
        const { heapBytes, rssBytes } = await process.ask<Usage>("memory");
        measures[`${role}HeapMiB${when}`] = heapBytes / MIB;
        measures[`${role}RssMiB${when}`] = rssBytes / MIB;
      }
      return { ...measures, [`engineMiB${when}`]: bytesOf(await engines.footprint()) / MIB };
    };
    const tenth = await through(total / 10, 0);
    const early = await measured("AfterATenth");
    const tasks = await through(total, tenth);
    return { tasks, ...early, ...(await measured("AtTheEnd")) };
  });
}

async function withWaiting(yard: YardProcesses, count: number, definition: string): Promise<Process> {
  await yard.start("dispatcher");
  const producer = await yard.start("producer");
  await producer.ask("submitOf", definition, count);
  await untilWaiting(producer, count);
  return producer;
}

async function untilMoving(worker: Process): Promise<void> {
  while ((await worker.ask<Tally>("tally")).ended < SLOTS * 4) await pause(10);
}

export async function untilWaiting(producer: Process, count: number): Promise<void> {
  for (;;) {
    const waiting = await producer.ask<number>("waiting");
    if (waiting > count) throw new Error(`${waiting} instead of ${count} tasks wait`);
    if (waiting === count) return;
    await pause(50);
  }
}

/** What an engine has taken, of memory and of the disk. */
export function bytesOf(footprint: Footprint): number {
  const sizes = Object.entries(footprint).filter(([name]) => name.endsWith("Bytes"));
  return sizes.reduce((sum, [, size]) => sum + size, 0);
}
