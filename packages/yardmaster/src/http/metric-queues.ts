import type { QueueStatus } from "../client/directory.ts";
import { addStats, type QueueStats } from "../protocol/stats.ts";

/** So many queues have series of their own; a name for each tenant would fill anybody's Prometheus. */
export const MAX_METRIC_QUEUES = 100;
/** What all others are counted as. */
const OTHER = "other";

type Depths = Pick<QueueStatus, "name" | "paused" | "scheduled" | "blocked" | "ready" | "parked" | "active">;

/**
 * Which queues have series of their own: the largest at the first look, by what was submitted to them, then by what they
 * hold, and those that come while there is room. They keep them: where a queue left the sum of the others, its counters
 * would fall, which Prometheus takes for a start from nothing.
 */
export class QueueLabels {
  readonly #most: number;
  readonly #named = new Set<string>();

  constructor(most: number = MAX_METRIC_QUEUES) {
    this.#most = most;
  }

  /** All others as one, named `other`. */
  bounded(
    stats: readonly QueueStats[],
    queues: readonly Depths[],
  ): { readonly stats: readonly QueueStats[]; readonly queues: readonly Depths[] } {
    for (const name of ranked(stats, queues)) {
      if (this.#named.size === this.#most) break;
      this.#named.add(name);
    }
    return {
      stats: joined(stats, ({ queue }) => this.#named.has(queue), sumOfStats),
      queues: joined(queues, ({ name }) => this.#named.has(name), sumOfDepths),
    };
  }
}

/** Names, largest first. */
function ranked(stats: readonly QueueStats[], queues: readonly Depths[]): readonly string[] {
  const sizes = new Map<string, [submitted: number, held: number]>();
  for (const one of queues) sizes.set(one.name, [0, heldBy(one)]);
  for (const { queue, submitted } of stats) sizes.set(queue, [submitted, sizes.get(queue)?.[1] ?? 0]);
  return [...sizes]
    .filter(([name]) => name !== OTHER)
    .sort(
      ([a, [submittedToA, heldByA]], [b, [submittedToB, heldByB]]) =>
        submittedToB - submittedToA || heldByB - heldByA || (a < b ? -1 : 1),
    )
    .map(([name]) => name);
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
