import { BOUNDS_MS, type HistogramView } from "../protocol/stats.ts";
import type { Millis, TerminalState } from "../protocol/task.ts";

/** Durations by size. Hot: most are short, and found at the front. */
class Histogram {
  readonly #counts: number[] = new Array(BOUNDS_MS.length + 1).fill(0);
  #sumMs = 0;

  add(ms: Millis): void {
    let bucket = 0;
    while (bucket < BOUNDS_MS.length && ms > (BOUNDS_MS[bucket] ?? 0)) bucket++;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sumMs += ms;
  }

  get view(): HistogramView {
    return { counts: [...this.#counts], sumMs: this.#sumMs };
  }
}

/** What has happened in a queue since this owner has it: kept as it happens, so that nobody ever counts. */
export class Tally {
  submitted = 0;
  succeeded = 0;
  failed = 0;
  cancelled = 0;
  expired = 0;
  retried = 0;
  readonly wait: Histogram = new Histogram();
  readonly run: Histogram = new Histogram();
  readonly total: Histogram = new Histogram();

  /** A task is given out for the first time. */
  started(waitMs: Millis): void {
    this.wait.add(Math.max(0, waitMs));
  }

  /** `runMs` is of the attempt that succeeded. */
  ended(state: TerminalState, totalMs: Millis, runMs: Millis): void {
    this[state]++;
    if (state !== "succeeded") return;
    this.total.add(Math.max(0, totalMs));
    this.run.add(Math.max(0, runMs));
  }
}
