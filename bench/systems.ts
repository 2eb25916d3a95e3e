import { setTimeout as pause } from "node:timers/promises";
import { engineCpuMicros } from "./engine-cpu.ts";
import type { Ground } from "./ground.ts";
import type { Tally } from "./load.ts";
import type { BenchOptions } from "./options.ts";
import { PEERS, type PeerName } from "./peers/peers.ts";
import { Process } from "./processes.ts";
import { type Cost, YardProcesses } from "./yard-processes.ts";

/** A system under measurement, with processes of its own and an empty engine for each session. */
export interface System {
  readonly name: "yardmaster" | PeerName;
  readonly hasResults: boolean;
  readonly drainsOnly: boolean;
  session<T>(use: (session: Session) => Promise<T>): Promise<T>;
}

export interface Session {
  readonly producer: Process;
  /** A worker process that takes nothing until it is told to `open`. */
  worker(slots: number): Promise<Process>;
  /** Resolves when so many submitted tasks wait where workers are given them. */
  waiting(count: number): Promise<void>;
  /** Resolves when the engine has recorded the end of so many. */
  recorded(count: number): Promise<void>;
  engineBytes(): Promise<number>;
  costOf<T>(measured: () => Promise<T>, tasksOf: (result: T) => number): Promise<Cost<T>>;
}

const LOOK_MS = 20;

export function yardSystem(ground: Pick<Ground, "yard">, options: Pick<BenchOptions, "profile">): System {
  return {
    name: "yardmaster",
    hasResults: true,
    drainsOnly: false,
    session: async (use) => {
      const spot = await ground.yard();
      try {
        return await YardProcesses.with(options, { address: () => spot.address }, "full", async (yard) => {
          await yard.start("dispatcher");
          const producer = await yard.start("producer");
          return await use({
            producer,
            worker: (slots) => yard.start("worker", `${slots}`, "later"),
            waiting: (count) => untilCount(producer, "waiting", count),
            recorded: (count) => untilCount(producer, "succeeded", count),
            engineBytes: () => spot.bytes(),
            costOf: (measured, tasksOf) => yard.costOf(measured, tasksOf),
          });
        });
      } finally {
        await spot.dispose();
      }
    },
  };
}

export function peerSystem(name: PeerName, ground: Ground): System {
  const { folder, file, hasResults, drainsOnly } = PEERS[name];
  return {
    name,
    hasResults,
    drainsOnly,
    session: async (use) => {
      const spot = await ground.peer();
      const processes: Process[] = [];
      const start = async (role: "producer" | "worker", ...args: string[]): Promise<Process> => {
        const process = await Process.start(`peers/peer-${role}`, [folder, file, spot.address, ...args], []);
        processes.push(process);
        return process;
      };
      try {
        const result = await use({
          producer: await start("producer"),
          worker: (slots) => start("worker", `${slots}`),
          // A submission of theirs waits as soon as it is confirmed, and their workers count what is recorded.
          waiting: async () => undefined,
          recorded: async () => undefined,
          engineBytes: () => spot.bytes(),
          costOf: (measured) => costOf(processes, measured),
        });
        for (const process of processes.toReversed()) await process.close();
        return result;
      } finally {
        for (const process of processes) process.kill();
        await spot.dispose();
      }
    },
  };
}

/** Waits until a worker has ended so many different tasks. Throws when nothing moves for long. */
export async function untilEnded(worker: Process, count: number): Promise<Tally> {
  let best = 0;
  let bestAt = performance.now();
  for (;;) {
    const tally = await worker.ask<Tally>("tally");
    if (tally.distinct >= count) return tally;
    if (tally.distinct > best) [best, bestAt] = [tally.distinct, performance.now()];
    if (performance.now() - bestAt > STUCK_MS) throw new Error(`${best} of ${count} tasks ended`);
    await pause(LOOK_MS);
  }
}

const STUCK_MS = 30_000;

async function untilCount(producer: Process, method: "waiting" | "succeeded", count: number): Promise<void> {
  let best = -1;
  let bestAt = performance.now();
  for (;;) {
    const found = await producer.ask<number>(method);
    if (found > count) throw new Error(`${found} tasks instead of ${count} are ${method}`);
    if (found === count) return;
    if (found > best) [best, bestAt] = [found, performance.now()];
    if (performance.now() - bestAt > STUCK_MS) throw new Error(`${best} of ${count} tasks are ${method}`);
    await pause(LOOK_MS);
  }
}

async function costOf<T>(processes: readonly Process[], measured: () => Promise<T>): Promise<Cost<T>> {
  const read = async (): Promise<number[]> =>
    (await Promise.all(processes.map((process) => process.usage()))).map(({ cpuMicros }) => cpuMicros);
  const before = await read();
  const engineBefore = engineCpuMicros(processes);
  const result = await measured();
  const engine = engineCpuMicros(processes) - engineBefore;
  const after = await read();
  const spent = processes.map(
    ({ role }, index) => [role, (after[index] ?? 0) - (before[index] ?? 0)] as const,
  );
  return { result, cpuMicros: new Map([...spent, ["engine", engine] as const]) };
}
