import type { ByteString } from "../protocol/bytes.ts";
import { toBuffer } from "../protocol/bytes.ts";
import type { Change, KeyRecord } from "../protocol/change.ts";
import { encodeQueue, writeRecord } from "../protocol/record.ts";
import { INLINE_BYTES, MAX_PRIORITY, type Millis, type TaskId, type TaskRecord } from "../protocol/task.ts";
import { fieldOf } from "../redis/keys.ts";
import type { Packer } from "../redis/packer.ts";
import { BUCKET_MS } from "../redis/scripts.ts";

/** In the place of a length: there is none, or it is in the hash of large ones. */
export const NONE = 0xffff;
export const LARGE = 0xfffe;
/** Behind a task's field, in the hash of large payloads and results. */
export const PAYLOAD = "p";
export const RESULT = "r";
/** How many lists `PackedChanges` packs. */
export const CHANGE_LISTS = 16;

type Update = Extract<Change, { type: "update" }>;
type Finish = Extract<Change, { type: "finish" }>;

/** Something that goes after a time: a task (t) or tombstone (m) by its id, an idempotency key (k) by its field. */
interface Kept {
  readonly kind: "t" | "m" | "k";
  readonly until: Millis;
  readonly name: string;
}

/**
 * A commit's changes, sorted into the lists that the script takes.
 *
 * A task's value is: length of the payload (2 bytes), payload, whether it waits (0 or 1) and 255 - priority, by which
 * it is ordered, length of the result (2), result, record. New values come whole where the payload is at hand; else
 * without it, and the script keeps the old one's.
 */
export class PackedChanges {
  readonly #inserted: Change[] = [];
  readonly #parking: Change[] = [];
  readonly #ended: Change[] = [];
  readonly #updated: TaskRecord[] = [];
  readonly #finished: Finish[] = [];
  /** Those whose payload is at hand, so that the script need not read it. */
  readonly #updatedWhole: Update[] = [];
  readonly #finishedWhole: Finish[] = [];
  readonly #large: [Buffer, Buffer][] = [];
  readonly #adopted: TaskId[] = [];
  readonly #tombstones: [TaskId, Millis][] = [];
  readonly #keys: KeyRecord[] = [];
  readonly #queues: [string, Buffer][] = [];
  readonly #rows: [string, ByteString][] = [];
  readonly #droppedRows: string[] = [];
  readonly #kept = new Map<number, Kept[]>();
  readonly #sweeps: (readonly [Millis, number])[] = [];

  constructor(changes: readonly Change[]) {
    for (const change of changes) this.#add(change);
  }

  /** Writes the lists of a commit that are not mail: `CHANGE_LISTS`, in the order in which the script names them. */
  pack(packer: Packer): void {
    packNew(packer, this.#inserted, false);
    packNew(packer, this.#parking, true);
    packNew(packer, this.#ended, false);
    packer.list(this.#updated.length * 2);
    for (const task of this.#updated) packRest(packer, task, null);
    packer.list(this.#updatedWhole.length * 2);
    for (const { task, payload } of this.#updatedWhole) packWhole(packer, task, payload, null);
    packer.list(this.#finished.length * 2);
    for (const { task, result } of this.#finished) packRest(packer, task, result);
    packer.list(this.#finishedWhole.length * 2);
    for (const { task, payload, result } of this.#finishedWhole) packWhole(packer, task, payload, result);
    packPairs(packer, this.#large);
    packer.list(this.#adopted.length);
    for (const id of this.#adopted) packer.field(id);
    packer.list(this.#tombstones.length * 2);
    for (const [id, until] of this.#tombstones) {
      packer.field(id);
      packer.begin();
      packer.double(until);
      packer.end();
    }
    packer.list(this.#keys.length * 2);
    for (const key of this.#keys) packKey(packer, key);
    packPairs(
      packer,
      this.#queues.map(([name, record]) => [Buffer.from(name), record]),
    );
    packPairs(
      packer,
      this.#rows.map(([name, value]) => [Buffer.from(name), toBuffer(value)]),
    );
    packer.list(this.#droppedRows.length);
    for (const name of this.#droppedRows) packer.bytes(Buffer.from(name));
    packer.list(this.#kept.size);
    for (const [bucket, entries] of this.#kept) {
      packer.list(entries.length + 1);
      packer.text(String(bucket));
      for (const entry of entries) packKept(packer, entry);
    }
    packer.list(this.#sweeps.length);
    for (const [before, limit] of this.#sweeps) {
      packer.list(2);
      packer.text(String(before));
      packer.text(String(limit));
    }
  }

  #add(change: Change): void {
    switch (change.type) {
      case "insert":
        if (change.keepUntil > 0) this.#end(change, change.task, change.keepUntil);
        else (change.parked ? this.#parking : this.#inserted).push(change);
        this.#keepLarge(change.task, PAYLOAD, change.payload);
        this.#keepLarge(change.task, RESULT, change.result);
        break;
      case "adopt":
        this.#adopted.push(change.task.id);
        this.#end(change, change.task, change.keepUntil);
        this.#keepLarge(change.task, PAYLOAD, change.payload);
        break;
      case "update":
        if (isInline(change.payload)) this.#updatedWhole.push(change);
        else this.#updated.push(change.task);
        break;
      case "finish":
        if (isInline(change.payload)) this.#finishedWhole.push(change);
        else this.#finished.push(change);
        this.#keep("t", change.keepUntil, change.task.id);
        this.#keepLarge(change.task, RESULT, change.result);
        break;
      case "tombstone":
      case "key":
      case "queue":
      case "row":
      case "sweep":
        this.#addSide(change);
        break;
    }
  }

  #addSide(change: Change): void {
    switch (change.type) {
      case "insert":
      case "adopt":
      case "update":
      case "finish":
        break; // Tasks.
      case "tombstone":
        this.#tombstones.push([change.id, change.keepUntil]);
        this.#keep("m", change.keepUntil, change.id);
        break;
      case "key":
        this.#keys.push(change.key);
        this.#keep("k", change.key.expiresAt, keyField(change.key));
        break;
      case "queue":
        this.#queues.push([change.queue.name, encodeQueue(change.queue)]);
        break;
      case "row": {
        const name = `${change.kind}\n${change.key}`;
        if (change.value === null) this.#droppedRows.push(name);
        else this.#rows.push([name, change.value]);
        break;
      }
      case "sweep":
        this.#sweeps.push([change.before, change.limit]);
        break;
    }
  }

  #end(change: Change, task: TaskRecord, keepUntil: Millis): void {
    this.#ended.push(change);
    this.#keep("t", keepUntil, task.id);
  }

  #keep(kind: Kept["kind"], until: Millis, name: string): void {
    const bucket = Math.floor(until / BUCKET_MS);
    const entries = this.#kept.get(bucket);
    if (entries === undefined) this.#kept.set(bucket, [{ kind, until, name }]);
    else entries.push({ kind, until, name });
  }

  /** Large bytes have an entry of their own, so that an update of the record does not copy them. */
  #keepLarge(task: TaskRecord, part: string, bytes: ByteString | null): void {
    if (bytes === null || bytes.length <= INLINE_BYTES) return;
    this.#large.push([Buffer.concat([fieldOf(task.id), Buffer.from(part)]), toBuffer(bytes)]);
  }
}

export function keyField({ name, key }: { readonly name: string; readonly key: string }): string {
  return `${name}\n${key}`;
}

function packNew(packer: Packer, changes: readonly Change[], isParked: boolean): void {
  packer.list(changes.length * (isParked ? 3 : 2));
  for (const change of changes) {
    if (change.type !== "insert" && change.type !== "adopt") continue;
    const { task, payload } = change;
    packWhole(packer, task, payload, change.type === "insert" ? change.result : null);
    if (isParked) packer.text(String(task.runAt));
  }
}

function packWhole(
  packer: Packer,
  task: TaskRecord,
  payload: ByteString | null,
  result: ByteString | null,
): void {
  packer.field(task.id);
  packer.begin();
  packPart(packer, payload);
  packBehind(packer, task, result);
  packer.end();
}

function packRest(packer: Packer, task: TaskRecord, result: ByteString | null): void {
  packer.field(task.id);
  packer.begin();
  packBehind(packer, task, result);
  packer.end();
}

function packBehind(packer: Packer, task: TaskRecord, result: ByteString | null): void {
  const isHeld = task.state === "assigned" || task.state === "running";
  packer.uint16((isHeld ? 0 : 1) | ((MAX_PRIORITY - task.priority) << 8));
  packPart(packer, result);
  packer.written(writeRecord(task));
}

function isInline(payload: ByteString | null): boolean {
  return payload !== null && payload.length <= INLINE_BYTES;
}

function packPart(packer: Packer, bytes: ByteString | null): void {
  if (bytes === null) packer.uint16(NONE);
  else if (bytes.length > INLINE_BYTES) packer.uint16(LARGE);
  else {
    packer.uint16(bytes.length);
    packer.latin1(bytes);
  }
}

/** When it is over, whose it is, and the hash of the input. */
function packKey(packer: Packer, key: KeyRecord): void {
  packer.bytes(Buffer.from(keyField(key)));
  packer.begin();
  packer.double(key.expiresAt);
  packer.latin1(key.id);
  packer.latin1(key.inputHash);
  packer.end();
}

function packPairs(packer: Packer, pairs: readonly (readonly [Buffer, Buffer])[]): void {
  packer.list(pairs.length * 2);
  for (const [name, value] of pairs) {
    packer.bytes(name);
    packer.bytes(value);
  }
}

/** A letter for what it is, the time, its field. */
function packKept(packer: Packer, { kind, until, name }: Kept): void {
  packer.begin();
  packer.latin1(kind);
  packer.double(until);
  if (kind === "k") packer.raw(Buffer.from(name));
  else packer.rawField(name);
  packer.end();
}
