import { type NoopInput, noopInput } from "./payload.ts";

/** A task of the workload `mixed`: what a day's load asks of a queue, in fixed parts. */
export interface MixedTask {
  readonly input: NoopInput;
  /** 0 to 9, larger first. */
  readonly priority: number;
  readonly delayMs: number;
  /** The idempotency key; null for none. */
  readonly key: string | null;
  /** Its first attempt fails, the second does not. */
  readonly fails: boolean;
}

/** How long a failed attempt waits for the next one. */
export const RETRY_MS = 10;
const DELAY_MS = 100;

/** Of 20 tasks 5 have a priority, 5 a delay and 5 a key, each of its own; one of the other 5 fails once: 5 %. */
export function mixedTask(n: number, run: number): MixedTask {
  const kind = n % 4;
  const fails = n % 20 === 0;
  return {
    input: { ...noopInput(n), ...(fails ? { fails: `${run}-${n}` } : {}) },
    priority: kind === 1 ? n % 10 : 0,
    delayMs: kind === 2 ? DELAY_MS : 0,
    key: kind === 3 ? `key-${run}-${n}` : null,
    fails,
  };
}

/** A worker's memory of what has failed once: one process runs all attempts. */
export class Failing {
  private readonly failed = new Set<string>();

  /** Throws at the first attempt of a task that fails. */
  check({ fails }: NoopInput): void {
    if (fails === undefined || this.failed.has(fails)) return;
    this.failed.add(fails);
    throw new Error("the first attempt fails");
  }
}
