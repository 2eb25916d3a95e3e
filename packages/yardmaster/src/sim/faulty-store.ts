import type { StoredItem } from "../protocol/change.ts";
import { isCode, YardmasterError } from "../protocol/errors.ts";
import type { Lease, Store } from "../stores/store.ts";
import { type RemoteCall, remotely } from "./remote-call.ts";
import type { SimProcess } from "./sim-process.ts";

/** A process's view of the store: every call travels, may fail and is a crash point; every commit is recorded. */
export function createFaultyStore(process: SimProcess, store: Store): Store {
  const call = <T>(name: string, apply: () => Promise<T>, fallible = true): Promise<T> =>
    remotely(process, { name: `store.${name}`, service: "store", apply, fallible } satisfies RemoteCall<T>);
  return {
    acquire: (shard, owner, ttlMs, options) =>
      call("acquire", async () => {
        const lease = await store.acquire(shard, owner, ttlMs, options);
        if (lease !== null) process.observe({ type: "acquired", lease });
        return lease;
      }),
    renew: (lease, ttlMs) =>
      call("renew", async () => {
        const isRenewed = await store.renew(lease, ttlMs);
        if (!isRenewed) process.observe({ type: "leaseLost", lease, how: "expired" });
        return isRenewed;
      }),
    release: (lease) =>
      call("release", async () => {
        await store.release(lease);
        process.observe({ type: "leaseLost", lease, how: "released" });
      }),
    holder: (shard) => call("holder", () => store.holder(shard)),
    commit: (lease, sequence, changes) =>
      call("commit", async () => {
        const { faults, coverage } = process.world;
        if (faults.isFullFor(changes)) {
          coverage.fault("store full");
          throw storeFull();
        }
        if (faults.forgets(changes, process.random)) return coverage.fault("commit forgotten");
        await observingRefusal(process, lease, sequence, () => store.commit(lease, sequence, changes));
        process.observe({ type: "committed", lease, sequence, changes });
      }),
    load: (shard) => loadRemotely(store, shard, call),
    parked: (shard, limit) => call("parked", () => store.parked(shard, limit)),
    read: (query) => call("read", () => store.read(query)),
    find: (filter) => call("find", () => store.find(filter)),
  };
}

/** What an earlier owner writes is refused, whether its caller hears of it or not. */
export async function observingRefusal<T>(
  process: SimProcess,
  lease: Lease,
  sequence: number,
  commit: () => Promise<T>,
): Promise<T> {
  try {
    return await commit();
  } catch (error) {
    if (isCode(error, "FENCED")) process.observe({ type: "refused", lease, sequence });
    throw error;
  }
}

export function storeFull(): YardmasterError {
  return new YardmasterError("STORE_FULL", "The simulated store has no room for new records");
}

async function* loadRemotely(
  store: Store,
  shard: number,
  call: <T>(name: string, apply: () => Promise<T>) => Promise<T>,
): AsyncGenerator<StoredItem[]> {
  const batches = store.load(shard)[Symbol.asyncIterator]();
  for (;;) {
    const next = await call("load", () => batches.next());
    if (next.done === true) return;
    yield next.value;
  }
}
