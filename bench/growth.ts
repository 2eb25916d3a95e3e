import type { Engines } from "../servers/engines.ts";
import type { Trips } from "./load.ts";
import { untilWaiting } from "./millions.ts";
import type { BenchOptions } from "./options.ts";
import { untilEnded } from "./systems.ts";
import type { Measures } from "./workloads.ts";
import { YardProcesses } from "./yard-processes.ts";

/*
 * The same work where there is little of something and where there is much of it, one after the other on fresh yards:
 * a ratio of 1 is a cost that does not grow. Workers by the thousand are simulated: see `kernel-growth.ts`.
 */

const SLOTS = 500;
const IN_FLIGHT = 500;
const WARM_SECONDS = 1;
/** As many as the first of a backlog that are timed. */
const TIMED = 100_000;

type Run = (yard: YardProcesses) => Promise<number>;

/** The first 100,000 tasks of a backlog, of that many and of a million. */
export function backlogGrowth(options: BenchOptions, engines: Engines): Promise<Measures> {
  const timed = Math.min(TIMED, options.backlog);
  return besides(options, engines, firstOf("noop", timed, timed), firstOf("noop", options.backlog, timed));
}

/** A backlog of 100,000 with a place for each of 100 keys, and of as many keys as tasks. */
export function keyGrowth(options: BenchOptions, engines: Engines): Promise<Measures> {
  const timed = Math.min(TIMED, options.backlog);
  return besides(options, engines, firstOf("fewKeys", timed, timed), firstOf("manyKeys", timed, timed));
}

/** Round trips over 10 queues in turns, and over 1,000. */
export function queueGrowth(options: BenchOptions, engines: Engines): Promise<Measures> {
  const over =
    (queues: number): Run =>
    async (yard) => {
      await yard.start("worker", `${SLOTS}`, "queues");
      const producer = await yard.start("producer");
      await producer.ask("queueTrips", queues, IN_FLIGHT, WARM_SECONDS);
      const done = await producer.ask<Trips>("queueTrips", queues, IN_FLIGHT, options.seconds);
      return done.tasks / done.seconds;
    };
  return besides(options, engines, over(10), over(1_000));
}

async function besides(options: BenchOptions, engines: Engines, small: Run, large: Run): Promise<Measures> {
  const measured = (run: Run): Promise<number> =>
    YardProcesses.with(options, engines, "full", async (yard) => {
      await yard.start("dispatcher");
      return run(yard);
    });
  const smallTasksPerSecond = await measured(small);
  const largeTasksPerSecond = await measured(large);
  return { smallTasksPerSecond, largeTasksPerSecond, ratio: largeTasksPerSecond / smallTasksPerSecond };
}

function firstOf(definition: string, backlog: number, timed: number): Run {
  return async (yard) => {
    const producer = await yard.start("producer");
    await producer.ask("submitOf", definition, backlog);
    await untilWaiting(producer, backlog);
    const worker = await yard.start("worker", `${SLOTS}`, "later");
    const startedAt = performance.now();
    await worker.ask("open");
    await untilEnded(worker, timed);
    return (timed / (performance.now() - startedAt)) * 1_000;
  };
}
