import type { QueueStatus } from "../client/directory.ts";
import { addStats, type QueueStats } from "../protocol/stats.ts";

/** So many queues have series of their own; a name for each tenant would fill anybody's Prometheus. */
export const MAX_METRIC_QUEUES = 100;
/** What all others are counted as. */
const OTHER = "other";

type Depths = Pick<QueueStatus, "name" | "paused" | "scheduled" | "blocked" | "ready" | "parked" | "active">;

/** The largest queues by what was submitted to them, then by what they hold; the rest is one, named `other`. */
export function boundedQueues(
  stats: readonly QueueStats[],
  queues: readonly Depths[],
  most: number = MAX_METRIC_QUEUES,
): { readonly stats: readonly QueueStats[]; readonly queues: readonly Depths[] } {
  const sizes = new Map<string, [submitted: number, held: number]>();
  for (const one of queues) sizes.set(one.name, [0, heldBy(one)]);
  for (const { queue, submitted } of stats) sizes.set(queue, [submitted, sizes.get(queue)?.[1] ?? 0]);
  if (sizes.size <= most) return { stats, queues };
  const ranked = [...sizes]
    .filter(([name]) => name !== OTHER)
    .sort(
      ([a, [submittedToA, heldByA]], [b, [submittedToB, heldByB]]) =>
        submittedToB - submittedToA || heldByB - heldByA || (a < b ? -1 : 1),
    );
  const named = new Set(ranked.slice(0, most).map(([name]) => name));
  return {
    stats: joined(stats, ({ queue }) => named.has(queue), sumOfStats),
    queues: joined(queues, ({ name }) => named.has(name), sumOfDepths),
  };
}

function heldBy({ scheduled, blocked, ready, parked, active }: Depths): number {
  return scheduled + blocked + ready + parked + active;
}

function joined<T>(all: readonly T[], isNamed: (one: T) => boolean, add: (sum: T | null, one: T) => T): T[] {
  const rest = all.filter((one) => !isNamed(one)).reduce<T | null>(add, null);
  const named = all.filter(isNamed);
  return rest === null ? named : [...named, rest];
}

function sumOfStats(sum: QueueStats | null, one: QueueStats): QueueStats {
  return sum === null ? { ...one, queue: OTHER } : addStats(sum, one);
}

function sumOfDepths(sum: Depths | null, one: Depths): Depths {
  if (sum === null) return { ...one, name: OTHER };
  return {
    name: OTHER,
    paused: sum.paused || one.paused,
    scheduled: sum.scheduled + one.scheduled,
    blocked: sum.blocked + one.blocked,
    ready: sum.ready + one.ready,
    parked: sum.parked + one.parked,
    active: sum.active + one.active,
  };
}
