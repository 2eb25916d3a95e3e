import type { Change, KeyRecord, StoredItem, StoredTask } from "../protocol/change.ts";
import { shardOf } from "../protocol/ids.ts";
import type { Epoch, Millis, State, TaskId, TaskRecord } from "../protocol/task.ts";

/**
 * A store keeps every task's record and result, the shards' leases and the queues' settings.
 *
 * Every write passes the fence: it applies only while the caller's epoch owns the shard. Every adapter
 * passes the suite in `testing/store-suite.ts`.
 */
export interface Store {
  /**
   * Takes a shard whose lease is over by the store's own clock, or whose present epoch is `replacing` (the
   * caller saw that owner's process gone; safe, because the fence protects and not the clock). The epoch rises
   * with each success. Null while somebody else holds it.
   */
  acquire(
    shard: number,
    owner: string,
    ttlMs: number,
    options?: { readonly replacing?: Epoch },
  ): Promise<Lease | null>;
  /** Extends a lease; false when it is no longer the caller's or has run out: stop at once. */
  renew(lease: Lease, ttlMs: number): Promise<boolean>;
  /** Ends a lease so that the next one can start at once. The epoch stays. */
  release(lease: Lease): Promise<void>;
  /** Who holds a shard, for standbys; null when nobody ever did. */
  holder(
    shard: number,
  ): Promise<{ readonly owner: string; readonly epoch: Epoch; readonly expired: boolean } | null>;
  /**
   * Applies all changes or none. Commit n of an epoch applies only after n - 1; a repeated n answers as the first
   * did. Throws FENCED when the epoch does not own the shard or the sequence is unexpected, CONFLICT (with
   * `details.ids`) when a record to insert exists, STORE_FULL, or STORE_UNAVAILABLE when the outcome is unknown.
   * An empty list still checks the fence.
   */
  commit(lease: Lease, sequence: number, changes: readonly Change[]): Promise<void>;
  /** Streams what the owner needs in memory: queues and rows, then unfinished tasks that are not parked (assigned ones first, then by priority, then by id), then early cancels. */
  load(shard: number): AsyncIterable<StoredItem[]>;
  /** The first `limit` parked tasks: those with the earliest `runAt`, then the highest priority, then the lowest id. */
  parked(shard: number, limit: number): Promise<StoredTask[]>;
  /** Records by id and by idempotency key; what is unknown is absent. `bytes` says whether payload and result are wanted. */
  read(query: ReadQuery): Promise<ReadAnswer>;
  /**
   * Terminal and parked records, newest submission first, one page at a time. A page may be short, even empty, where
   * much was looked at for little; there is more until the cursor is null.
   */
  find(
    filter: FindFilter,
  ): Promise<{ readonly tasks: readonly TaskRecord[]; readonly cursor: string | null }>;
}

export interface Lease {
  readonly shard: number;
  readonly owner: string;
  readonly epoch: Epoch;
}

export interface ReadQuery {
  readonly ids?: readonly TaskId[];
  readonly keys?: readonly { readonly name: string; readonly key: string }[];
  /** The shard whose keys are meant; default 0. */
  readonly shard?: number;
  readonly bytes?: boolean;
}

export interface ReadAnswer {
  readonly tasks: ReadonlyMap<TaskId, StoredTask>;
  /** By `keyOf(name, key)`. Keys whose window is over are still there until swept: the reader compares `expiresAt`. */
  readonly keys: ReadonlyMap<string, KeyRecord>;
}

export interface FindFilter {
  readonly states?: readonly State[];
  readonly name?: string;
  readonly queue?: string;
  /** Submitted at or after, and before. */
  readonly from?: Millis;
  readonly to?: Millis;
  /** From an earlier page's answer. */
  readonly cursor?: string;
  /** 1 to 1,000. */
  readonly limit: number;
  /** Only of this shard. */
  readonly shard?: number;
  /** A page ends, full or not, when about so many tasks were looked at: a filter that matches little holds nobody up. Default 20,000. */
  readonly most?: number;
}

/** The default of `most`. */
export const MOST_LOOKED_AT = 20_000;

/** Whether a record is one that the filter asks for, its page aside. */
export function matches(task: TaskRecord, filter: FindFilter): boolean {
  return (
    (filter.states === undefined || filter.states.includes(task.state)) &&
    (filter.name === undefined || filter.name === task.spec.name) &&
    (filter.queue === undefined || filter.queue === task.spec.queue) &&
    (filter.from === undefined || task.submittedAt >= filter.from) &&
    (filter.to === undefined || task.submittedAt < filter.to)
  );
}

export function isOfShard(id: TaskId, { shard }: FindFilter): boolean {
  return shard === undefined || shardOf(id) === shard;
}
