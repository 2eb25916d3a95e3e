import { fromBuffer } from "../protocol/bytes.ts";
import { type KeyRecord, keyOf, type StoredItem, type StoredTask } from "../protocol/change.ts";
import { decodeQueue, decodeRecord } from "../protocol/record.ts";
import type { TaskId, TaskRecord } from "../protocol/task.ts";
import { blob, int, type Row, type Statement, text } from "../sqlite/driver.ts";
import type { Session } from "../sqlite/session.ts";
import { LIVE_EACH, PAYLOAD, RESULT } from "./sqlite-tasks.ts";
import { type FindFilter, isOfShard, matches, type ReadAnswer, type ReadQuery } from "./store.ts";

/** Where a walk over a shard's live tasks has come to. */
export interface LoadCursor {
  readonly live: number;
  readonly id: TaskId;
}

export interface LoadStep {
  readonly items: StoredItem[];
  /** Null at the end. */
  readonly last: LoadCursor | null;
}

/** One step of a walk over finished and parked tasks. */
export interface FoundStep {
  readonly tasks: TaskRecord[];
  /** The last id looked at, null at the end. */
  readonly last: TaskId | null;
}

/** All that is read from a store, in steps that are short for the event loop. */
export class TaskReads {
  readonly #queues: Statement;
  readonly #side: Statement;
  readonly #parkedCount: Statement;
  readonly #live: Statement;
  readonly #tombstones: Statement;
  readonly #parked: Statement;
  readonly #records: Statement;
  readonly #wholes: Statement;
  readonly #keys: Statement;
  readonly #walk: Statement;

  constructor(session: Session) {
    const prepare = (sql: string): Statement => session.prepare(sql);
    this.#queues = prepare("SELECT record FROM queue WHERE shard = ? ORDER BY name");
    this.#side = prepare("SELECT kind, key, value FROM side WHERE shard = ? ORDER BY kind, key");
    this.#parkedCount = prepare("SELECT count(*) AS n FROM task WHERE parked = ?");
    this.#live = prepare(
      "SELECT id, live, record, payload FROM task WHERE (live, id) > (?, ?) AND live < ? ORDER BY live, id LIMIT ?",
    );
    this.#tombstones = prepare(
      "SELECT id, keep FROM tombstone WHERE shard = ? AND id > ? ORDER BY id LIMIT ?",
    );
    this.#parked = prepare(
      "SELECT record, payload FROM task WHERE parked = ? ORDER BY due, rank, id LIMIT ?",
    );
    this.#records = prepare("SELECT record FROM task WHERE id IN (SELECT value FROM json_each(?))");
    this.#wholes = prepare(
      `SELECT record,
         coalesce(payload, (SELECT content FROM bytes WHERE bytes.id = task.id AND part = ${PAYLOAD})) AS payload,
         coalesce(result, (SELECT content FROM bytes WHERE bytes.id = task.id AND part = ${RESULT})) AS result
       FROM task WHERE id IN (SELECT value FROM json_each(?))`,
    );
    this.#keys = prepare("SELECT id, hash, keep FROM key WHERE shard = ? AND name = ? AND key = ?");
    this.#walk = prepare(
      `SELECT id, CASE WHEN live IS NULL THEN record END AS record FROM task
       WHERE id < ? ORDER BY id DESC LIMIT ?`,
    );
  }

  /** What comes before the tasks when a shard is loaded. */
  loadFirst(shard: number): StoredItem[] {
    const count = int(this.#parkedCount.get(shard)?.["n"]);
    return [
      ...this.#queues
        .all(shard)
        .map(({ record }): StoredItem => ({ type: "queue", queue: decodeQueue(blob(record)) })),
      ...this.#side.all(shard).map(sideRow),
      ...(count > 0 ? [{ type: "parked", count } as const] : []),
    ];
  }

  loadTasks(shard: number, after: LoadCursor | null): LoadStep {
    const from = after ?? { live: shard * LIVE_EACH, id: "" };
    const rows = this.#live.all(from.live, from.id, (shard + 1) * LIVE_EACH, LOAD_STEP);
    const last = rows.at(-1);
    return {
      items: rows.map((row): StoredItem => ({ type: "task", ...stored(row) })),
      last: last === undefined ? null : { live: int(last["live"]), id: text(last["id"]) },
    };
  }

  loadTombstones(shard: number, after: TaskId): StoredItem[] {
    return this.#tombstones
      .all(shard, after, LOAD_STEP)
      .map(({ id, keep }): StoredItem => ({ type: "tombstone", id: text(id), keepUntil: int(keep) }));
  }

  parked(shard: number, limit: number): StoredTask[] {
    return this.#parked.all(shard, limit).map(stored);
  }

  read({ ids = [], keys = [], shard = 0, bytes = false }: ReadQuery): ReadAnswer {
    const tasks = new Map<TaskId, StoredTask>();
    const rows = ids.length === 0 ? [] : (bytes ? this.#wholes : this.#records).all(JSON.stringify(ids));
    for (const row of rows) {
      const task = bytes ? whole(row) : stored(row);
      tasks.set(task.task.id, task);
    }
    const found = new Map<string, KeyRecord>();
    for (const { name, key } of keys) {
      const row = this.#keys.get(shard, name, key);
      if (row !== undefined) found.set(keyOf(name, key), keyRecord(name, key, row));
    }
    return { tasks, keys: found };
  }

  /** Looks at the next tasks below an id, and answers with up to `wanted` of them that match. */
  walk(filter: FindFilter, before: TaskId, wanted: number, step: number): FoundStep {
    const tasks: TaskRecord[] = [];
    const rows = this.#walk.all(before, step);
    for (const { id, record } of rows) {
      if (record === null || !isOfShard(text(id), filter)) continue;
      const task = decodeRecord(blob(record));
      if (!matches(task, filter)) continue;
      tasks.push(task);
      if (tasks.length === wanted) return { tasks, last: text(id) };
    }
    return { tasks, last: rows.length < step ? null : text(rows.at(-1)?.["id"]) };
  }
}

function stored({ record, payload }: Row): StoredTask {
  return {
    task: decodeRecord(blob(record)),
    payload: payload instanceof Uint8Array ? fromBuffer(payload) : null,
    result: null,
  };
}

function whole({ record, payload, result }: Row): StoredTask {
  return {
    task: decodeRecord(blob(record)),
    payload: fromBuffer(blob(payload)),
    result: result instanceof Uint8Array ? fromBuffer(result) : null,
  };
}

function sideRow({ kind, key, value }: Row): StoredItem {
  return { type: "row", kind: text(kind), key: text(key), value: fromBuffer(blob(value)) };
}

function keyRecord(name: string, key: string, { id, hash, keep }: Row): KeyRecord {
  return { name, key, id: text(id), inputHash: fromBuffer(blob(hash)), expiresAt: int(keep) };
}

/** How many tasks are read without a pause. */
const LOAD_STEP = 500;
