import type { MixedTask } from "../mix.ts";
import type { NoopInput } from "../payload.ts";

/** Another task system, at its best documented setting for the bench's tasks. */
export interface Peer {
  /** What was chosen where there was a choice, and what the system cannot do. */
  readonly settings: string;
  openProducer(url: string): Promise<PeerProducer>;
  /** Handles tasks in this process; each answers with its own number, which `desk` is told once the end is recorded. */
  openWorker(url: string, slots: number, desk: Desk): Promise<PeerWorker>;
}

/** What a worker of any peer does with a task. */
export interface Desk {
  /** A handler's work: throws where the task's attempt fails. */
  handle(input: NoopInput): number;
  /** An end that the engine has recorded. */
  ended(n: number): void;
}

export interface PeerProducer {
  /** Submits a task and waits for its result; null where results cannot be had. */
  readonly roundTrip: ((input: NoopInput) => Promise<number>) | null;
  /** The same for a task with wishes; null where results cannot be had. */
  readonly mixed: ((task: MixedTask) => Promise<number>) | null;
  /** Submits in bulk; nobody waits for these. */
  submit(inputs: readonly NoopInput[]): Promise<void>;
  close(): Promise<void>;
}

export interface PeerWorker {
  close(): Promise<void>;
}
