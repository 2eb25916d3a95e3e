import type { Life } from "../memory/life.ts";
import type { Records } from "../memory/records.ts";
import type { Store } from "./store.ts";

/** One process's store over the records that it shares with the others of its yard. */
export function createMemoryStore(records: Records, life: Life): Store {
  const { leases } = records;
  const live = <T>(run: () => T): Promise<T> =>
    new Promise((resolve) => {
      life.check();
      resolve(run());
    });
  return {
    acquire: (shard, owner, ttlMs, options) =>
      live(() => leases.acquire(shard, owner, ttlMs, options?.replacing)),
    renew: (lease, ttlMs) => live(() => leases.renew(lease, ttlMs)),
    release: (lease) => live(() => leases.release(lease)),
    holder: (shard) => live(() => leases.holder(shard)),
    commit: (lease, sequence, changes) => live(() => void records.commit(lease, sequence, changes)),
    load: (shard) => batches(() => records.load(shard), life),
    parked: (shard, limit) => live(() => records.parked(shard, limit)),
    read: (query) => live(() => records.read(query)),
    find: (filter) => live(() => records.find(filter)),
  };
}

async function* batches<T>(items: () => readonly T[], life: Life): AsyncGenerator<T[]> {
  life.check();
  const all = items();
  for (let start = 0; start < all.length; start += BATCH) {
    life.check();
    yield all.slice(start, start + BATCH);
  }
}

const BATCH = 500;
