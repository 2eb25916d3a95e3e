import { signal } from "@preact/signals";
import { BOUNDS_MS, type HistogramView, type QueueStats, type YardStats } from "yardmaster/http-client";

/** What happened in a second or two. */
export interface Sample {
  readonly at: number;
  readonly succeededPerS: number;
  readonly failedPerS: number;
  readonly submittedPerS: number;
  /** What waited for a worker then. */
  readonly ready: number;
  /** Percentiles of the last ten seconds; null where nothing started or ended. */
  readonly wait: Percentiles | null;
  readonly run: Percentiles | null;
  /** From acceptance to success. */
  readonly total: Percentiles | null;
}

export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** What happened in a queue of late. */
export interface QueueFlow {
  readonly perS: number;
  readonly failedPerS: number;
  readonly wait: Percentiles | null;
}

interface Snapshot {
  readonly at: number;
  readonly byQueue: ReadonlyMap<string, QueueStats>;
}

const KEPT_MS = 5 * 60_000;
/** Rates and percentiles are of so long a stretch. */
const STRETCH_MS = 10_000;
const LEAST_MS = 500;

let snapshots: readonly Snapshot[] = [];
export const samples = signal<readonly Sample[]>([]);
export const flows = signal<ReadonlyMap<string, QueueFlow>>(new Map());

/** The dispatcher counts, the page only takes differences: nothing is counted for whoever looks. */
export function addSample(stats: YardStats, ready: number, at: number): void {
  const last = snapshots.at(-1);
  if (last !== undefined && at - last.at < LEAST_MS) return;
  const snapshot: Snapshot = { at, byQueue: new Map(stats.queues.map((one) => [one.queue, one])) };
  const base = snapshots.find((one) => at - one.at <= STRETCH_MS) ?? last;
  snapshots = [...snapshots.filter((one) => at - one.at <= 2 * STRETCH_MS), snapshot];
  if (last === undefined || base === undefined) return;
  const sums = differences(last, snapshot);
  const seconds = (at - last.at) / 1_000;
  const stretch = differences(base, snapshot);
  const sample: Sample = {
    at,
    succeededPerS: sumOf(sums, "succeeded") / seconds,
    failedPerS: (sumOf(sums, "failed") + sumOf(sums, "expired")) / seconds,
    submittedPerS: sumOf(sums, "submitted") / seconds,
    ready,
    wait: percentilesOf(stretch.map(({ wait }) => wait)),
    run: percentilesOf(stretch.map(({ run }) => run)),
    total: percentilesOf(stretch.map(({ total }) => total)),
  };
  samples.value = [...samples.value.filter((one) => at - one.at <= KEPT_MS), sample];
  const stretchS = (at - base.at) / 1_000;
  flows.value = new Map(
    stretch.map((one) => [
      one.queue,
      {
        perS: (one.succeeded + one.failed + one.expired) / stretchS,
        failedPerS: (one.failed + one.expired) / stretchS,
        wait: percentilesOf([one.wait]),
      },
    ]),
  );
}

const COUNTS = ["submitted", "succeeded", "failed", "cancelled", "expired", "retried"] as const;

/** A dispatcher that has just taken over counts anew, and so does a queue that was forgotten: their counts are all news. */
function differences(from: Snapshot, to: Snapshot): QueueStats[] {
  return [...to.byQueue.values()].map((after) => {
    const before = from.byQueue.get(after.queue);
    if (before === undefined || COUNTS.some((field) => before[field] > after[field])) return after;
    return {
      ...after,
      submitted: after.submitted - before.submitted,
      succeeded: after.succeeded - before.succeeded,
      failed: after.failed - before.failed,
      cancelled: after.cancelled - before.cancelled,
      expired: after.expired - before.expired,
      retried: after.retried - before.retried,
      wait: minus(after.wait, before.wait),
      run: minus(after.run, before.run),
      total: minus(after.total, before.total),
    };
  });
}

function minus(after: HistogramView, before: HistogramView): HistogramView {
  const counts = after.counts.map((value, bucket) => Math.max(0, value - (before.counts[bucket] ?? 0)));
  return { counts, sumMs: Math.max(0, after.sumMs - before.sumMs) };
}

function sumOf(
  stats: readonly QueueStats[],
  field: "submitted" | "succeeded" | "failed" | "expired",
): number {
  return stats.reduce((sum, one) => sum + one[field], 0);
}

function percentilesOf(histograms: readonly HistogramView[]): Percentiles | null {
  const counts = new Array<number>(BOUNDS_MS.length + 1).fill(0);
  for (const one of histograms)
    for (const [bucket, value] of one.counts.entries()) counts[bucket] = (counts[bucket] ?? 0) + value;
  const total = counts.reduce((sum, value) => sum + value, 0);
  if (total === 0) return null;
  return {
    p50: quantile(counts, total, 0.5),
    p95: quantile(counts, total, 0.95),
    p99: quantile(counts, total, 0.99),
  };
}

/** Within a bucket values are taken to lie evenly. */
function quantile(counts: readonly number[], total: number, share: number): number {
  let left = share * total;
  for (const [bucket, value] of counts.entries()) {
    if (left > value || value === 0) {
      left -= value;
      continue;
    }
    const low = BOUNDS_MS[bucket - 1] ?? 0;
    const high = BOUNDS_MS[bucket] ?? low * 2;
    return low + (high - low) * (left / value);
  }
  return BOUNDS_MS.at(-1) ?? 0;
}
