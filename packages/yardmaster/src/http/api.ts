import type { QueueStatus, WorkerStatus, YardActivity, YardStats } from "../client/directory.ts";
import type { GraphSummary } from "../client/graphs.ts";
import type { TaskUpdate } from "../client/handle.ts";
import type { ScheduleStatus } from "../client/schedules.ts";
import type { TaskChapter, TaskStatus } from "../client/task-status.ts";
import type { BackoffOptions } from "../definition/backoff.ts";
import type { LabelOptions } from "../definition/requirements.ts";
import type { State, TaskId, TerminalState } from "../protocol/task.ts";
import type { ShardStatus } from "../shard-status.ts";

/**
 * What a token may do. A viewer sees how tasks, queues and workers stand; a producer submits and fetches results; an
 * operator also stops, repeats and pauses, and sees values redacted; an admin may do all of it.
 */
export type Role = "viewer" | "producer" | "operator" | "admin";
/** What a token may be for, from the least to the most: each role may do what those before it may. */
export const ROLES: readonly Role[] = ["viewer", "producer", "operator", "admin"];

/** A task to submit. Times in milliseconds; what is left out is as `defineTask` and `submit` have it. */
export interface SubmitBody {
  readonly name: string;
  readonly input?: unknown;
  readonly queue?: string;
  readonly version?: number;
  readonly attempts?: number;
  readonly backoff?: BackoffOptions;
  readonly timeoutMs?: number;
  /** `at-most-once`: a task whose worker is lost fails instead of running again; default `at-least-once`. */
  readonly delivery?: "at-least-once" | "at-most-once";
  readonly priority?: number;
  readonly delayMs?: number;
  /** ISO time with a zone; excludes `delayMs`. */
  readonly runAt?: string;
  readonly expiresInMs?: number;
  /** ISO time with a zone; excludes `deadlineInMs`. */
  readonly deadline?: string;
  readonly deadlineInMs?: number;
  /** How much of its worker's resources it takes, by name. */
  readonly needs?: Readonly<Record<string, number>>;
  readonly labels?: LabelOptions;
  readonly affinityKey?: string;
  readonly idempotencyKey?: string;
  readonly idempotencyWindowMs?: number;
}

/** How a submission is answered. */
export interface SubmitQuery {
  /** Also waits up to 10 s for a dispatcher, to say whether the task is new; refusals are errors then. */
  readonly accepted?: boolean;
}

/** A task that is durable. */
export interface Submitted {
  readonly id: TaskId;
  /** Null where nobody waited for it, or no dispatcher answered in time. */
  readonly outcome: "created" | "duplicate" | null;
}

/** Tasks to submit together, 1 to 1,000. */
export interface BatchBody {
  readonly tasks: readonly SubmitBody[];
}

/** In the order of the tasks: each has an id or an error. */
export interface BatchAnswer {
  readonly tasks: readonly ({ readonly id: TaskId } | { readonly error: Failure })[];
}

/** An error as a part of an answer. */
export interface Failure {
  readonly code: string;
  readonly message: string;
}

/** How a task ended, or that it has not. */
export type ResultAnswer =
  | { readonly id: TaskId; readonly ended: false }
  | { readonly id: TaskId; readonly ended: true; readonly ok: true; readonly result: unknown }
  | {
      readonly id: TaskId;
      readonly ended: true;
      readonly ok: false;
      /** `cause` is the handler's own error, where it was one. */
      readonly error: Failure & { readonly cause: Failure | null };
    };

/** How long to wait for an end, in milliseconds. */
export interface ResultQuery {
  /** 0 (default) to 60,000. */
  readonly waitMs?: number;
}

/** A value for people: JSON text with secrets taken out, cut where it is long. */
export interface ShownValue {
  readonly json: string;
  readonly isCut: boolean;
}

/** Null where there is none, or it is not JSON. */
export interface ValuesAnswer {
  readonly input: ShownValue | null;
  readonly result: ShownValue | null;
}

/** Why a task or graph is cancelled, for its record. */
export interface CancelBody {
  readonly reason?: string;
}

/** How a cancelled task has ended. */
export interface CancelAnswer {
  readonly id: TaskId;
  /** As it ended: `succeeded` when it was faster. */
  readonly state: TerminalState;
}

/** The new task, and the one that it repeats. */
export interface RetryAnswer {
  readonly id: TaskId;
  readonly retryOf: TaskId;
}

/** Which tasks to list; `limit` is 1 to 1,000, default 100. */
export interface ListQuery {
  readonly state?: State;
  readonly queue?: string;
  readonly name?: string;
  /** With `name`: only the task that this idempotency key stands for, while its window lasts. */
  readonly key?: string;
  /** With `key`, where the definition's queue is spread by one: the routing key. */
  readonly routingKey?: string;
  /** Only those that have not ended. */
  readonly unfinished?: boolean;
  /** Only unfinished ones behind this: the last of a page that was full. */
  readonly after?: string;
  readonly limit?: number;
}

/**
 * Which records of ended and parked tasks to read; `limit` is 1 to 1,000, default 100, and `cursor` is that of
 * the page before.
 */
export interface HistoryQuery {
  readonly state?: State | readonly State[];
  readonly queue?: string;
  readonly name?: string;
  /** Submitted at or after, and before: ISO times. */
  readonly from?: string;
  readonly to?: string;
  readonly cursor?: string;
  readonly limit?: number;
}

/** Tasks in the order of the list. */
export interface TaskListAnswer {
  readonly tasks: readonly TaskStatus[];
}

/** What has happened to a task, in order. */
export interface StoryAnswer {
  readonly chapters: readonly TaskChapter[];
}

/** A state of a task that has not ended. */
export type WaitingState = Exclude<State, TerminalState>;

/** Unfinished tasks to cancel: at least one of the first three. */
export interface BulkCancelBody {
  readonly queue?: string;
  readonly name?: string;
  readonly state?: WaitingState;
  readonly reason?: string;
  /** From the answer before. */
  readonly cursor?: string;
  /** 1 to 1,000; default 100. */
  readonly limit?: number;
  /** Only says which tasks it would be. */
  readonly dryRun?: boolean;
}

/** Ended tasks to submit again: at least one of the first five. */
export interface BulkRetryBody {
  readonly queue?: string;
  readonly name?: string;
  readonly state?: TerminalState;
  readonly from?: string;
  readonly to?: string;
  /** From the answer before. */
  readonly cursor?: string;
  readonly limit?: number;
  readonly dryRun?: boolean;
}

/** What one step over many tasks has done. */
export interface BulkAnswer {
  /** The tasks that the filter found for this step. */
  readonly matched: readonly TaskId[];
  /** How many were cancelled or submitted again. */
  readonly done: number;
  readonly failed: readonly (Failure & { readonly id: TaskId })[];
  /** Whether there is more: call again, with `cursor` where it is not null. */
  readonly more: boolean;
  readonly cursor: string | null;
}

/** What a token may do, and how many shards the yard has. */
export interface SessionAnswer {
  readonly role: Role;
  readonly shards: number;
}

/** When a schedule comes next, and the latest tasks that it made, the last one first. */
export interface ScheduleTicks {
  readonly next: readonly string[];
  readonly past: readonly { readonly at: string; readonly task: TaskStatus }[];
}

/** What can be watched. */
export const LIVE_TOPICS = [
  "activity",
  "queues",
  "stats",
  "workers",
  "graphs",
  "schedules",
  "shards",
] as const;
/** What a live feed can tell of. */
export type LiveTopic = (typeof LIVE_TOPICS)[number];

/** The topics of a live feed. */
export interface LiveQuery {
  readonly topic: LiveTopic | readonly LiveTopic[];
}

/** How a topic stands now; that it has not changed; or that it could not be asked for. */
export type LiveNews =
  | { readonly type: "activity"; readonly value: Omit<YardActivity, "mark"> }
  | { readonly type: "queues"; readonly value: readonly QueueStatus[] }
  | { readonly type: "stats"; readonly value: YardStats }
  | { readonly type: "workers"; readonly value: readonly WorkerStatus[] }
  | { readonly type: "graphs"; readonly value: readonly GraphSummary[] }
  | { readonly type: "schedules"; readonly value: readonly ScheduleStatus[] }
  | { readonly type: "shards"; readonly value: readonly ShardStatus[] }
  | { readonly type: "same"; readonly topic: LiveTopic; readonly at: number }
  | ({ readonly type: "trouble"; readonly topic: LiveTopic; readonly at: number } & Failure);

/** What the events of a task carry, by their `event` name. */
export type TaskNews = TaskUpdate;

/** An error answer (RFC 9457, `application/problem+json`). Branch on `code`. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly retryable: boolean;
  readonly requestId: string;
  /** What is wrong where in the request. */
  readonly errors?: readonly { readonly path: string; readonly message: string }[];
}
