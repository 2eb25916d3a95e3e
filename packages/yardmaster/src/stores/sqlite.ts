import type { Host } from "../host.ts";
import type { Change, StoredItem } from "../protocol/change.ts";
import { YardmasterError } from "../protocol/errors.ts";
import type { TaskRecord } from "../protocol/task.ts";
import { DURABLE, TRANSIENT } from "../sqlite/connection.ts";
import { isConstraint } from "../sqlite/failure.ts";
import type { Session } from "../sqlite/session.ts";
import { Fence } from "./sqlite-fence.ts";
import { type LoadCursor, type LoadStep, TaskReads } from "./sqlite-reads.ts";
import { SideRows } from "./sqlite-side-rows.ts";
import { TaskRows } from "./sqlite-tasks.ts";
import { type FindFilter, type Lease, MOST_LOOKED_AT, type Store } from "./store.ts";

const HALF = "STORE_UNAVAILABLE";

export interface SqliteStore extends Store {
  /** Applies a commit inside the caller's transaction; false when it was applied before. */
  apply(lease: Lease, sequence: number, changes: readonly Change[]): boolean;
  /** The error to throw for one that a transaction with `apply` ended with. */
  explain(error: unknown, changes: readonly Change[]): Promise<unknown>;
}

/** The store of one engine on a file. Its clock is this machine's. */
export function createSqliteStore(session: Session, host: Host): SqliteStore {
  const fence = new Fence(session);
  const tasks = new TaskRows(session);
  const sides = new SideRows(session);
  const reads = new TaskReads(session);

  const apply: SqliteStore["apply"] = (lease, sequence, changes) => {
    if (!fence.advance(lease, sequence)) return false;
    tasks.write(lease.shard, changes);
    sides.write(lease.shard, changes);
    return true;
  };
  const explain: SqliteStore["explain"] = async (error, changes) => {
    if (!(error instanceof Error) || !isConstraint(error.cause)) return error;
    const ids = await session.read(HALF, () => tasks.conflicting(changes));
    if (ids.length === 0) return error;
    const message = `${ids.length} of the records to insert exist already.`;
    return new YardmasterError("CONFLICT", message, { cause: error, details: { ids } });
  };

  return {
    apply,
    explain,
    acquire: (shard, owner, ttlMs, options) =>
      session.write(HALF, DURABLE, () =>
        fence.acquire(shard, owner, ttlMs, host.now(), options?.replacing ?? null),
      ),
    renew: (lease, ttlMs) => session.write(HALF, TRANSIENT, () => fence.renew(lease, ttlMs, host.now())),
    release: (lease) => session.write(HALF, TRANSIENT, () => fence.release(lease)),
    holder: (shard) => session.read(HALF, () => fence.holder(shard, host.now())),
    commit: async (lease, sequence, changes) => {
      const isDurable = changes.length > 0 ? DURABLE : TRANSIENT;
      try {
        await session.write(HALF, isDurable, () => apply(lease, sequence, changes));
      } catch (error) {
        throw await explain(error, changes);
      }
    },
    load: (shard) => load(session, reads, shard),
    parked: (shard, limit) => session.read(HALF, () => reads.parked(shard, limit)),
    read: (query) => session.read(HALF, () => reads.read(query)),
    find: (filter) => find(session, reads, host, filter),
  };
}

/** Nobody but the owner changes a shard's tasks, so that steps read one after the other fit together. */
async function* load(session: Session, reads: TaskReads, shard: number): AsyncGenerator<StoredItem[]> {
  const first = await session.read(HALF, () => reads.loadFirst(shard));
  if (first.length > 0) yield first;
  for (let after: LoadCursor | null = null; ; ) {
    const from: LoadCursor | null = after;
    const { items, last }: LoadStep = await session.read(HALF, () => reads.loadTasks(shard, from));
    if (last === null) break;
    yield items;
    after = last;
  }
  for (let after = ""; ; ) {
    const from = after;
    const items = await session.read(HALF, () => reads.loadTombstones(shard, from));
    const last = items.at(-1);
    if (last?.type !== "tombstone") return;
    yield items;
    after = last.id;
  }
}

async function find(
  session: Session,
  reads: TaskReads,
  host: Host,
  filter: FindFilter,
): Promise<{ tasks: TaskRecord[]; cursor: string | null }> {
  const tasks: TaskRecord[] = [];
  let cursor: string | null = filter.cursor ?? LAST;
  let left = filter.most ?? MOST_LOOKED_AT;
  for (; left > 0 && cursor !== null && tasks.length < filter.limit; left -= WALK_STEP) {
    const before: string = cursor;
    const wanted = filter.limit - tasks.length;
    const step = Math.min(left, WALK_STEP);
    const found = await session.read(HALF, () => reads.walk(filter, before, wanted, step));
    tasks.push(...found.tasks);
    cursor = found.last;
    await new Promise<void>((resolve) => host.defer(resolve));
  }
  return { tasks, cursor };
}

/** Sorts behind every id. */
const LAST = "~";
const WALK_STEP = 500;
