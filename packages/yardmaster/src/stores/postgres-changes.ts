import { byteaArray, int4Array, int8Array, textArray, uuidArray } from "../postgres/arrays.ts";
import type { Value } from "../postgres/driver.ts";
import type { ByteString } from "../protocol/bytes.ts";
import { type Change, type KeyRecord, keyOf } from "../protocol/change.ts";
import { encodeQueue, encodeRecord } from "../protocol/record.ts";
import { MAX_PRIORITY, type Millis, type TaskId, type TaskRecord } from "../protocol/task.ts";

/** Each shard's part of `task.live`: held tasks first, then those that wait, by priority in both. */
export const LIVE_EACH = 512;
const WAITING = 256;

/** A commit's changes as the server's function takes them. */
export function packChanges(shard: number, changes: readonly Change[]): Value[] {
  const created = new TaskColumns();
  const changed = new TaskColumns();
  const sides = new SideColumns();
  for (const change of changes) {
    sides.add(change);
    switch (change.type) {
      case "insert":
        created.add(shard, change.task, change.parked, change.keepUntil, change.result, change.payload);
        break;
      case "adopt":
        created.add(shard, change.task, false, change.keepUntil, null, change.payload);
        break;
      case "update":
        changed.add(shard, change.task, false, 0, null, "");
        break;
      case "finish":
        changed.add(shard, change.task, false, change.keepUntil, change.result, "", true);
        break;
      case "tombstone":
      case "key":
      case "queue":
      case "row":
      case "sweep":
        break; // SideColumns.
    }
  }
  return [
    changes.length > 0,
    ...created.values(),
    byteaArray(created.payloads),
    byteaArray(created.results),
    ...changed.values(),
    byteaArray(changed.results),
    ...sides.values(),
  ];
}

/** The rows of tasks, column by column. */
class TaskColumns {
  readonly ids: TaskId[] = [];
  readonly payloads: ByteString[] = [];
  readonly results: (ByteString | null)[] = [];
  readonly #live: (number | null)[] = [];
  readonly #keep: (Millis | null)[] = [];
  readonly #parked: (number | null)[] = [];
  readonly #due: (Millis | null)[] = [];
  readonly #rank: (number | null)[] = [];
  readonly #records: Buffer[] = [];

  add(
    shard: number,
    task: TaskRecord,
    parked: boolean,
    keepUntil: Millis,
    result: ByteString | null,
    payload: ByteString,
    isOver = keepUntil > 0,
  ): void {
    this.ids.push(task.id);
    this.#live.push(isOver || parked ? null : liveOf(shard, task));
    this.#keep.push(isOver ? keepUntil : null);
    this.#parked.push(parked ? shard : null);
    this.#due.push(parked ? task.runAt : null);
    this.#rank.push(parked ? rankOf(task) : null);
    this.#records.push(encodeRecord(task));
    this.payloads.push(payload);
    this.results.push(result);
  }

  values(): Value[] {
    return [
      uuidArray(this.ids),
      int4Array(this.#live),
      int8Array(this.#keep),
      int4Array(this.#parked),
      int8Array(this.#due),
      int4Array(this.#rank),
      byteaArray(this.#records),
    ];
  }
}

/** What a commit changes beside tasks. Of two changes of one row the last one counts. */
class SideColumns {
  readonly #adopted: TaskId[] = [];
  readonly #tombstones = new Map<TaskId, Millis>();
  readonly #keys = new Map<string, KeyRecord>();
  readonly #queues = new Map<string, Buffer>();
  readonly #rows = new Map<string, Extract<Change, { type: "row" }>>();
  #sweep: Extract<Change, { type: "sweep" }> | null = null;

  add(change: Change): void {
    switch (change.type) {
      case "tombstone":
        this.#tombstones.set(change.id, change.keepUntil);
        break;
      case "key":
        this.#keys.set(keyOf(change.key.name, change.key.key), change.key);
        break;
      case "queue":
        this.#queues.set(change.queue.name, encodeQueue(change.queue));
        break;
      case "row":
        this.#rows.set(JSON.stringify([change.kind, change.key]), change);
        break;
      case "sweep":
        this.#sweep = change;
        break;
      case "adopt":
        this.#adopted.push(change.task.id);
        break;
      case "insert":
      case "update":
      case "finish":
        break; // TaskColumns.
    }
  }

  values(): Value[] {
    const keys = [...this.#keys.values()];
    const rows = [...this.#rows.values()];
    const isEmpty =
      this.#adopted.length + this.#tombstones.size + keys.length + this.#queues.size + rows.length === 0 &&
      this.#sweep === null;
    return [
      !isEmpty,
      uuidArray(this.#adopted),
      uuidArray([...this.#tombstones.keys()]),
      int8Array([...this.#tombstones.values()]),
      textArray(keys.map(({ name }) => name)),
      textArray(keys.map(({ key }) => key)),
      uuidArray(keys.map(({ id }) => id)),
      byteaArray(keys.map(({ inputHash }) => inputHash)),
      int8Array(keys.map(({ expiresAt }) => expiresAt)),
      textArray([...this.#queues.keys()]),
      byteaArray([...this.#queues.values()]),
      textArray(rows.map(({ kind }) => kind)),
      textArray(rows.map(({ key }) => key)),
      byteaArray(rows.map(({ value }) => value)),
      this.#sweep?.before ?? null,
      this.#sweep?.limit ?? null,
    ];
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
