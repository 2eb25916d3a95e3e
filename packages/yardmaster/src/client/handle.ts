import type { TaskEvent } from "../protocol/envelope.ts";
import type { YardmasterError } from "../protocol/errors.ts";
import type { TaskId, TerminalState } from "../protocol/task.ts";

/** One task, seen from outside. Getting a handle costs no message; the calls on it do. */
export interface TaskHandle<Output = unknown> {
  /** The task's id: store it, and `yard.handle(definition, id)` finds the task again. */
  readonly id: TaskId;
  /**
   * Resolves when a dispatcher has recorded the task, with the id of the first task when this one repeats an
   * idempotency key. Throws TASK_REFUSED or IDEMPOTENCY_CONFLICT.
   */
  accepted(): Promise<Acceptance>;
  /**
   * The handler's result. Throws TASK_FAILED (`cause` is the handler's error), TASK_CANCELLED, TASK_EXPIRED,
   * TASK_REFUSED, TASK_NOT_FOUND, or WAIT_TIMED_OUT after `timeoutMs`; an aborted `signal` throws its reason.
   */
  result(options?: WaitOptions): Promise<Output>;
  /** As `result`, but how the task ended is a value: throws only when that cannot be learnt. */
  settled(options?: WaitOptions): Promise<Outcome<Output>>;
  /** What happens to the task from now on, ending after `settled`. At most 1,000 updates wait; then the oldest are dropped. */
  events(options?: { readonly signal?: AbortSignal }): AsyncIterableIterator<TaskUpdate>;
  /**
   * Resolves when the task can no longer start: at once while it waits, when its worker confirms or is lost while it
   * runs, and up to 7 s later where a lost worker may only be cut off. Resolves with how it ended: `succeeded` when it
   * was faster, and at once where it had ended before, as `failed` when its worker was lost and it is not tried again.
   */
  cancel(reason?: string): Promise<TerminalState>;
}

/** Whether a submission made a new task. */
export interface Acceptance {
  readonly outcome: "created" | "duplicate";
  /** The task that runs: for a duplicate the first one with the same idempotency key. */
  readonly id: TaskId;
}

/** How long to wait, in milliseconds, and what ends it: WAIT_TIMED_OUT, or the reason of the signal. */
export interface WaitOptions {
  /** Default: for ever. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** How a task ended, as a value. */
export type Outcome<Output> =
  | { readonly ok: true; readonly value: Output }
  | { readonly ok: false; readonly error: YardmasterError };

/** News of a task. Times are milliseconds since the Unix epoch. */
export type TaskUpdate =
  | ({ readonly type: "accepted" } & Acceptance)
  | TaskEvent
  | {
      readonly type: "settled";
      readonly state: TerminalState;
      readonly code: string;
      readonly attempt: number;
    };
