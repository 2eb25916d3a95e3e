import type { SqlStatement, Transactional } from "../brokers/broker.ts";
import type { Host } from "../host.ts";
import { YardmasterError } from "../protocol/errors.ts";
import type { TaskId } from "../protocol/task.ts";

/** Runs a statement in the caller's transaction; a promise where the driver is asynchronous. */
export type RunStatement = (sql: string, params: SqlStatement["params"]) => unknown;

/** Most callers have committed by then; for the others the receiver's own look remains. */
const NUDGE_AGAIN_MS = 50;

/** The commit of the transaction that a task was submitted in. Nobody tells of it: it is seen by its frame. */
export class Commit {
  private readonly transactional: Transactional;
  private readonly mailbox: string;
  private readonly id: TaskId;
  /** The frame was in its lane, so that the transaction is committed for good. */
  isSeen = false;

  constructor(transactional: Transactional, mailbox: string, id: TaskId) {
    this.transactional = transactional;
    this.mailbox = mailbox;
    this.id = id;
  }

  /** Rejects with BROKER_UNAVAILABLE. */
  async look(): Promise<void> {
    if (this.isSeen) return;
    this.isSeen = await this.transactional.waits(this.mailbox, this.id);
    if (this.isSeen) this.transactional.nudge(this.mailbox);
  }

  /** Lets the dispatcher look at about the time of the commit. */
  nudgeSoon(host: Host): void {
    const nudge = (): void => this.transactional.nudge(this.mailbox);
    host.defer(nudge);
    host.after(NUDGE_AGAIN_MS, nudge);
  }
}

export function cannotSubmitInside(): YardmasterError {
  return new YardmasterError(
    "UNSUPPORTED",
    "submit: neither the broker nor the store of this yard can submit in a caller's transaction (tx): one of them " +
      "must be SQLite or PostgreSQL, and the transaction be on its file or in its database.",
  );
}

export function txOpen(id: TaskId): YardmasterError {
  return new YardmasterError(
    "TX_OPEN",
    `The transaction that submitted task ${id} has not committed, or was rolled back: wait after its commit.`,
    { details: { id } },
  );
}
