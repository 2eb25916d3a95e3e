import { writeFileSync } from "node:fs";
import { type HeapProfiler, type Profiler, Session } from "node:inspector/promises";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";

/** How long the event loop of a process was late with its timers, in milliseconds. */
export interface LoopDelay {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** What was seen of a process from the beginning of an inspection to its end. */
export interface Inspection {
  readonly loopDelay: LoopDelay;
}

export type CpuProfile = Profiler.Profile;
export type HeapProfile = HeapProfiler.SamplingHeapProfile;

const LOOP_RESOLUTION_MS = 5;
/** Of the CPU, and of allocated bytes. */
const SAMPLE_MICROS = 500;
const SAMPLE_BYTES = 128 * 1024;

let running: { readonly session: Session; readonly loop: ReturnType<typeof monitorEventLoopDelay> } | null =
  null;

/** Watches this process's CPU, what it allocates and its event loop, from now on: start-up is no part of it. */
export async function beginInspection(): Promise<void> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.setSamplingInterval", { interval: SAMPLE_MICROS });
  // What is garbage by the end was allocated too.
  await session.post("HeapProfiler.startSampling", {
    samplingInterval: SAMPLE_BYTES,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  });
  await session.post("Profiler.start");
  const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  loop.enable();
  running = { session, loop };
}

/** Ends it, and writes the two profiles as NAME.cpuprofile and NAME.heapprofile, which Chromium's tools open. */
export async function endInspection(folder: string, name: string): Promise<Inspection> {
  if (running === null) throw new Error("no inspection has begun");
  const { session, loop } = running;
  running = null;
  loop.disable();
  const { profile: cpu } = await session.post("Profiler.stop");
  const { profile: heap } = await session.post("HeapProfiler.stopSampling");
  session.disconnect();
  writeFileSync(join(folder, `${name}.cpuprofile`), JSON.stringify(cpu));
  writeFileSync(join(folder, `${name}.heapprofile`), JSON.stringify(heap));
  const late = (nanos: number): number => Math.max(0, nanos / 1e6 - LOOP_RESOLUTION_MS);
  return {
    loopDelay: {
      p50Ms: late(loop.percentile(50)),
      p99Ms: late(loop.percentile(99)),
      maxMs: late(loop.max),
    },
  };
}
