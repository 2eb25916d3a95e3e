import type { ByteString } from "../protocol/bytes.ts";
import { type Change, type KeyRecord, keyOf, type StoredItem, type StoredTask } from "../protocol/change.ts";
import { InvariantError, YardmasterError } from "../protocol/errors.ts";
import {
  INLINE_BYTES,
  type Millis,
  type QueueRecord,
  type TaskId,
  type TaskRecord,
} from "../protocol/task.ts";
import {
  type FindFilter,
  isOfShard,
  type Lease,
  MOST_LOOKED_AT,
  matches,
  type ReadAnswer,
  type ReadQuery,
} from "../stores/store.ts";
import { Expiry } from "./expiry.ts";
import { IdOrder } from "./id-order.ts";
import { Leases } from "./leases.ts";
import { refill } from "./refill.ts";

/** A record in memory. It is never changed, only replaced: what was handed out stays as it was. */
interface Row {
  readonly shard: number;
  readonly task: TaskRecord;
  readonly payload: ByteString;
  readonly result: ByteString | null;
  readonly parked: boolean;
  /** 0 while the task is unfinished. */
  readonly keepUntil: Millis;
}

type StoredRow = Extract<StoredItem, { readonly type: "row" }>;

interface Tombstone {
  readonly shard: number;
  readonly keepUntil: Millis;
}

/** Everything that a store keeps, in memory; every call happens at once and wholly. */
export class Records {
  readonly leases: Leases;
  readonly #tasks = new Map<TaskId, Row>();
  readonly #order = new IdOrder(this.#tasks);
  readonly #taskEnds = new Expiry();
  readonly #tombstones = new Map<TaskId, Tombstone>();
  readonly #tombstoneEnds = new Expiry();
  readonly #keys = new Map<string, KeyRecord>();
  readonly #keyEnds = new Expiry();
  readonly #queues = new Map<string, { readonly shard: number; readonly queue: QueueRecord }>();
  readonly #side = new Map<string, { readonly shard: number; readonly row: StoredRow }>();

  constructor(now: () => Millis) {
    this.leases = new Leases(now);
  }

  /** Applies the changes; false, without doing so, when this commit was applied before. */
  commit(lease: Lease, sequence: number, changes: readonly Change[]): boolean {
    if (!this.leases.check(lease, sequence)) return false;
    this.#refuseConflicts(changes);
    this.#refuseUnknown(changes);
    for (const change of changes) this.#apply(lease.shard, change);
    this.leases.advance(lease, sequence);
    return true;
  }

  /** What is there now; the answer puts it back. */
  snapshot(): () => void {
    const restores = [
      this.leases.snapshot(),
      ...[this.#taskEnds, this.#tombstoneEnds, this.#keyEnds].map((ends) => ends.snapshot()),
      kept(this.#tasks),
      kept(this.#tombstones),
      kept(this.#keys),
      kept(this.#queues),
      kept(this.#side),
    ];
    return () => {
      for (const restore of restores) restore();
      this.#order.forget();
    };
  }

  load(shard: number): StoredItem[] {
    const rows = this.#rows((row) => row.shard === shard && row.keepUntil === 0);
    const parked = rows.filter((row) => row.parked).length;
    const waiting = rows.filter((row) => !row.parked).sort(byLoadOrder);
    return [
      ...[...this.#queues.values()]
        .filter((entry) => entry.shard === shard)
        .map(({ queue }): StoredItem => ({ type: "queue", queue })),
      ...[...this.#side.values()].filter((entry) => entry.shard === shard).map(({ row }) => row),
      ...(parked > 0 ? [{ type: "parked", count: parked } as const] : []),
      ...waiting.map((row): StoredItem => ({ type: "task", ...inline(row) })),
      ...[...this.#tombstones]
        .filter(([, tombstone]) => tombstone.shard === shard)
        .map(([id, { keepUntil }]): StoredItem => ({ type: "tombstone", id, keepUntil })),
    ];
  }

  parked(shard: number, limit: number): StoredTask[] {
    return this.#rows((row) => row.shard === shard && row.parked)
      .sort(byDue)
      .slice(0, limit)
      .map(inline);
  }

  read({ ids = [], keys = [], shard = 0, bytes = false }: ReadQuery): ReadAnswer {
    const answer = { tasks: new Map<TaskId, StoredTask>(), keys: new Map<string, KeyRecord>() };
    for (const id of ids) {
      const row = this.#tasks.get(id);
      if (row !== undefined) answer.tasks.set(id, bytes ? whole(row) : bare(row));
    }
    for (const { name, key } of keys) {
      const record = this.#keys.get(placeOf(shard, name, key));
      if (record !== undefined) answer.keys.set(keyOf(name, key), record);
    }
    return answer;
  }

  find(filter: FindFilter): { tasks: TaskRecord[]; cursor: string | null } {
    const tasks: TaskRecord[] = [];
    let left = filter.most ?? MOST_LOOKED_AT;
    let cursor: string | null = null;
    for (const id of this.#order.below(filter.cursor ?? LAST)) {
      if (left === 0) return { tasks, cursor };
      const row = this.#tasks.get(id);
      const isStored = row !== undefined && (row.parked || row.keepUntil > 0);
      if (isStored && isOfShard(id, filter) && matches(row.task, filter)) {
        if (tasks.length === filter.limit) return { tasks, cursor };
        tasks.push({ ...row.task });
      }
      cursor = id;
      left--;
    }
    return { tasks, cursor: null };
  }

  #rows(wanted: (row: Row) => boolean): Row[] {
    return [...this.#tasks.values()].filter(wanted);
  }

  #refuseConflicts(changes: readonly Change[]): void {
    const ids = changes.flatMap((change) =>
      change.type === "insert" && this.#tasks.has(change.task.id) ? [change.task.id] : [],
    );
    if (ids.length === 0) return;
    throw new YardmasterError("CONFLICT", `${ids.length} of the records to insert exist already.`, {
      details: { ids },
    });
  }

  /** The owner knows what it holds: a change of anything else is a fault in our own code. */
  #refuseUnknown(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.type === "update" || change.type === "finish") this.#unfinished(change.task.id);
    }
  }

  #apply(shard: number, change: Change): void {
    switch (change.type) {
      case "insert":
        this.#put({ ...change, shard });
        break;
      case "update":
        this.#put({ ...this.#unfinished(change.task.id), task: change.task, parked: false });
        break;
      case "finish": {
        const { task, result, keepUntil } = change;
        this.#put({ ...this.#unfinished(task.id), task, result, keepUntil, parked: false });
        break;
      }
      case "adopt":
        this.#dropTombstone(change.task.id);
        this.#put({ ...change, shard, result: null, parked: false });
        break;
      case "tombstone":
        this.#tombstones.set(change.id, { shard, keepUntil: change.keepUntil });
        this.#tombstoneEnds.set(change.id, change.keepUntil);
        break;
      case "key":
        this.#putKey(shard, change.key);
        break;
      case "queue":
        this.#queues.set(`${shard}:${change.queue.name}`, { shard, queue: { ...change.queue } });
        break;
      case "row":
        this.#putRow(shard, change.kind, change.key, change.value);
        break;
      case "sweep":
        this.#sweep(change.before, change.limit);
        break;
    }
  }

  #put({ shard, task, payload, result, parked, keepUntil }: Row): void {
    this.#order.add(task.id);
    this.#tasks.set(task.id, { shard, task: { ...task }, payload, result, parked, keepUntil });
    if (keepUntil > 0) this.#taskEnds.set(task.id, keepUntil);
  }

  #putRow(shard: number, kind: string, key: string, value: ByteString | null): void {
    const place = `${shard}\n${kind}\n${key}`;
    if (value === null) this.#side.delete(place);
    else this.#side.set(place, { shard, row: { type: "row", kind, key, value } });
  }

  #putKey(shard: number, record: KeyRecord): void {
    const key = placeOf(shard, record.name, record.key);
    this.#keys.set(key, { ...record });
    this.#keyEnds.set(key, record.expiresAt);
  }

  #unfinished(id: TaskId): Row {
    const row = this.#tasks.get(id);
    if (row === undefined || row.keepUntil > 0)
      throw new InvariantError(`Task ${id} is not an unfinished one.`);
    return row;
  }

  #dropTombstone(id: TaskId): void {
    this.#tombstones.delete(id);
    this.#tombstoneEnds.delete(id);
  }

  #sweep(before: Millis, limit: number): void {
    const tasks = this.#taskEnds.due(before, limit);
    for (const id of tasks) {
      this.#tasks.delete(id);
      this.#taskEnds.delete(id);
    }
    const tombstones = this.#tombstoneEnds.due(before, limit - tasks.length);
    for (const id of tombstones) this.#dropTombstone(id);
    for (const key of this.#keyEnds.due(before, limit - tasks.length - tombstones.length)) {
      this.#keys.delete(key);
      this.#keyEnds.delete(key);
    }
  }
}

function placeOf(shard: number, name: string, key: string): string {
  return `${shard}\n${keyOf(name, key)}`;
}

function bare({ task }: Row): StoredTask {
  return { task: { ...task }, payload: null, result: null };
}

function whole({ task, payload, result }: Row): StoredTask {
  return { task: { ...task }, payload, result };
}

function inline({ task, payload }: Row): StoredTask {
  return { task: { ...task }, payload: payload.length > INLINE_BYTES ? null : payload, result: null };
}

function byLoadOrder({ task: a }: Row, { task: b }: Row): number {
  return Number(isHeld(b)) - Number(isHeld(a)) || b.priority - a.priority || (a.id < b.id ? -1 : 1);
}

function byDue({ task: a }: Row, { task: b }: Row): number {
  return a.runAt - b.runAt || b.priority - a.priority || (a.id < b.id ? -1 : 1);
}

function isHeld({ state }: TaskRecord): boolean {
  return state === "assigned" || state === "running";
}

/** Sorts behind every id. */
const LAST = "~";

/** Entries are replaced and never changed, so that the map's own list of them is enough. */
function kept<K, V>(map: Map<K, V>): () => void {
  const entries = [...map];
  return () => refill(map, entries);
}
