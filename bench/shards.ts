import { setTimeout as pause } from "node:timers/promises";
import type { Engines } from "../servers/engines.ts";
import type { BenchOptions } from "./options.ts";
import type { Process } from "./processes.ts";
import { YardProcesses } from "./yard-processes.ts";

const WARM_SECONDS = 1;

/** What two dispatchers with a shard each do, beside one with one shard: everything else is the same. */
export async function shards(
  inFlight: number,
  options: BenchOptions,
  engines: Engines,
): Promise<Record<string, number>> {
  const one = await tasksPerSecond(1, inFlight, options, engines);
  const two = await tasksPerSecond(2, inFlight, options, engines);
  return { oneShardTasksPerSecond: one, twoShardsTasksPerSecond: two, ratio: two / one };
}

function tasksPerSecond(
  count: number,
  inFlight: number,
  options: BenchOptions,
  engines: Engines,
): Promise<number> {
  return YardProcesses.with(options, engines, "full", async (yard) => {
    const dispatchers: Process[] = [];
    while (dispatchers.length < count) dispatchers.push(await yard.start("dispatcher", String(count)));
    await untilEachOwnsOne(dispatchers);
    await yard.start("worker", String(inFlight));
    const producer = await yard.start("producer");
    await producer.ask("spreadTrips", inFlight, WARM_SECONDS);
    const done = await producer.ask<{ tasks: number; seconds: number }>(
      "spreadTrips",
      inFlight,
      options.seconds,
    );
    return done.tasks / done.seconds;
  });
}

async function untilEachOwnsOne(dispatchers: readonly Process[]): Promise<void> {
  for (;;) {
    const owned = await Promise.all(dispatchers.map((dispatcher) => dispatcher.ask<number>("shards")));
    if (owned.every((count) => count === 1)) return;
    await pause(50);
  }
}
