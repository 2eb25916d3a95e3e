import type { KeyRecord } from "../protocol/change.ts";
import type { Command, Heartbeat, Held, Note, Outcome, Register } from "../protocol/envelope.ts";
import type { Millis, Submission, TaskId, TaskRecord } from "../protocol/task.ts";
import type { StoredRecords } from "./linking.ts";
import type { LossCause } from "./rules.ts";

/** A fact that the kernel is told. Names are in the past tense; `from` and `replyTo` are mailboxes. */
export type KernelEvent =
  /**
   * `stored` is what the store knows under this id and `keyed` under its idempotency key; null when it knows
   * nothing or was not asked (a fresh, keyless submission). Memory is asked first.
   */
  | {
      readonly type: "submitted";
      readonly submission: Submission;
      readonly stored: TaskRecord | null;
      readonly keyed: KeyRecord | null;
      /** The task that has the key, when it is not in memory: what it ended as can be told at once. */
      readonly first?: TaskRecord | null;
      /** What the store knows of the tasks that it waits for. */
      readonly known?: StoredRecords | null;
    }
  | { readonly type: "outcomeReported"; readonly outcome: Outcome; readonly worker: string }
  | { readonly type: "workerRegistered"; readonly register: Register }
  | { readonly type: "heartbeatReceived"; readonly heartbeat: Heartbeat; readonly from: string }
  /** A worker's inventory: to a new owner, or after it noticed a lost frame. */
  | { readonly type: "attemptsHeld"; readonly held: Held }
  | { readonly type: "workerLeft"; readonly worker: string }
  /**
   * What the engine says of a worker's process; silence is noticed by the kernel itself. Where that may be wrong,
   * `heardAt` is when the worker had been heard last: heard since, it is not lost.
   */
  | {
      readonly type: "workerLost";
      readonly worker: string;
      readonly cause: LossCause;
      readonly heardAt?: Millis;
    }
  /** The engine has lost sight of a worker, or sees it again: an absent one is given nothing. */
  | { readonly type: "presenceChanged"; readonly worker: string; readonly isAbsent: boolean }
  | {
      readonly type: "cancelRequested";
      readonly id: TaskId;
      readonly reason: string;
      readonly request: number;
      readonly replyTo: string;
      readonly stored: TaskRecord | null;
    }
  | {
      readonly type: "watchRequested";
      readonly id: TaskId;
      readonly replyTo: string;
      readonly stored: TaskRecord | null;
    }
  | { readonly type: "noted"; readonly note: Note; readonly worker: string }
  | {
      readonly type: "commanded";
      readonly command: Command;
      readonly request: number;
      readonly replyTo: string;
    }
  /** The observer itself was deaf or the engine away: every silence counts anew from now. */
  | { readonly type: "deadlinesRestarted" };
