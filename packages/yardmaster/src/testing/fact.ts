import type { Change } from "../protocol/change.ts";
import type { Outcome } from "../protocol/envelope.ts";
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
  /** `submit()` rejected: nothing was sent, or, where that is not certain, it may have been. */
  | {
      readonly type: "submitFailed";
      readonly at: number;
      readonly label: string;
      readonly isCertain: boolean;
    }
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
  /** An owner gave its lease back, or was told that it has run out. */
  | {
      readonly type: "leaseLost";
      readonly at: number;
      readonly lease: Lease;
      readonly how: "released" | "expired";
    }
  /** The store refused a commit, as one of an owner that was replaced. */
  | { readonly type: "refused"; readonly at: number; readonly lease: Lease; readonly sequence: number }
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
  /** A worker tells a dispatcher how an attempt ended, and does so until it is answered; `epoch` is the attempt's. */
  | ({
      readonly type: "reported";
      readonly at: number;
      readonly epoch: number;
      readonly outcome: Outcome["kind"];
    } & RunName)
  /** The worker heard that its report is committed, or is not wanted any more. */
  | ({ readonly type: "answered"; readonly at: number; readonly epoch: number } & RunName)
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
