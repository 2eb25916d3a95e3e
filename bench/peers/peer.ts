import type { NoopInput } from "../tasks.ts";

/** Another task system, at its best documented setting for the bench's tasks. */
export interface Peer {
  readonly name: string;
  readonly engine: "redis" | "postgres";
  /** What was chosen where there was a choice. */
  readonly settings: string;
  openProducer(url: string): Promise<PeerProducer>;
  /** Handles tasks in this process; each answers with its own number. */
  openWorker(url: string, slots: number): Promise<PeerWorker>;
}

export interface PeerProducer {
  /** Submits a task and waits for its result; null where results cannot be had. */
  readonly roundTrip: ((input: NoopInput) => Promise<number>) | null;
  submit(inputs: readonly NoopInput[]): Promise<void>;
  close(): Promise<void>;
}

export interface PeerWorker {
  /** How many tasks this worker has ended. */
  readonly ended: number;
  close(): Promise<void>;
}
