import type { ByteString } from "./bytes.ts";

/** A task's id: a UUIDv7 in its canonical text form, with the shard's number in the last 12 bits. */
export type TaskId = string;
/** Milliseconds since the Unix epoch, by the dispatcher's wall clock unless said otherwise. */
export type Millis = number;
/** The fencing token of a shard's ownership: it rises with every acquisition and is never reused. */
export type Epoch = number;

/** Every state of a task, in the order of a life. A state's index is its number on the wire. */
export const STATES = [
  "submitted",
  "scheduled",
  "blocked",
  "ready",
  "assigned",
  "running",
  "succeeded",
  "failed",
  "cancelled",
  "expired",
] as const;
export type State = (typeof STATES)[number];
export const TERMINAL_STATES = ["succeeded", "failed", "cancelled", "expired"] as const;
export type TerminalState = (typeof TERMINAL_STATES)[number];

export function isTerminal(state: State): state is TerminalState {
  return state === "succeeded" || state === "failed" || state === "cancelled" || state === "expired";
}

/** How long to wait before the next attempt. Attempt n + 1 waits `baseMs`, doubled n - 1 times, or the nth of a list (the last one repeats). */
export type Backoff =
  | { readonly type: "fixed"; readonly baseMs: number; readonly jitter: "none" | "full" }
  | {
      readonly type: "exponential";
      readonly baseMs: number;
      readonly maxMs: number;
      readonly jitter: "none" | "full";
    }
  | { readonly type: "list"; readonly delaysMs: readonly number[]; readonly jitter: "none" | "full" };

/**
 * What all submissions of a definition with the same options share. Interned: the kernel holds one object for
 * any number of tasks, and a frame carries it once.
 */
export interface TaskSpec {
  readonly name: string;
  readonly queue: string;
  readonly version: number;
  readonly attempts: number;
  readonly backoff: Backoff;
  /** 0 for none. */
  readonly timeoutMs: number;
  readonly graceMs: number;
  readonly delivery: "at-least-once" | "at-most-once";
  /** How long the record of a success is kept. */
  readonly keepResultMs: number;
  /** How long any other terminal record is kept. */
  readonly keepFailureMs: number;
}

/** What a client asks for. */
export interface Submission {
  readonly id: TaskId;
  readonly spec: TaskSpec;
  readonly priority: number;
  /** Not before this time, by the client's clock; 0 for at once. */
  readonly runAt: Millis;
  /** Not before this long after acceptance; 0 for at once. */
  readonly delayMs: number;
  /** Must start within this long after acceptance; 0 for ever. */
  readonly expiresInMs: number;
  readonly key: IdempotencyKey | null;
  /** The task that this one repeats, or "". */
  readonly retryOf: TaskId;
  /** The mailbox that wants to hear how it ends, or "". */
  readonly replyTo: string;
  /** Set when the client sends this submission again because it does not know what became of the first copy. */
  readonly copy: boolean;
  readonly payload: ByteString;
}

export interface IdempotencyKey {
  /** Scoped to the definition: two definitions may use the same key. */
  readonly key: string;
  readonly windowMs: number;
  /** Tells the same input from another. */
  readonly inputHash: ByteString;
}

/** An error as it travels and is kept. `stack` may be empty. */
export interface TaskError {
  readonly code: string;
  readonly message: string;
  readonly stack: string;
}

/** The record of a task as the store keeps it, without payload and result. */
export interface TaskRecord {
  readonly id: TaskId;
  readonly spec: TaskSpec;
  readonly state: State;
  readonly priority: number;
  /** The number of the last attempt that was assigned, from 1; 0 before the first. */
  readonly attempt: number;
  /** The epoch that assigned it. */
  readonly epoch: Epoch;
  /** How many worker processes are proven to have died while they ran it. */
  readonly deaths: number;
  /** When it may start; 0 for at once. */
  readonly runAt: Millis;
  /** When it must have started; 0 for never. */
  readonly expiresAt: Millis;
  readonly submittedAt: Millis;
  /** When the last attempt was assigned, then when it started as its worker says; 0 before. */
  readonly startedAt: Millis;
  readonly finishedAt: Millis;
  /** The id of the worker of the last attempt, or "". */
  readonly worker: string;
  readonly replyTo: string;
  readonly retryOf: TaskId;
  /** Idempotency key, or "". */
  readonly key: string;
  readonly cancelRequested: boolean;
  /** Why it ended where the state does not say it: TIMED_OUT, WORKER_LOST, REFUSED, ...; or "". */
  readonly code: string;
  /** The last attempt's error. Bounded in size by the worker. */
  readonly error: TaskError | null;
  /** The first task with the same idempotency key, when this record is only an alias of it; or "". */
  readonly aliasOf: TaskId;
  /** Payload size; a payload over INLINE_BYTES stays in the store and travels by reference. */
  readonly payloadBytes: number;
}

/** A queue as it is declared and kept. `revision` rises with each change of its settings. */
export interface QueueRecord {
  readonly name: string;
  readonly order: "fifo" | "priority";
  readonly placement: "least-loaded" | "random";
  readonly paused: boolean;
  readonly revision: number;
}

/** Payloads and results up to this size travel inside messages; larger ones stay in the store. */
export const INLINE_BYTES = 4096;
/** The largest payload or result that anything accepts, whatever a limit says. */
export const MAX_BYTES: number = 64 * 1024 * 1024;
export const MAX_NAME_BYTES = 256;
export const MAX_KEY_BYTES = 1024;
export const MAX_PRIORITY = 255;
