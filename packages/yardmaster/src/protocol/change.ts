import type { ByteString } from "./bytes.ts";
import type { Millis, QueueRecord, TaskId, TaskRecord } from "./task.ts";

/** One row's change. A commit has at most one change for each task, in any order. */
export type Change =
  /** A new record at whatever state it has reached by now; `keepUntil` > 0 if that is terminal. Insert-only. */
  | {
      readonly type: "insert";
      readonly task: TaskRecord;
      readonly payload: ByteString;
      readonly parked: boolean;
      readonly result: ByteString | null;
      readonly keepUntil: Millis;
    }
  /**
   * New values of an unfinished task's record, which is parked no more. The payload stays; it is named where the kernel
   * still has it, for a store that would otherwise read it to write the two together.
   */
  | { readonly type: "update"; readonly task: TaskRecord; readonly payload: ByteString | null }
  /** An unfinished task becomes terminal; the payload as with an update. */
  | {
      readonly type: "finish";
      readonly task: TaskRecord;
      readonly payload: ByteString | null;
      readonly result: ByteString | null;
      readonly keepUntil: Millis;
    }
  /** A cancel that came before its submission; `adopt` replaces it by the submitted, cancelled record. */
  | { readonly type: "tombstone"; readonly id: TaskId; readonly keepUntil: Millis }
  | {
      readonly type: "adopt";
      readonly task: TaskRecord;
      readonly payload: ByteString;
      readonly keepUntil: Millis;
    }
  | { readonly type: "key"; readonly key: KeyRecord }
  | { readonly type: "queue"; readonly queue: QueueRecord }
  /** A row of the shard's that only the kernel understands, given back while loading; null deletes it. */
  | { readonly type: "row"; readonly kind: string; readonly key: string; readonly value: ByteString | null }
  /** Deletes up to `limit` terminal records, tombstones and keys whose time was over before `before`. */
  | { readonly type: "sweep"; readonly before: Millis; readonly limit: number };

/** An idempotency key in use within a shard: `name` is the definition's. */
export interface KeyRecord {
  readonly name: string;
  readonly key: string;
  readonly id: TaskId;
  readonly inputHash: ByteString;
  readonly expiresAt: Millis;
}

/** The one string for a definition's name and an idempotency key; names never hold control characters. */
export function keyOf(name: string, key: string): string {
  return `${name}\n${key}`;
}

export interface StoredTask {
  readonly task: TaskRecord;
  /** Null when it was not asked for, or is over INLINE_BYTES while loading. */
  readonly payload: ByteString | null;
  readonly result: ByteString | null;
}

/** What a new owner is given to start from. */
export type StoredItem =
  | ({ readonly type: "task" } & StoredTask)
  | { readonly type: "queue"; readonly queue: QueueRecord }
  | { readonly type: "row"; readonly kind: string; readonly key: string; readonly value: ByteString }
  | { readonly type: "tombstone"; readonly id: TaskId; readonly keepUntil: Millis }
  /** How many tasks are parked; at most one such item. */
  | { readonly type: "parked"; readonly count: number };
