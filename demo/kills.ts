import type { Yard } from "yardmaster";
import type { Fleet, Member } from "./fleet.ts";
import { digest } from "./tasks.ts";

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
 * Kills the worker with the most unfinished tasks, and answers how many those were just before; null when no worker has
 * any. What it held when it died shows in the attempts that are repeated: whoever is asked after the kill may have
 * noticed it already, and given all of them to others.
 */
export async function killBusyWorker(
  yard: Yard,
  fleet: Fleet,
): Promise<{ readonly killed: Member; readonly held: number } | null> {
  const held = await heldByWorker(yard);
  const killed = busiest(fleet, held);
  if (killed === undefined) return null;
  await killed.kill();
  return { killed, held: held.get(killed.worker) ?? 0 };
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
