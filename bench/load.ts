import { setTimeout as pause } from "node:timers/promises";
import { quantile } from "./statistics.ts";

/*
 * How every system is loaded, ours and the others: one code for all, so that a difference in figures is none in how
 * they were taken. What never answers is counted, and does not hang the bench.
 */

export interface Trips {
  readonly tasks: number;
  readonly seconds: number;
  /** How many were submitted and had not answered long after the end. */
  readonly lost: number;
}

export interface Latency extends Trips {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Submits a task, waits for its result and checks it. */
export type RoundTrip = (n: number) => Promise<void>;

const LOST_AFTER_MS = 30_000;

/** Keeps so many tasks in flight for a time; each result is awaited. */
export async function closedLoop(inFlight: number, seconds: number, trip: RoundTrip): Promise<Trips> {
  const startedAt = performance.now();
  const until = startedAt + seconds * 1_000;
  let [submitted, ended, lastAt] = [0, 0, startedAt];
  const lane = async (): Promise<void> => {
    while (performance.now() < until) {
      submitted += 1;
      await trip(submitted);
      ended += 1;
      lastAt = performance.now();
    }
  };
  await settledOrLost(Array.from({ length: inFlight }, lane), seconds);
  return { tasks: ended, seconds: (lastAt - startedAt) / 1_000, lost: submitted - ended };
}

/** One task at a time: how long each takes from the call to its result. */
export async function oneByOne(seconds: number, trip: RoundTrip): Promise<Latency> {
  const startedAt = performance.now();
  const until = startedAt + seconds * 1_000;
  const tookMs: number[] = [];
  while (performance.now() < until) {
    const from = performance.now();
    await trip(tookMs.length);
    tookMs.push(performance.now() - from);
  }
  return latencyOf(tookMs, startedAt, tookMs.length);
}

/**
 * So many tasks a second, whatever becomes of those before: each is measured from the moment at which it was due, so
 * that a stall of the system counts for every task that came meanwhile (no coordinated omission).
 */
export async function paced(perSecond: number, seconds: number, trip: RoundTrip): Promise<Latency> {
  const startedAt = performance.now();
  const total = Math.floor(perSecond * seconds);
  const tookMs: number[] = [];
  const trips: Promise<void>[] = [];
  while (trips.length < total) {
    const due = Math.min(total, ((performance.now() - startedAt) / 1_000) * perSecond);
    while (trips.length < due) {
      const dueAt = startedAt + (trips.length / perSecond) * 1_000;
      const ended = trip(trips.length).then(() => void tookMs.push(performance.now() - dueAt));
      trips.push(ended);
    }
    await pause(1);
  }
  await settledOrLost(trips, 0);
  return latencyOf(tookMs, startedAt, total);
}

function latencyOf(tookMs: readonly number[], startedAt: number, submitted: number): Latency {
  return {
    tasks: tookMs.length,
    seconds: (performance.now() - startedAt) / 1_000,
    lost: submitted - tookMs.length,
    p50Ms: quantile(tookMs, 0.5),
    p99Ms: quantile(tookMs, 0.99),
  };
}

async function settledOrLost(trips: readonly Promise<void>[], seconds: number): Promise<void> {
  const deadline = new AbortController();
  const late = pause(seconds * 1_000 + LOST_AFTER_MS, undefined, { signal: deadline.signal });
  try {
    await Promise.race([Promise.all(trips), late]);
  } finally {
    deadline.abort();
    late.catch(() => undefined);
  }
}

/** Which tasks a worker has ended. */
export interface Tally {
  readonly ended: number;
  /** Different ones. */
  readonly distinct: number;
}

/** Counts ended tasks by their numbers, so that one lost and one done twice do not pass for two. */
export class TallyKeeper {
  private seen = new Uint8Array(1 << 16);
  private ended = 0;
  private distinct = 0;

  take(n: number): void {
    this.ended += 1;
    if (n >= this.seen.length) {
      const larger = new Uint8Array(Math.max(n + 1, this.seen.length * 2));
      larger.set(this.seen);
      this.seen = larger;
    }
    if (this.seen[n] === 1) return;
    this.seen[n] = 1;
    this.distinct += 1;
  }

  get tally(): Tally {
    return { ended: this.ended, distinct: this.distinct };
  }
}
