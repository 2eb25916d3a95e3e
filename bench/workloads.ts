import type { Latency, Trips } from "./load.ts";
import type { BenchOptions } from "./options.ts";
import { PAYLOAD_BYTES } from "./payload.ts";
import type { Process } from "./processes.ts";
import { type Session, type System, untilEnded } from "./systems.ts";

/*
 * The work that every system does, by the same code. A workload gives measures by name; where less is better, as of a
 * time, the name is among `COSTS`.
 */

export type Measures = Readonly<Record<string, number>>;

export interface Workload {
  readonly name: string;
  readonly measures: readonly string[];
  /** Whether it awaits results, which not every system has. */
  readonly needsResults: boolean;
  readonly run: (system: System, options: BenchOptions) => Promise<Measures>;
}

const DRAIN_SLOTS = 500;
export const IDLE_SLOTS: number = 10;
const SATURATION = 5_000;
const MIXED_IN_FLIGHT = 2_000;
const WARM_SECONDS = 1;
/** One task at a time warms slowly: until V8 has compiled everything, its threads are in the way of one trip in thirty. */
const IDLE_WARM_SECONDS = 5;

/** Measures of which less is better. */
const COSTS: ReadonlySet<string> = new Set([
  "latencyP50",
  "latencyP99",
  "loadedP50",
  "loadedP99",
  "memory",
  "cpu",
  "drainCpu",
]);

export const WORKLOADS: readonly Workload[] = [
  { name: "drain", measures: ["submit", "memory", "drain", "drainCpu"], needsResults: false, run: drain },
  roundTrips(500, ["roundtrip500", "cpu"]),
  roundTrips(5_000, ["roundtrip5000"]),
  {
    name: "latency",
    measures: ["roundtrip1", "latencyP50", "latencyP99"],
    needsResults: true,
    run: idle,
  },
  {
    name: "latency-loaded",
    measures: ["loadedRate", "loadedP50", "loadedP99"],
    needsResults: true,
    run: loaded,
  },
  { name: "mixed", measures: ["mixed"], needsResults: true, run: mixed },
];

/** The unit that a measure is in, for people. */
export function unitOf(measure: string): string {
  if (measure === "memory") return "B";
  if (measure === "cpu" || measure === "drainCpu") return "µs";
  return COSTS.has(measure) ? "ms" : "/s";
}

/** How much better ours is: above 1 is better, whatever is measured. */
export function ratioOf(measure: string, ours: number, theirs: number): number {
  return COSTS.has(measure) ? theirs / ours : ours / theirs;
}

/** The one of this name or with this measure, else those that have `only` in their name or in that of a measure. */
export function chosenWorkloads(only: string): Workload[] {
  const exact = WORKLOADS.filter(({ name, measures }) => [name, ...measures].includes(only));
  if (exact.length > 0) return exact;
  return WORKLOADS.filter(({ name, measures }) => [name, ...measures].some((each) => each.includes(only)));
}

/**
 * A backlog is submitted in bulk, weighed while it waits, and ended by one worker process: the time is from when the
 * process is told to begin until every end is recorded. Nobody awaits results; the worker counts different tasks.
 */
function drain(system: System, { tasks }: BenchOptions): Promise<Measures> {
  return system.session(async (session) => {
    const empty = await session.engineBytes();
    const { seconds } = await session.producer.ask<{ seconds: number }>("submit", tasks);
    await session.waiting(tasks);
    const memory = ((await session.engineBytes()) - empty) / tasks - PAYLOAD_BYTES;
    const worker = await session.worker(DRAIN_SLOTS);
    const { result, cpuMicros } = await session.costOf(
      async () => {
        const startedAt = performance.now();
        await worker.ask("open");
        const tally = await untilEnded(worker, tasks);
        await session.recorded(tasks);
        return { ...tally, drainSeconds: (performance.now() - startedAt) / 1_000 };
      },
      () => tasks,
    );
    const { ended, distinct, drainSeconds } = result;
    if (distinct !== tasks) throw new Error(`${system.name}: ${distinct} of ${tasks} tasks ended`);
    if (ended > tasks) console.error(`${system.name} ended ${ended - tasks} of ${tasks} tasks once more`);
    return {
      submit: tasks / seconds,
      memory,
      drain: tasks / drainSeconds,
      drainCpu: totalOf(cpuMicros) / tasks,
    };
  });
}

/** So many in flight, every result awaited and checked; all processes' CPU beside it. */
function roundTrips(inFlight: number, measures: readonly string[]): Workload {
  return {
    name: `roundtrip${inFlight}`,
    measures,
    needsResults: true,
    run: (system, { seconds }) =>
      withWorker(system, inFlight, async ({ producer, costOf }) => {
        await producer.ask("roundTrips", inFlight, WARM_SECONDS);
        const { result, cpuMicros } = await costOf(
          () => producer.ask<Trips>("roundTrips", inFlight, seconds),
          ({ tasks }) => tasks,
        );
        const cpu = totalOf(cpuMicros) / result.tasks;
        const figures = { [`roundtrip${inFlight}`]: rateOf(system, result), cpu };
        return Object.fromEntries(Object.entries(figures).filter(([name]) => measures.includes(name)));
      }),
  };
}

/** Has the processes of a system with IDLE_SLOTS work until they are warm. */
export async function warmIdle(producer: Process): Promise<void> {
  await producer.ask("roundTrips", IDLE_SLOTS, IDLE_WARM_SECONDS);
  await producer.ask("idle", IDLE_WARM_SECONDS);
}

/** One task at a time. */
function idle(system: System, { seconds }: BenchOptions): Promise<Measures> {
  return withWorker(system, IDLE_SLOTS, async ({ producer }) => {
    await warmIdle(producer);
    const done = await producer.ask<Latency>("idle", seconds);
    return { roundtrip1: rateOf(system, done), latencyP50: done.p50Ms, latencyP99: done.p99Ms };
  });
}

/** An open load at half of what the same processes have just done at most. */
function loaded(system: System, { seconds }: BenchOptions): Promise<Measures> {
  return withWorker(system, SATURATION, async ({ producer }) => {
    await producer.ask("roundTrips", SATURATION, WARM_SECONDS);
    const most = rateOf(system, await producer.ask<Trips>("roundTrips", SATURATION, seconds));
    await producer.ask("paced", most / 2, WARM_SECONDS);
    const done = await producer.ask<Latency>("paced", most / 2, seconds);
    rateOf(system, done);
    return { loadedRate: most / 2, loadedP50: done.p50Ms, loadedP99: done.p99Ms };
  });
}

/** Priorities, delays, idempotency keys, and 5 % that fail once and are tried again. */
function mixed(system: System, { seconds }: BenchOptions): Promise<Measures> {
  return withWorker(system, MIXED_IN_FLIGHT, async ({ producer }) => {
    await producer.ask("mixed", MIXED_IN_FLIGHT, WARM_SECONDS);
    return { mixed: rateOf(system, await producer.ask<Trips>("mixed", MIXED_IN_FLIGHT, seconds)) };
  });
}

function totalOf(cpuMicros: ReadonlyMap<string, number>): number {
  return [...cpuMicros.values()].reduce((sum, each) => sum + each, 0);
}

function withWorker(
  system: System,
  slots: number,
  use: (session: Session) => Promise<Measures>,
): Promise<Measures> {
  return system.session(async (session) => {
    const worker = await session.worker(slots);
    await worker.ask("open");
    return use(session);
  });
}

/** Tasks a second. A lost result of ours is an error; of another system it is said, and not counted. */
function rateOf({ name }: System, { tasks, seconds, lost }: Trips): number {
  if (lost > 0 && name === "yardmaster") throw new Error(`${lost} tasks were submitted and never ended`);
  if (lost > 0) console.error(`${name} lost ${lost} results of ${tasks + lost}`);
  return tasks / seconds;
}
