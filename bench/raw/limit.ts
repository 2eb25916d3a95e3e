/** One thing that an engine does again and again. */
export interface RawMeasure {
  /** What is counted, in the words of the engine. */
  readonly name: string;
  /** Whether it does one at a time, so that the time of one is of interest. */
  readonly isRoundTrip?: boolean;
  /** Does some; answers how many. */
  readonly run: () => number | Promise<number>;
}

/** An engine of its own, with nothing on it. */
export interface RawEngine {
  /** With its version and what it keeps. */
  readonly name: string;
  readonly measures: readonly RawMeasure[];
  close(): Promise<void>;
}

/** How many a second. */
export async function rateWithin({ run }: RawMeasure, seconds: number): Promise<number> {
  const startedAt = performance.now();
  const until = startedAt + seconds * 1_000;
  let done = 0;
  let now = startedAt;
  while (now < until) {
    done += await run();
    now = performance.now();
  }
  return (done / (now - startedAt)) * 1_000;
}

/** As many as go together wherever a measure takes many at once. */
export const BATCH = 500;
export const PAYLOAD: string = "x".repeat(100);
