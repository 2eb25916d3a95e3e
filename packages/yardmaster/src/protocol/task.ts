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
/** Where a task is in its life. */
export type State = (typeof STATES)[number];
/** The states that a task never leaves. */
export const TERMINAL_STATES = ["succeeded", "failed", "cancelled", "expired"] as const;
/** How a task has ended. */
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
  /** Absent where nothing is limited. */
  readonly limits?: TaskLimits;
  /** Absent where any worker will do. */
  readonly requirements?: TaskRequirements;
  /** Absent where no attempt is ever joined by a second one. */
  readonly speculation?: Speculation;
}

/** When a running attempt is so late that a free slot is used for a second one. */
export interface Speculation {
  /** So many times what its definition is expected to take, */
  readonly afterFactor: number;
  /** and so long in any case. */
  readonly afterMs: Millis;
}

/** What a task asks of the worker that runs it. */
export interface TaskRequirements {
  /** So much of what the worker offers is the task's alone while it runs: multiples of a thousandth. */
  readonly needs: Readonly<Record<string, number>>;
  /** The worker has all of these labels. */
  readonly labels: Readonly<Record<string, string>>;
  /** Workers with more of these labels go first. */
  readonly preferred: Readonly<Record<string, string>>;
}

/** What limits the tasks of one definition: all of them together, or those with the same key in their terms. */
export interface TaskLimits {
  /** How many may run at a time; 0 for any number. */
  readonly concurrency: number;
  readonly rate: Rate | null;
}

/** At most `burst` starts and `limit` more for each `perMs`, in any stretch of time. */
export interface Rate {
  readonly limit: number;
  readonly perMs: number;
  readonly burst: number;
}

/** What a task brings along for the order and the limits of its queue. */
export interface TaskTerms {
  /** When it should have ended; 0 for no deadline. */
  readonly deadline: Millis;
  /** In a submission: the deadline, counted from acceptance; else 0. */
  readonly deadlineInMs: number;
  /** Whose share of a fair queue it uses, or "". */
  readonly fairnessKey: string;
  /** How large that share is, beside 1 for others. */
  readonly weight: number;
  /** Who shares the definition's concurrency with it, or "" for all tasks of the definition. */
  readonly concurrencyKey: string;
  /** Who shares the definition's rate with it, or "" for all tasks of the definition. */
  readonly rateKey: string;
  /** Tasks with the same one go to the same worker in a sticky queue, or "". */
  readonly affinityKey: string;
  /** Absent where it takes no other's place. */
  readonly replace?: ReplaceTerms;
  /** What ties its attempts to the trace in which it was submitted, for the worker alone; absent where nobody traces. */
  readonly trace?: string;
}

/** A later task of the same definition and key takes the place of one that has not started. */
export interface ReplaceTerms {
  readonly key: string;
  /** In a submission: how long it waits for a later one; else 0. */
  readonly waitMs: number;
  /** In a submission: how long all that replace each other may wait; 0 for ever, and 0 in a record. */
  readonly maxWaitMs: number;
  /** In a record: when the last of them starts at the latest; 0 for never. */
  readonly until: Millis;
}

/** An item's index is its number on the wire. */
export const FAILED_DEPENDENCY_RULES = ["fail", "skip", "run-anyway"] as const;
/** What becomes of a task when one that it waits for ends in any other way than by success. */
export type FailedDependencyRule = (typeof FAILED_DEPENDENCY_RULES)[number];

/** How a task hangs together with others of its shard. */
export interface TaskLinks {
  /** The id of the graph that it is a member of, or "". */
  readonly graph: TaskId;
  /** How many tasks that graph has: none of them starts before all have arrived. 0 outside graphs. */
  readonly members: number;
  /** The tasks that must have ended before it starts. */
  readonly after: readonly TaskId[];
  readonly onFailure: FailedDependencyRule;
  /**
   * Its input is made of the results of `after`, and its payload says how: JSON in which n stands for the nth result,
   * from 0; no bytes at all for an array of all results. One that is missing is `null`.
   */
  readonly fed: boolean;
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
  /** Null for most tasks; one object for many with the same. */
  readonly terms: TaskTerms | null;
  /** Absent for most tasks. Excludes `key` where it names a graph. */
  readonly links?: TaskLinks;
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
  readonly terms: TaskTerms | null;
  /** Attempts before the last one, and at the front, as attempt 0, for how long the first had to wait. Absent where there are none. */
  readonly past?: readonly PastAttempt[];
  /** Absent where it hangs together with no other. */
  readonly links?: TaskLinks;
  /** How many numbers of attempts were left out, which use none up; absent where none was. */
  readonly skipped?: number;
}

/** How an attempt ended that was not the last. */
export interface PastAttempt {
  readonly attempt: number;
  readonly worker: string;
  readonly startedAt: Millis;
  readonly endedAt: Millis;
  /** When the next one might start; no later than `endedAt` for at once. */
  readonly resumesAt: Millis;
  readonly code: string;
  readonly message: string;
}

/** Every order that a queue can have. An order's index is its number on the wire. */
export const ORDERS = ["fifo", "priority", "lifo", "fair", "deadline", "shortest", "critical-path"] as const;
/** In which order the tasks of a queue start. */
export type Order = (typeof ORDERS)[number];
/** Every way to choose among workers that a queue can have. Its index is its number on the wire. */
export const PLACEMENTS = [
  "two-choices",
  "least-loaded",
  "idle-first",
  "random",
  "sticky",
  "spread",
  "pack",
] as const;
/** How a queue chooses among the workers that have room. */
export type PlacementName = (typeof PLACEMENTS)[number];

/** A queue as it is declared and kept. `revision` rises with each change of its settings. */
export interface QueueRecord {
  readonly name: string;
  readonly order: Order;
  readonly placement: PlacementName;
  readonly paused: boolean;
  readonly revision: number;
  /** Absent where all are as they are by default. */
  readonly settings?: QueueSettings;
  /** Nobody has said which order: it becomes `fair` with the first task that brings a fairness key. */
  readonly orderByDefault?: boolean;
}

/** What few queues differ in. */
export interface QueueSettings {
  /** Its share of the workers beside queues of the same precedence. */
  readonly weight: number;
  /** Queues with a larger one go first, always. */
  readonly precedence: number;
  /** How long a task waits until it counts as one priority higher. */
  readonly agingMs: number;
  /** How many of its tasks may run at a time; 0 for any number. */
  readonly concurrency: number;
  readonly rate: Rate | null;
  /** What becomes of a task that cannot meet its deadline. */
  readonly admission: Admission;
}

/** An item's index is its number on the wire. */
export const ADMISSIONS = ["any", "flag", "refuse"] as const;
export type Admission = (typeof ADMISSIONS)[number];

export const DEFAULT_SETTINGS: QueueSettings = Object.freeze({
  weight: 1,
  precedence: 0,
  agingMs: 10_000,
  concurrency: 0,
  rate: null,
  admission: "any",
});

/** A worker starts nothing unless a heartbeat that it sent less than this long ago was answered. */
export const CONTACT_MS = 7_000;
/** Payloads and results up to this size travel inside messages; larger ones stay in the store. */
export const INLINE_BYTES = 4096;
/** The largest payload or result that anything accepts, whatever a limit says. */
export const MAX_BYTES: number = 64 * 1024 * 1024;
export const MAX_NAME_BYTES = 256;
export const MAX_KEY_BYTES = 1024;
/** The most bytes of what ties a task to a trace. */
export const MAX_TRACE_BYTES = 1024;
export const MAX_PRIORITY = 255;
/** The most tasks that one waits for, and that one graph has. */
export const MAX_AFTER = 100_000;
export const MAX_GRAPH_TASKS = 1_000_000;
export const MAX_QUEUE_WEIGHT = 1000;
/** The most resources that a worker offers, and the most labels that it has. */
export const MAX_RESOURCES = 100;
export const MAX_LABELS = 100;
/** The most resources, labels and preferred labels that a task asks for, each. */
export const MAX_ASKED = 16;
/** The most of a resource, which is counted in thousandths. */
export const MAX_AMOUNT = 1_000_000_000;
/** The least and the most that an attempt must be late, in what its definition is expected to take. */
export const MIN_LATE_FACTOR = 1;
export const MAX_LATE_FACTOR = 1_000;
/** The smallest and the largest weight of a fairness key. */
export const MIN_WEIGHT = 0.001;
export const MAX_WEIGHT = 1_000_000;
