import type { QueueRecord } from "../protocol/task.ts";
import type { Group, Worker } from "./live.ts";
import type { Random } from "./random.ts";

/** Chooses among the workers with free credit in some groups; undefined when there are none. */
export interface Placement {
  pick(groups: readonly Group[], random: Random): Worker | undefined;
}

/** Every way to choose a worker that a queue can have. */
export const PLACEMENTS: Readonly<Record<QueueRecord["placement"], Placement>> = {
  "least-loaded": { pick: pickLeastLoaded },
  random: { pick: pickRandom },
};

/** The worker whose dispatched tasks are the smallest part of its credit. */
function pickLeastLoaded(groups: readonly Group[]): Worker | undefined {
  let best: Worker | undefined;
  for (const group of groups) {
    const first = group.pool.peek();
    if (first !== undefined && (best === undefined || isLessLoaded(first, best))) best = first;
  }
  return best;
}

function pickRandom(groups: readonly Group[], random: Random): Worker | undefined {
  let free = 0;
  for (const group of groups) free += group.pool.size;
  let index = random.below(free);
  for (const group of groups) {
    if (index < group.pool.size) return group.pool.at(index);
    index -= group.pool.size;
  }
  return undefined;
}

export function isLessLoaded(a: Worker, b: Worker): boolean {
  // Cross-multiplied: used / credit, without a division for each comparison.
  const difference = usedCredit(a) * b.credit - usedCredit(b) * a.credit;
  return difference === 0 ? a.number < b.number : difference < 0;
}

export function usedCredit(worker: Worker): number {
  return worker.held.length + worker.ghosts.size;
}
