import type { KeyRecord } from "../protocol/change.ts";
import type { Command, Heartbeat, Held, Note, Outcome, Register } from "../protocol/envelope.ts";
import type { Submission, TaskId, TaskRecord } from "../protocol/task.ts";

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
    }
  | { readonly type: "outcomeReported"; readonly outcome: Outcome; readonly worker: string }
  | { readonly type: "workerRegistered"; readonly register: Register }
  | { readonly type: "heartbeatReceived"; readonly heartbeat: Heartbeat; readonly from: string }
  /** A worker's inventory: to a new owner, or after it noticed a lost frame. */
  | { readonly type: "attemptsHeld"; readonly held: Held }
  | { readonly type: "workerLeft"; readonly worker: string }
  /** `died`: its process is proven gone, which counts towards quarantine. Silence is noticed by the kernel itself. */
  | { readonly type: "workerLost"; readonly worker: string; readonly cause: "died" | "gone" }
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
