import { fromBuffer } from "../protocol/bytes.ts";
import { type KeyRecord, keyOf, type StoredItem, type StoredTask } from "../protocol/change.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { shardOf } from "../protocol/ids.ts";
import { decodeQueue, decodeRecord } from "../protocol/record.ts";
import { INLINE_BYTES, type TaskId } from "../protocol/task.ts";
import { FIELD_BYTES, fieldOf, idOf } from "../redis/keys.ts";
import { Packer } from "../redis/packer.ts";
import { buffersIn, corrupt, cursorOf, doubleAt, listOf, wholeOf } from "../redis/replies.ts";
import { PARKED, READ, SCAN } from "../redis/scripts.ts";
import type { Servers } from "../redis/servers.ts";
import { keyField, LARGE, NONE, PAYLOAD, RESULT } from "./redis-changes.ts";
import type { ReadAnswer, ReadQuery } from "./store.ts";

const HALF = "STORE_UNAVAILABLE";

/** A task's value, taken apart; "large" bytes are elsewhere. */
interface Parts extends StoredTask {
  readonly isPayloadLarge: boolean;
  readonly isResultLarge: boolean;
}

/** All that is read from a yard's records, apart from looking for finished ones. */
export class RedisReads {
  readonly #servers: Servers;
  readonly #packer = new Packer();

  constructor(servers: Servers) {
    this.#servers = servers;
  }

  /** Nobody but the owner changes a shard's tasks, so that steps read one after the other fit together. */
  async *load(shard: number): AsyncGenerator<StoredItem[]> {
    const first = await this.#first(shard);
    if (first.length > 0) yield first;
    const ordered = await this.#liveFields(shard);
    for (let at = 0; at < ordered.length; at += PAGE) {
      const fields = ordered.slice(at, at + PAGE).map((entry) => Buffer.from(entry.slice(2), "latin1"));
      const values = await this.#call(shard, ["HMGET", this.#key(shard, "live"), ...fields]);
      yield present(values).map((value): StoredItem => {
        const { task, payload, result } = partsOf(value);
        return { type: "task", task, payload, result };
      });
    }
    for await (const page of this.#pages(shard, "tombs")) {
      yield page.map(([field, keep]): StoredItem => {
        return { type: "tombstone", id: idOf(field, shard), keepUntil: doubleAt(keep, 0) };
      });
    }
  }

  async parked(shard: number, limit: number): Promise<StoredTask[]> {
    const keys = [this.#key(shard, "due"), this.#key(shard, "parked")];
    const values = await this.#servers.script(HALF, shard, PARKED, keys, [String(limit)]);
    return present(values).map((value) => {
      const { task, payload } = partsOf(value);
      return { task, payload, result: null };
    });
  }

  async read({ ids = [], keys = [], shard = 0, bytes = false }: ReadQuery): Promise<ReadAnswer> {
    const tasks = new Map<TaskId, StoredTask>();
    const byShard = Map.groupBy(new Set(ids), shardOf);
    const read = [...byShard].flatMap(([of, all]) =>
      Array.from({ length: Math.ceil(all.length / PAGE) }, (_, page) =>
        this.#readPage(of, all.slice(page * PAGE, (page + 1) * PAGE), bytes),
      ),
    );
    const [found, ...pages] = await Promise.all([this.#keys(shard, keys), ...read]);
    for (const stored of pages.flat()) tasks.set(stored.task.id, stored);
    return { tasks, keys: found };
  }

  async #readPage(shard: number, ids: readonly TaskId[], bytes: boolean): Promise<StoredTask[]> {
    this.#packer.clear();
    this.#packer.list(ids.length);
    for (const id of ids) this.#packer.bytes(fieldOf(id));
    const keys = ["live", "parked", "done"].map((name) => this.#key(shard, name));
    const args = [this.#packer.toBuffer(), bytes ? "1" : "0"];
    const values = present(await this.#servers.script(HALF, shard, READ, keys, args));
    return await Promise.all(values.map((value) => this.#whole(shard, partsOf(value))));
  }

  async #whole(
    shard: number,
    { task, payload, result, isPayloadLarge, isResultLarge }: Parts,
  ): Promise<StoredTask> {
    if (!isPayloadLarge && !isResultLarge) return { task, payload, result };
    const [largePayload, largeResult] = buffersIn(
      await this.#call(shard, [
        "HMGET",
        this.#key(shard, "big"),
        largeField(task.id, PAYLOAD),
        largeField(task.id, RESULT),
      ]),
    );
    return {
      task,
      payload: isPayloadLarge && largePayload ? fromBuffer(largePayload) : payload,
      result: isResultLarge && largeResult ? fromBuffer(largeResult) : result,
    };
  }

  async #keys(
    shard: number,
    keys: readonly { readonly name: string; readonly key: string }[],
  ): Promise<Map<string, KeyRecord>> {
    const found = new Map<string, KeyRecord>();
    for (let at = 0; at < keys.length; at += PAGE) {
      const page = keys.slice(at, at + PAGE);
      const values = buffersIn(
        await this.#call(shard, ["HMGET", this.#key(shard, "keys"), ...page.map(keyField)]),
      );
      for (const [index, { name, key }] of page.entries()) {
        const value = values[index];
        if (value) found.set(keyOf(name, key), keyRecord(name, key, value));
      }
    }
    return found;
  }

  /** What comes before the tasks when a shard is loaded. */
  async #first(shard: number): Promise<StoredItem[]> {
    const [queues, count] = await Promise.all([
      this.#call(shard, ["HVALS", this.#key(shard, "queues")]),
      this.#call(shard, ["ZCARD", this.#key(shard, "due")]),
    ]);
    const items: StoredItem[] = present(queues).map((record) => ({
      type: "queue",
      queue: decodeQueue(record),
    }));
    for await (const page of this.#pages(shard, "side")) items.push(...page.map(sideRow));
    const parked = wholeOf(count);
    return parked > 0 ? [...items, { type: "parked", count: parked }] : items;
  }

  /** The order bytes and field of each live task, sorted, each once: 16 bytes a task is all that is held at a time. */
  async #liveFields(shard: number): Promise<string[]> {
    const entries = new Set<string>();
    const keys = [this.#key(shard, "live"), this.#servers.keys.missing(shard)];
    const way = this.#servers.wayTo(shard);
    let cursor = "0";
    do {
      const step = await this.#servers.script(HALF, shard, SCAN, keys, [cursor]);
      this.#checkWay(shard, way);
      const [next, packed] = listOf(step);
      cursor = cursorOf(next);
      const text = Buffer.isBuffer(packed) ? packed.toString("latin1") : "";
      for (let at = 0; at < text.length; at += ENTRY_BYTES) entries.add(text.slice(at, at + ENTRY_BYTES));
    } while (cursor !== "0");
    return [...entries].sort();
  }

  /** A hash, page by page; the server may name an entry twice. */
  async *#pages(shard: number, name: string): AsyncGenerator<[field: Buffer, value: Buffer][]> {
    const seen = new Set<string>();
    const way = this.#servers.wayTo(shard);
    let cursor = "0";
    do {
      const [next, flat] = listOf(
        await this.#call(shard, ["HSCAN", this.#key(shard, name), cursor, "COUNT", String(PAGE)]),
      );
      this.#checkWay(shard, way);
      cursor = cursorOf(next);
      const parts = present(flat);
      const page: [Buffer, Buffer][] = [];
      for (let at = 0; at + 1 < parts.length; at += 2) {
        const [field, value] = [parts[at], parts[at + 1]];
        if (field === undefined || value === undefined || seen.has(field.toString("latin1"))) continue;
        seen.add(field.toString("latin1"));
        page.push([field, value]);
      }
      if (page.length > 0) yield page;
    } while (cursor !== "0");
  }

  /** A server that takes up another's cursor leaves entries out. */
  #checkWay(shard: number, way: string): void {
    if (this.#servers.wayTo(shard) === way) return;
    throw new YardmasterError(
      HALF,
      `Shard ${shard} went to another server while it was read. Read it again.`,
    );
  }

  #call(shard: number, args: readonly (string | Buffer)[]): Promise<unknown> {
    return this.#servers.call(HALF, shard, args);
  }

  #key(shard: number, name: string): string {
    return this.#servers.keys.key(shard, name);
  }
}

/** Takes a task's value apart; see PackedChanges. */
export function partsOf(value: Buffer): Parts {
  const payloadMark = markAt(value, 0);
  const payloadEnd = 2 + (payloadMark > INLINE_BYTES ? 0 : payloadMark);
  const resultMark = markAt(value, payloadEnd + 2);
  const resultAt = payloadEnd + 4;
  const resultEnd = resultAt + (resultMark > INLINE_BYTES ? 0 : resultMark);
  return {
    task: decodeRecord(value.subarray(resultEnd)),
    payload: payloadMark === NONE || payloadMark === LARGE ? null : fromBuffer(value.subarray(2, payloadEnd)),
    result:
      resultMark === NONE || resultMark === LARGE ? null : fromBuffer(value.subarray(resultAt, resultEnd)),
    isPayloadLarge: payloadMark === LARGE,
    isResultLarge: resultMark === LARGE,
  };
}

function markAt(value: Buffer, at: number): number {
  if (value.length >= at + 2) return value.readUInt16LE(at);
  throw corrupt("a task's value ends early");
}

function present(values: unknown): Buffer[] {
  return buffersIn(values).filter((value) => value !== null);
}

function largeField(id: TaskId, part: string): Buffer {
  return Buffer.concat([fieldOf(id), Buffer.from(part)]);
}

function sideRow([field, value]: [Buffer, Buffer]): StoredItem {
  const name = field.toString();
  const at = name.indexOf("\n");
  return { type: "row", kind: name.slice(0, at), key: name.slice(at + 1), value: fromBuffer(value) };
}

function keyRecord(name: string, key: string, value: Buffer): KeyRecord {
  if (value.length < HASH_AT) throw corrupt("a key's value ends early");
  return {
    name,
    key,
    id: value.latin1Slice(8, HASH_AT),
    inputHash: fromBuffer(value.subarray(HASH_AT)),
    expiresAt: doubleAt(value, 0),
  };
}

/** Behind the time and the id. */
const HASH_AT = 44;
const PAGE = 500;
const ENTRY_BYTES: number = 2 + FIELD_BYTES;
