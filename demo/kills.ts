import type { Yard } from "yardmaster";
import type { Fleet, Member } from "./fleet.ts";
import { digest } from "./tasks.ts";

const WORKER_TRIES = 2;

/** Kills the owner of the shard. Throws when there is none, or no standby to take over. */
export async function killOwner(fleet: Fleet): Promise<Member> {
  const { owner } = fleet;
  if (owner === undefined) throw new Error("no dispatcher owns the shard");
  if (fleet.dispatchers.filter(({ isAlive }) => isAlive).length < 2)
    throw new Error("no dispatcher stands by");
  await owner.kill();
  return owner;
}

/**
 * Kills the worker with the most unfinished tasks, and answers how many it held when it died. A worker may have
 * finished them all between the question and the kill: then the next one is tried.
 */
export async function killBusyWorker(
  yard: Yard,
  fleet: Fleet,
): Promise<{ readonly killed: readonly Member[]; readonly held: number }> {
  const killed: Member[] = [];
  for (let attempt = 1; attempt <= WORKER_TRIES; attempt += 1) {
    const busy = busiest(fleet, await heldByWorker(yard));
    if (busy === undefined) continue;
    await busy.kill();
    killed.push(busy);
    // The dispatcher still counts what the dead worker had: it has not noticed yet.
    const held = (await heldByWorker(yard)).get(busy.worker) ?? 0;
    if (held > 0) return { killed, held };
  }
  return { killed, held: 0 };
}

function busiest(fleet: Fleet, held: ReadonlyMap<string, number>): Member | undefined {
  const load = (member: Member): number => held.get(member.worker) ?? 0;
  const alive = fleet.workers.filter((member) => member.isAlive && load(member) > 0);
  return alive.sort((a, b) => load(b) - load(a))[0];
}

/** How many unfinished tasks each worker has at the moment, as the dispatcher says. */
async function heldByWorker(yard: Yard): Promise<Map<string, number>> {
  const held = new Map<string, number>();
  for (const state of ["assigned", "running"] as const) {
    for (const { worker } of await yard.list({ name: digest.name, state, limit: 1_000 })) {
      if (worker !== null) held.set(worker, (held.get(worker) ?? 0) + 1);
    }
  }
  return held;
}
