import type { Chapter } from "../protocol/story.ts";
import type { State, TaskError, TaskId, TaskRecord } from "../protocol/task.ts";

/** A task as it stands: plain JSON, with ISO times and null for what does not apply (yet). */
export interface TaskStatus {
  readonly id: TaskId;
  readonly name: string;
  readonly queue: string;
  readonly state: State;
  /** Why it ended where the state does not say it, such as TIMED_OUT. */
  readonly code: string | null;
  /** The last attempt that was assigned; 0 before the first. */
  readonly attempt: number;
  readonly attempts: number;
  readonly priority: number;
  readonly submittedAt: string | null;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  /** The worker of the last attempt. */
  readonly worker: string | null;
  /** The last attempt's error. */
  readonly error: TaskError | null;
}

/** What a dispatcher tells of a task in its memory: times in milliseconds since the Unix epoch. */
export type LiveTask = Omit<TaskStatus, "code" | "submittedAt" | "startedAt" | "finishedAt"> & {
  readonly code: string;
  readonly submittedAt: number;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
};

/** One thing that a task came to; null for what does not apply. */
export interface TaskChapter {
  /** ISO time. */
  readonly at: string | null;
  readonly state: State;
  readonly attempt: number;
  readonly worker: string | null;
  /** Why, where the state does not say it. */
  readonly code: string | null;
  readonly message: string | null;
  /** ISO time until which the task waits at least. */
  readonly until: string | null;
}

export function shownChapter({ at, state, attempt, worker, code, message, until }: Chapter): TaskChapter {
  const orNull = (text: string): string | null => (text === "" ? null : text);
  return {
    at: isoTime(at),
    state,
    attempt,
    worker: orNull(worker),
    code: orNull(code),
    message: orNull(message),
    until: isoTime(until),
  };
}

/** A task as the store has it. */
export function statusOfRecord(task: TaskRecord): TaskStatus {
  const { name, queue, attempts } = task.spec;
  return statusOfLive({ ...task, name, queue, attempts });
}

/** A task as its dispatcher tells of it. */
export function statusOfLive(task: LiveTask): TaskStatus {
  const { id, name, queue, state, code, attempt, attempts, priority, worker, error } = task;
  return {
    id,
    name,
    queue,
    state,
    code: code === "" ? null : code,
    attempt,
    attempts,
    priority,
    submittedAt: isoTime(task.submittedAt),
    startedAt: isoTime(task.startedAt),
    finishedAt: isoTime(task.finishedAt),
    worker: worker === "" ? null : worker,
    error,
  };
}

/** The last moment that a `Date` can hold. */
const MAX_TIME = 8_640_000_000_000_000;

/** Null for 0, which means never, and for what no calendar has. */
export function isoTime(at: number | null): string | null {
  if (at === null || !(at > 0 && at <= MAX_TIME)) return null;
  // biome-ignore lint/style/noRestrictedGlobals: it formats a time that was given and reads no clock.
  return new Date(at).toISOString();
}
