import { setTimeout as pause } from "node:timers/promises";
import type { Engines } from "../servers/engines.ts";
import type { BenchOptions } from "./options.ts";
import type { Process } from "./processes.ts";
import { YardProcesses } from "./yard-processes.ts";

/**
 * How long a process killed with SIGKILL is missed: from an owner's end to the first result of a task that was
 * submitted after it, and from a worker's to the result of the task that it was at, from another worker.
 */
export function failover(options: BenchOptions, engines: Engines): Promise<Record<string, number>> {
  return YardProcesses.with(options, engines, "full", async (yard) => {
    const dispatchers = [await yard.start("dispatcher"), await yard.start("dispatcher")];
    const workers = [await yard.start("worker", "10"), await yard.start("worker", "10")];
    const producer = await yard.start("producer");
    await producer.ask("stick");
    const worker = await untilOne(workers, "holding");
    const workerKilledAt = Date.now();
    worker.kill();
    const workerKilledMs = (await producer.ask<number>("unstuck")) - workerKilledAt;
    const owner = await untilOne(dispatchers, "shards");
    await pause(SETTLED_MS);
    const ownerKilledAt = Date.now();
    owner.kill();
    const ownerKilledMs = (await producer.ask<number>("one")) - ownerKilledAt;
    return { workerKilledMs, ownerKilledMs };
  });
}

/** The process whose count is no longer 0. */
async function untilOne(processes: readonly Process[], method: "holding" | "shards"): Promise<Process> {
  for (;;) {
    for (const process of processes) if ((await process.ask<number>(method)) > 0) return process;
    await pause(10);
  }
}

/** Until the standby has seen the owner alive. */
const SETTLED_MS = 2_000;
