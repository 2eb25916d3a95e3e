import { describe, expect, it } from "vitest";
import { createMemoryWorld } from "../memory/world.ts";
import { YardmasterError } from "../protocol/errors.ts";
import type { Store } from "../stores/store.ts";
import { createManualHost } from "../testing/manual-host.ts";
import { LEASE_TIMES, LeaseKeeper } from "./lease-keeper.ts";

const { ttlMs, marginMs, renewMs } = LEASE_TIMES;
const FIVE_MINUTES_MS = 300_000;

/** A keeper on a machine whose wall clock can be set, over a store that can go away. */
async function keep() {
  const host = createManualHost();
  const { store } = createMemoryWorld(host, { shards: 1 }).open(host);
  const lease = await store.acquire(0, "owner", ttlMs);
  if (lease === null) throw new Error("Nobody else holds the shard.");
  const wall = { offMs: 0 };
  const link = { isCut: false };
  const lost: string[] = [];
  const renew: Store["renew"] = async (...args) => {
    if (link.isCut) throw new YardmasterError("STORE_UNAVAILABLE", "The store is away.");
    return store.renew(...args);
  };
  const keeper = new LeaseKeeper({
    store: { ...store, renew },
    host: { ...host, now: () => host.now() + wall.offMs },
    times: LEASE_TIMES,
    lease,
    sentAt: host.monotonic(),
    isHealthy: () => true,
    onLost: (reason) => lost.push(reason),
  });
  await host.advance(renewMs);
  return { host, store, keeper, wall, link, lost };
}

describe("a kept lease", () => {
  it("goes on when the wall clock is set forward", async () => {
    const { host, store, keeper, wall, lost } = await keep();
    wall.offMs = FIVE_MINUTES_MS;
    expect(keeper.isTrusted).toBe(true);
    await host.advance(4 * ttlMs);
    expect(keeper.isTrusted).toBe(true);
    expect((await store.holder(0))?.expired).toBe(false);
    expect(lost).toEqual([]);
  });

  it("is trusted no longer when the wall clock is set back", async () => {
    const { host, keeper, wall, link, lost } = await keep();
    wall.offMs = -FIVE_MINUTES_MS;
    link.isCut = true;
    await host.advance(ttlMs - marginMs - 1);
    expect(keeper.isTrusted).toBe(true);
    await host.advance(1);
    expect(keeper.isTrusted).toBe(false);
    expect(lost).toEqual(["the lease was not renewed in time"]);
  });
});
