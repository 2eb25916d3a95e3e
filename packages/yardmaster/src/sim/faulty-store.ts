import type { StoredItem } from "../protocol/change.ts";
import { YardmasterError } from "../protocol/errors.ts";
import type { Store } from "../stores/store.ts";
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
    renew: (lease, ttlMs) => call("renew", () => store.renew(lease, ttlMs)),
    release: (lease) => call("release", () => store.release(lease)),
    holder: (shard) => call("holder", () => store.holder(shard)),
    commit: (lease, sequence, changes) =>
      call("commit", async () => {
        const { faults, coverage } = process.world;
        if (faults.isFullFor(changes)) {
          coverage.fault("store full");
          throw storeFull();
        }
        if (faults.forgets(changes, process.random)) return coverage.fault("commit forgotten");
        await store.commit(lease, sequence, changes);
        process.observe({ type: "committed", lease, sequence, changes });
      }),
    load: (shard) => loadRemotely(store, shard, call),
    parked: (shard, limit) => call("parked", () => store.parked(shard, limit)),
    read: (query) => call("read", () => store.read(query)),
    find: (filter) => call("find", () => store.find(filter)),
  };
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
