import type { TaskId } from "../protocol/task.ts";

/** An attempt that has started in this worker, or has ended there. Ids and codes, never a payload. */
export interface AttemptNews {
  readonly worker: string;
  readonly task: TaskId;
  /** Of its definition. */
  readonly name: string;
  readonly attempt: number;
  /** How often it is tried in all. */
  readonly attempts: number;
  /** Absent while it runs. */
  readonly end?: AttemptEnd;
}

/** How an attempt has ended; `tookMs` is the time that it took. */
export interface AttemptEnd {
  /** `final` is a failure that is not tried again, `returned` was handed back without an end. */
  readonly kind: "succeeded" | "failed" | "final" | "retryIn" | "returned" | "cancelled";
  /** Of its error, or "". */
  readonly code: string;
  /** Of its error, as its handler wrote it, or "". */
  readonly message: string;
  readonly tookMs: number;
}

/** Is told of every start and end of an attempt. It must not throw. */
export type OnAttempt = (news: AttemptNews) => void;
