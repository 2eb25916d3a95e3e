import { type ByteString, toBuffer } from "../protocol/bytes.ts";
import type { Change } from "../protocol/change.ts";
import { encodeRecord } from "../protocol/record.ts";
import { INLINE_BYTES, MAX_PRIORITY, type Millis, type TaskId, type TaskRecord } from "../protocol/task.ts";
import type { Statement } from "../sqlite/driver.ts";
import type { Session } from "../sqlite/session.ts";
import { RowBatch } from "./sqlite-batch.ts";

/** Which of a task's byte strings a row of `bytes` holds. */
export const PAYLOAD = 0;
export const RESULT = 1;

/** Each shard's part of `task.live`: held tasks first, then those that wait, by priority in both. */
export const LIVE_EACH = 512;
const WAITING = 256;

/** The rows of tasks, written in batches inside a transaction. */
export class TaskRows {
  readonly #insert: RowBatch;
  readonly #update: RowBatch;
  readonly #insertParked: Statement;
  readonly #putBytes: Statement;
  readonly #exists: Statement;
  readonly #dropTombstone: Statement;

  constructor(session: Session) {
    this.#insert = new RowBatch(
      session,
      "INSERT INTO task (id, live, keep, record, payload, result) VALUES ?rows",
      6,
    );
    this.#update = new RowBatch(
      session,
      `UPDATE task SET live = v.column2, keep = v.column3, record = v.column4, result = v.column5,
         parked = NULL, due = NULL, rank = NULL
       FROM (VALUES ?rows) AS v WHERE task.id = v.column1 AND task.keep IS NULL`,
      5,
    );
    this.#insertParked = session.prepare(
      "INSERT INTO task (id, record, payload, parked, due, rank) VALUES (?, ?, ?, ?, ?, ?)",
    );
    this.#putBytes = session.prepare("INSERT OR REPLACE INTO bytes (id, part, content) VALUES (?, ?, ?)");
    this.#exists = session.prepare("SELECT 1 FROM task WHERE id = ?");
    this.#dropTombstone = session.prepare("DELETE FROM tombstone WHERE id = ?");
  }

  write(shard: number, changes: readonly Change[]): void {
    try {
      for (const change of changes) this.#add(shard, change);
      this.#insert.flush();
      this.#update.flush();
    } finally {
      this.#insert.clear();
      this.#update.clear();
    }
  }

  /** Those ids of new records that exist; asked outside of the transaction that failed. */
  conflicting(changes: readonly Change[]): TaskId[] {
    return changes.flatMap((change) => {
      const isNew = change.type === "insert" || change.type === "adopt";
      return isNew && this.#exists.get(change.task.id) !== undefined ? [change.task.id] : [];
    });
  }

  #add(shard: number, change: Change): void {
    switch (change.type) {
      case "insert":
        if (change.parked) this.#addParked(shard, change.task, change.payload);
        else this.#addNew(shard, change.task, change.payload, change.result, change.keepUntil);
        break;
      case "adopt":
        this.#dropTombstone.run(change.task.id);
        this.#addNew(shard, change.task, change.payload, null, change.keepUntil);
        break;
      case "update":
        this.#update.add(change.task.id, liveOf(shard, change.task), null, encodeRecord(change.task), null);
        break;
      case "finish": {
        const { task, result, keepUntil } = change;
        this.#update.add(task.id, null, keepUntil, encodeRecord(task), this.#inline(task.id, RESULT, result));
        break;
      }
      case "tombstone":
      case "key":
      case "queue":
      case "row":
      case "sweep":
        break; // SideRows.
    }
  }

  #addNew(
    shard: number,
    task: TaskRecord,
    payload: ByteString,
    result: ByteString | null,
    keepUntil: Millis,
  ): void {
    const isOver = keepUntil > 0;
    this.#insert.add(
      task.id,
      isOver ? null : liveOf(shard, task),
      isOver ? keepUntil : null,
      encodeRecord(task),
      this.#inline(task.id, PAYLOAD, payload),
      this.#inline(task.id, RESULT, result),
    );
  }

  #addParked(shard: number, task: TaskRecord, payload: ByteString): void {
    const bytes = this.#inline(task.id, PAYLOAD, payload);
    this.#insertParked.run(task.id, encodeRecord(task), bytes, shard, task.runAt, rankOf(task));
  }

  /** Large bytes go to a table of their own, so that an update of the record does not copy them. */
  #inline(id: TaskId, part: number, bytes: ByteString | null): Buffer | null {
    if (bytes === null || bytes.length <= INLINE_BYTES) return bytes === null ? null : toBuffer(bytes);
    this.#putBytes.run(id, part, toBuffer(bytes));
    return null;
  }
}

/** The lower, the earlier it is loaded. */
function liveOf(shard: number, task: TaskRecord): number {
  const isHeld = task.state === "assigned" || task.state === "running";
  return shard * LIVE_EACH + (isHeld ? 0 : WAITING) + rankOf(task);
}

function rankOf({ priority }: TaskRecord): number {
  return MAX_PRIORITY - priority;
}
