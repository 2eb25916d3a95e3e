import type { Change } from "../protocol/change.ts";
import type { TaskId, TerminalState } from "../protocol/task.ts";
import type { Lease } from "../stores/store.ts";

/**
 * What was seen of a yard from outside, in order of time. `at` is one observer's monotonic clock in
 * milliseconds; `label` is the observer's own name for a task, known before the task's id is.
 */
export type Fact =
  | { readonly type: "submitting"; readonly at: number; readonly label: string; readonly intent: Intent }
  /** `submit()` resolved. */
  | { readonly type: "submitted"; readonly at: number; readonly label: string; readonly id: TaskId }
  /** The dispatcher's word on it, as `accepted()` tells. */
  | {
      readonly type: "accepted";
      readonly at: number;
      readonly id: TaskId;
      readonly outcome: "created" | "duplicate" | "refused";
    }
  /** `cancel()` resolved. */
  | { readonly type: "cancelled"; readonly at: number; readonly id: TaskId }
  | { readonly type: "acquired"; readonly at: number; readonly lease: Lease }
  /** The store accepted a commit. */
  | {
      readonly type: "committed";
      readonly at: number;
      readonly lease: Lease;
      readonly sequence: number;
      readonly changes: readonly Change[];
    }
  /** A handler began; `process` is one incarnation of a worker. */
  | ({ readonly type: "started"; readonly at: number; readonly label: string } & RunName)
  /** A handler did what it is for. */
  | ({ readonly type: "effect"; readonly at: number } & RunName)
  | ({ readonly type: "ended"; readonly at: number } & RunName)
  /** A process is gone, and every run in it. */
  | { readonly type: "processGone"; readonly at: number; readonly process: string }
  /** A result was read, by whoever and however often; it never changes. */
  | {
      readonly type: "read";
      readonly at: number;
      readonly id: TaskId;
      readonly state: TerminalState;
      readonly result: string;
    }
  /** Something was broken on purpose; for whoever reads the history. */
  | { readonly type: "fault"; readonly at: number; readonly what: string }
  /** The engine started again, without anything that it was told after `since`. */
  | { readonly type: "lost"; readonly at: number; readonly since: number }
  /** A schedule is about to be declared under a name of its own. */
  | {
      readonly type: "scheduling";
      readonly at: number;
      readonly name: string;
      readonly overlap: "allow" | "skip" | "queue";
    }
  /** A handle told its caller how the task ended. */
  | { readonly type: "settled"; readonly at: number; readonly id: TaskId; readonly state: TerminalState };

export interface RunName {
  readonly id: TaskId;
  readonly attempt: number;
  readonly process: string;
}

/** What the submitter asked for. */
export interface Intent {
  readonly attempts: number;
  readonly atMostOnce: boolean;
  /** Its handler may give up for good before its attempts are used up. */
  readonly mayGiveUp: boolean;
  /** The idempotency key with its definition, or "". */
  readonly key: string;
  /** A schedule, of which each tick makes a task. */
  readonly repeats?: boolean;
  /** How long its key is remembered where that is not for ever. */
  readonly keyWindowMs?: number;
  /** It must not start before this time on the observer's clock. */
  readonly dueAt: number;
}
