import type { ByteString } from "./bytes.ts";
import type {
  Epoch,
  Millis,
  QueueRecord,
  State,
  Submission,
  TaskError,
  TaskId,
  TerminalState,
} from "./task.ts";

/**
 * What travels in a frame. A frame has one sender and one receiver and is acknowledged as one; its header
 * stands for all envelopes in it.
 */
export interface Frame {
  /** The mailbox that answers go to, or "" when the sender is a dispatcher. */
  readonly from: string;
  readonly shard: number;
  /** The sender's epoch when it is a dispatcher; from a worker the highest epoch that it has seen; 0 from a client. */
  readonly epoch: Epoch;
  /**
   * Frames from clients and workers: 0 for frames that want no answer, else the number that `answered` repeats when
   * all in the frame is committed. Frames to workers: rises by one with each frame of an epoch, so that a lost one
   * shows. Frames to clients: 0.
   */
  readonly sequence: number;
  readonly envelopes: readonly Envelope[];
}

export type Envelope = ToDispatcher | ToWorker | ToClient | Answered;

/** The frame with this sequence, from the receiver of this one, is committed; its content may have been unwanted. */
export interface Answered {
  readonly type: "answered";
  readonly sequence: number;
}

export type ToDispatcher =
  | { readonly type: "submit"; readonly submission: Submission }
  | Outcome
  | Register
  | Heartbeat
  | Held
  /** The worker takes no more; it has handed back what it had not started. */
  | { readonly type: "goodbye"; readonly worker: string }
  | { readonly type: "cancel"; readonly id: TaskId; readonly reason: string; readonly request: number }
  /** Answered by `settled` now or later, or by `unknown`. */
  | { readonly type: "watch"; readonly id: TaskId }
  | { readonly type: "note"; readonly note: Note }
  | { readonly type: "query"; readonly request: number; readonly query: Query }
  | { readonly type: "command"; readonly request: number; readonly command: Command }
  /**
   * Sent by the owner to itself through its own lane: what was sent before it has arrived by now. `heardAt` is when it
   * had heard the worker last, or 0 where the worker's death is proven.
   */
  | { readonly type: "marker"; readonly worker: string; readonly boot: string; readonly heardAt: Millis }
  | { readonly type: "echo"; readonly nonce: number }
  | Handover;

/** A dispatcher with fewer shards wants this one, of which it has seen that epoch. May be ignored. */
export interface Handover {
  readonly type: "handover";
  readonly owner: string;
  readonly epoch: Epoch;
  /** How many shards the sender has, those that it has asked for included. */
  readonly shards: number;
}

/** How an attempt ended. Repeated by the worker until answered. */
export interface Outcome {
  readonly type: "outcome";
  readonly id: TaskId;
  readonly epoch: Epoch;
  readonly attempt: number;
  /** `returned`: never started, handed back; costs no attempt. `final`: failed and must not be tried again. `cancelled`: ended because of a cancel. */
  readonly kind: "succeeded" | "failed" | "final" | "retryIn" | "returned" | "cancelled";
  /** For `retryIn`, else 0. */
  readonly delayMs: number;
  /** For `succeeded`, else "". */
  readonly result: ByteString;
  /** For `failed`, `final`, `cancelled` and perhaps `retryIn`. */
  readonly error: TaskError | null;
  readonly startedAt: Millis;
}

/** A worker presents itself: after start, and to each new owner. Absolute: repeating it changes nothing. */
export interface Register {
  readonly type: "register";
  readonly worker: string;
  readonly mailbox: string;
  /** The most unfinished tasks that it takes from this shard. */
  readonly credit: number;
  readonly tasks: readonly { readonly name: string; readonly version: number }[];
  /** Created where absent, never overwritten. */
  readonly queues: readonly QueueRecord[];
  readonly labels: Readonly<Record<string, string>>;
  /** How much of each resource it offers this shard. */
  readonly resources: Readonly<Record<string, number>>;
}

export interface Heartbeat {
  readonly type: "heartbeat";
  readonly worker: string;
  /** Rises by one with each heartbeat of the worker's boot. */
  readonly number: number;
  readonly credit: number;
  /** How long the worker's main loop has not moved. */
  readonly stalledMs: number;
}

/** Everything that a worker holds of a shard: to a new owner, and when it saw that a frame was lost. */
export interface Held {
  readonly type: "held";
  readonly worker: string;
  /** The epoch and the sequence of the last frame from the dispatcher that `attempts` takes account of. */
  readonly epoch: Epoch;
  readonly seen: number;
  readonly attempts: readonly HeldAttempt[];
}

export interface HeldAttempt {
  readonly id: TaskId;
  readonly epoch: Epoch;
  readonly attempt: number;
  /** `waiting` for a slot, `running`, or `finished` with an outcome that is not answered yet (which follows). */
  readonly state: "waiting" | "running" | "finished";
}

/** News of a running attempt, coalesced by the worker and lossy. */
export interface Note {
  readonly id: TaskId;
  readonly attempt: number;
  /** 0 when it did not start just now. */
  readonly startedAt: Millis;
  readonly progress: { readonly fraction: number; readonly note: string } | null;
  readonly logs: readonly LogLine[];
}

export interface LogLine {
  readonly at: Millis;
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
}

/** Questions that only the owner can answer. */
export type Query =
  | { readonly type: "status"; readonly id: TaskId }
  /** Why a task is not running. */
  | { readonly type: "explain"; readonly id: TaskId }
  /** What has happened to it. */
  | { readonly type: "story"; readonly id: TaskId }
  | {
      readonly type: "list";
      readonly state?: string;
      readonly queue?: string;
      readonly name?: string;
      readonly after?: TaskId;
      readonly limit: number;
      /**
       * Asks for tasks that only the store has, and for nothing else of the above: the answer is a `StoredAnswer`. Owners of
       * a release that does not know it answer the rest, with an array.
       */
      readonly stored?: StoredSearch;
    }
  | { readonly type: "queues" }
  /** How far a graph is, and how its unfinished tasks stand, from a place in its row of ids on. */
  | { readonly type: "graph"; readonly id: TaskId; readonly from: number; readonly limit: number }
  /** The newest open graphs, and the last ones that ended. */
  | { readonly type: "graphs"; readonly limit: number }
  | { readonly type: "schedules" }
  /** What was counted since the owner took the shard over. */
  | { readonly type: "stats" }
  /** What goes on; `after` is how many ended attempts were told before. */
  | { readonly type: "activity"; readonly after: number; readonly limit: number }
  /** What was declared under a name, for who runs it at once. */
  | { readonly type: "schedule"; readonly name: string }
  | { readonly type: "workers" }
  /** The unfinished tasks that a worker has. */
  | { readonly type: "active"; readonly worker: string };

/** Which finished and parked tasks are looked for. */
export interface StoredSearch {
  readonly states: readonly State[];
  readonly queue?: string;
  readonly name?: string;
  /** Submitted at or after, and before. */
  readonly from?: Millis;
  readonly to?: Millis;
  /** Only older ones. */
  readonly before?: TaskId;
  readonly limit: number;
}

export interface StoredAnswer {
  /** Newest first: they may fit, as their records say exactly. With fewer than `limit` there are no more down to the horizon. */
  readonly ids: readonly TaskId[];
  /** From this id on upwards all are known; "" where that is all there are. */
  readonly horizon: TaskId;
}

/** Orders that change something; answered when committed. */
export type Command = QueueOrder | WorkerOrder | ScheduleOrder;

export type QueueOrder =
  | { readonly type: "pause"; readonly queue: string }
  | { readonly type: "resume"; readonly queue: string }
  | { readonly type: "apply"; readonly queues: readonly QueueRecord[] };

export type WorkerOrder =
  /** With `withinMs`, what still runs by then is aborted and ended; without it, everything may finish. */
  | { readonly type: "drain"; readonly worker: string; readonly withinMs?: number }
  | { readonly type: "slots"; readonly worker: string; readonly slots: number };

export type ScheduleOrder =
  /** `schedule` is an encoded `ScheduleRecord` in base 64; in the others, a name. */
  | { readonly type: "schedule"; readonly schedule: string }
  | { readonly type: "pauseSchedule" | "resumeSchedule" | "unschedule"; readonly schedule: string };

export type ToWorker =
  | Assign
  /** End this attempt (its signal aborts); if it never started, forget it. Answered by an outcome. */
  | {
      readonly type: "abort";
      readonly id: TaskId;
      readonly epoch: Epoch;
      readonly attempt: number;
      readonly reason: "cancelled" | "timedOut";
    }
  | HeartbeatAnswer
  /** A new owner: register, say what you hold and send your unanswered outcomes again. */
  | { readonly type: "takeover" }
  /** Take no more work and end when done, or within a time. */
  | { readonly type: "drain"; readonly withinMs?: number }
  /** Run so many attempts at a time from now on. Only ever sent because somebody ordered it. */
  | { readonly type: "slots"; readonly slots: number };

/** Repeated unasked when `ready` changes, in a yard of more than one shard. */
export interface HeartbeatAnswer {
  readonly type: "heartbeatAnswer";
  readonly number: number;
  /** The sequence of the last frame sent to this worker in this epoch. */
  readonly sent: number;
  /** False when the dispatcher does not know the worker: register again. */
  readonly known: boolean;
  /** The credit that the dispatcher counts with from here on. */
  readonly credit: number;
  /** About how many tasks wait here for more credit of this worker; always 0 in a yard of one shard. */
  readonly ready: number;
}

export interface Assign {
  readonly type: "assign";
  readonly id: TaskId;
  readonly attempt: number;
  /** The attempt counts from the frame's epoch. */
  readonly name: string;
  readonly version: number;
  readonly attempts: number;
  readonly timeoutMs: number;
  readonly graceMs: number;
  /** When it must have started by the dispatcher's clock; 0 for never. */
  readonly expiresAt: Millis;
  /** Null when it is over INLINE_BYTES: read it from the store. */
  readonly payload: ByteString | null;
  /** What ties it to the trace of its submission; absent where nobody traces. */
  readonly trace?: string;
}

export type ToClient =
  /** Only where the outcome is not plain creation, which `answered` already says. */
  | {
      readonly type: "accepted";
      readonly id: TaskId;
      readonly outcome: "duplicate" | "refused";
      readonly of: TaskId;
      readonly code: string;
      readonly message: string;
    }
  | Settled
  | { readonly type: "event"; readonly id: TaskId; readonly event: TaskEvent }
  | { readonly type: "reply"; readonly request: number; readonly ok: boolean; readonly value: unknown }
  /** Answer to `watch`: no such task. */
  | { readonly type: "unknown"; readonly id: TaskId }
  /** Answer to `cancel`: the task can no longer start. `state` is what it ended as, or is ending as. */
  | {
      readonly type: "cancelDone";
      readonly request: number;
      readonly id: TaskId;
      readonly state: TerminalState;
    };

export interface Settled {
  readonly type: "settled";
  readonly id: TaskId;
  readonly state: TerminalState;
  readonly code: string;
  readonly attempt: number;
  /** Null when it is over INLINE_BYTES or there is none: read it from the store if `resultBytes` > 0. */
  readonly result: ByteString | null;
  readonly resultBytes: number;
  readonly error: TaskError | null;
}

export type TaskEvent =
  | { readonly type: "started"; readonly attempt: number; readonly worker: string; readonly at: Millis }
  | { readonly type: "progress"; readonly attempt: number; readonly fraction: number; readonly note: string }
  | { readonly type: "log"; readonly attempt: number; readonly line: LogLine }
  | {
      readonly type: "retried";
      readonly attempt: number;
      readonly runAt: Millis;
      readonly error: TaskError | null;
    };
