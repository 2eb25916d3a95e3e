import type { Explanation } from "./explanation.ts";
import type { Millis, State, TaskId, TerminalState } from "./task.ts";

/** An attempt that has ended: how the task ended with it, or that it goes on. */
export interface EndedAttempt {
  readonly id: TaskId;
  readonly name: string;
  readonly queue: string;
  readonly worker: string;
  readonly attempt: number;
  /** By the dispatcher's clock. */
  readonly startedAt: Millis;
  readonly endedAt: Millis;
  readonly as: TerminalState | "retried";
}

/** An attempt that a worker has. */
export interface RunningAttempt {
  readonly id: TaskId;
  readonly name: string;
  readonly queue: string;
  readonly worker: string;
  readonly attempt: number;
  readonly startedAt: Millis;
  readonly state: State;
}

/** A task at the head of a line, and why it is still there. */
export interface WaitingHead extends Explanation {
  readonly name: string;
  readonly queue: string;
  readonly since: Millis;
}

/** What goes on in a shard at the moment. All of it is bounded: a busy shard shows a sample. */
export interface ShardActivity {
  readonly epoch: number;
  /** The owner's clock. */
  readonly at: Millis;
  /** How many attempts have ended under this owner. Asking again with it tells what has ended since. */
  readonly ended: number;
  /** The latest of those that ended since, oldest first. */
  readonly ends: readonly EndedAttempt[];
  readonly running: readonly RunningAttempt[];
  readonly heads: readonly WaitingHead[];
}
