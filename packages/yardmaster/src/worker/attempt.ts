import type { Assign, Note, Outcome } from "../protocol/envelope.ts";
import { YardmasterError } from "../protocol/errors.ts";
import type { Epoch, Millis } from "../protocol/task.ts";
import { type Ending, ended } from "./execution.ts";
import { failure } from "./failure.ts";
import type { News } from "./news.ts";

export type StopReason = "cancelled" | "timedOut" | "closed";

/** One attempt in a worker's hands, from its assignment until its outcome is answered. */
export class Attempt {
  readonly shard: number;
  readonly epoch: Epoch;
  readonly assign: Assign;
  /** When it arrived, by the monotonic clock. */
  readonly receivedAt: number;
  /** Another attempt of the same task that is still in hand. */
  older: Attempt | null;
  state: "waiting" | "running" | "finished" = "waiting";
  /** It waits for others of its batch: it runs here, but its handler was not called yet. */
  isGathering = false;
  /** -1 while it has none. */
  slot = -1;
  /** By the wall clock; 0 before. */
  startedAt: Millis = 0;
  /** By the monotonic clock; 0 before. */
  startedMono = 0;
  /** Why its signal was aborted. */
  stop: StopReason | null = null;
  /** When it counts as ended though it goes on, by the monotonic clock. */
  graceOverAt: number = Number.POSITIVE_INFINITY;
  /** Whether the dispatcher was told that it runs. */
  isNoted = false;
  /** Made by the first use of progress or log. */
  news: News | null = null;
  outcome: Outcome | null = null;
  /** Ends the thread that it runs in, if it has one. */
  terminate: (() => void) | null = null;
  /** Tells the thread that it runs in, if it has one. */
  tellStop: ((reason: YardmasterError) => void) | null = null;
  #controller: AbortController | null = null;

  constructor(shard: number, epoch: Epoch, assign: Assign, receivedAt: number, older: Attempt | null) {
    this.shard = shard;
    this.epoch = epoch;
    this.assign = assign;
    this.receivedAt = receivedAt;
    this.older = older;
  }

  /** Most handlers never look at their signal: it is made when they do. */
  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.stop !== null) this.#controller.abort(stopError(this, this.stop));
    }
    return this.#controller.signal;
  }

  /** Aborts its signal; the first reason stays. */
  abort(reason: StopReason, graceOverAt: number): void {
    if (this.stop !== null) return;
    this.stop = reason;
    this.graceOverAt = graceOverAt;
    this.#controller?.abort(stopError(this, reason));
    this.tellStop?.(stopError(this, reason));
  }

  /** When its timeout is over, by the monotonic clock. */
  get timesOutAt(): number {
    const { timeoutMs } = this.assign;
    return timeoutMs > 0 ? this.startedMono + timeoutMs : Number.POSITIVE_INFINITY;
  }

  /** A note with all that it has to tell. `startedAt` is 0 unless this says that it runs. */
  note(startedAt: Millis, now: number): Note {
    const { progress, logs } = this.news?.take(now) ?? NO_NEWS;
    return { id: this.assign.id, attempt: this.assign.attempt, startedAt, progress, logs };
  }

  is(epoch: Epoch, attempt: number): boolean {
    return this.epoch === epoch && this.assign.attempt === attempt;
  }
}

const NO_NEWS = { progress: null, logs: [] };

/** What an attempt that was told to stop ended as: a cancelled one is cancelled, any other may still have succeeded. */
export function endingOfStopped(attempt: Attempt, reason: StopReason, ending: Ending): Ending {
  if (reason === "cancelled") return ended("cancelled", failure("TASK_CANCELLED", "The task was cancelled."));
  if (ending.kind !== "failed") return ending;
  const { code, message } = stopError(attempt, reason);
  const handlers = ending.error === null ? "" : ` The handler ended with: ${ending.error.message}`;
  return ended("failed", { ...failure(code, message + handlers), stack: ending.error?.stack ?? "" });
}

/** What an attempt counts as whose handler goes on beyond its grace. */
export function endingOfStuck(attempt: Attempt, reason: StopReason): Ending {
  if (reason === "cancelled") return ended("cancelled", failure("TASK_CANCELLED", "The task was cancelled."));
  const { code, message } = stopError(attempt, reason);
  return ended("failed", failure(code, `${message} The handler did not end when its signal was aborted.`));
}

function stopError({ assign }: Attempt, reason: StopReason): YardmasterError {
  if (reason === "cancelled") return new YardmasterError("TASK_CANCELLED", "The task was cancelled.");
  if (reason === "closed")
    return new YardmasterError("CLOSED", "The worker was closed while the attempt ran.");
  return new YardmasterError("TIMED_OUT", `The attempt ran over its timeout of ${assign.timeoutMs} ms.`);
}
