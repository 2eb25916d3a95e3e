import type { Millis } from "./task.ts";

/** The upper bounds of histograms, in milliseconds; what is longer is in the last bucket, which has none. */
export const BOUNDS_MS = [
  5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 1_800_000, 7_200_000,
] as const;

/** How many values were up to each of `BOUNDS_MS` and above the one before, then above all; and their sum. */
export interface HistogramView {
  readonly counts: readonly number[];
  readonly sumMs: number;
}

/** What a shard's owner has counted of a queue since it took the shard over. */
export interface QueueStats {
  readonly queue: string;
  readonly submitted: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly expired: number;
  /** Attempts that failed and were followed by another. */
  readonly retried: number;
  /** From when a task could start to its first start; of an attempt that succeeded; of a task that succeeded, from its acceptance. */
  readonly wait: HistogramView;
  readonly run: HistogramView;
  readonly total: HistogramView;
  /** How long one slot would be busy with what is ready, by what its definitions are expected to take. */
  readonly backlogMs: number;
}

/** Everything that a shard's owner has counted. */
export interface ShardStats {
  readonly queues: readonly QueueStats[];
  /** How many attempts its workers take at a time, and how many they have. */
  readonly credit: number;
  readonly used: number;
  /** How many of its dispatcher's commits the fence of this shard refused; older dispatchers do not say it. */
  readonly fencedCommits?: number;
  /** The owner's wall clock when it answered. */
  readonly at: Millis;
}

/** What was counted of two, under the name of the first. */
export function addStats(a: QueueStats, b: QueueStats): QueueStats {
  return {
    queue: a.queue,
    submitted: a.submitted + b.submitted,
    succeeded: a.succeeded + b.succeeded,
    failed: a.failed + b.failed,
    cancelled: a.cancelled + b.cancelled,
    expired: a.expired + b.expired,
    retried: a.retried + b.retried,
    wait: addViews(a.wait, b.wait),
    run: addViews(a.run, b.run),
    total: addViews(a.total, b.total),
    backlogMs: a.backlogMs + b.backlogMs,
  };
}

function addViews(a: HistogramView, b: HistogramView): HistogramView {
  const counts = a.counts.map((count, bucket) => count + (b.counts[bucket] ?? 0));
  return { counts, sumMs: a.sumMs + b.sumMs };
}
