import { readFileSync } from "node:fs";
import { describe, expect, it, vi } from "vitest";
import { type RedisCluster, startRedisCluster } from "../../../../servers/redis.ts";
import { openEngine } from "../../src/connect.ts";
import type { Engine } from "../../src/engine.ts";
import { type Host, systemHost } from "../../src/host.ts";
import { codeOf } from "../../src/testing/conformance.ts";
import { inserted, loadedIds, sampleTask, taskId } from "../../src/testing/sample-tasks.ts";
import { connect } from "../../src/yard.ts";
import { serverTests } from "../server-tests.ts";
import { Cast } from "./actors.ts";
import { Load } from "./cluster-load.ts";
import {
  agreedOn,
  masterOf,
  moveSlot,
  otherMaster,
  replicaOf,
  shardSlot,
  spreadYard,
  stillAndCopied,
} from "./cluster-nodes.ts";
import { passed, twice } from "./engine-faults.ts";

const SHARDS = 3;
const ALL = [0, 1, 2];
/** So many tasks of a shard show that it goes on. */
const SOME = 50;
/** A busy machine must not fail a test. */
const TEST_MS = 240_000;
const SOON_MS = 60_000;
const PATIENCE = { timeout: 20_000, interval: 20 };
const BETWEEN_KEYS_MS = 20;
/** The least that a user needs, as the page says it. */
const LEAST =
  /^user app .*$/m.exec(
    readFileSync(new URL("../../../../docs/engines/redis.md", import.meta.url), "utf8"),
  )?.[0] ?? "";
const SETTINGS = [
  "cluster-require-full-coverage no",
  "cluster-allow-replica-migration no",
  "cluster-replica-validity-factor 0",
  "repl-diskless-sync-delay 0",
];

interface Stage {
  readonly load: Load;
  slotOf(shard: number): number;
}

/** A new yard, each shard on a master of its own, for a user who may do no more than the page says. */
async function newYard(cluster: RedisCluster): Promise<string> {
  return (await spreadYard(cluster, SHARDS)).replace("redis://", "redis://app:secret@");
}

/** A yard at work. In the end nothing is lost, nothing was started twice, and the same processes are there. */
async function underLoad(cluster: RedisCluster, test: (stage: Stage) => Promise<void>): Promise<void> {
  const url = await newYard(cluster);
  const cast = new Cast(url);
  const yard = await connect(url, { shards: SHARDS });
  const load = new Load(yard, SHARDS);
  try {
    const roles = ["dispatcher", "dispatcher", "worker", "worker"] as const;
    await Promise.all(roles.map((role) => cast.start(role)));
    await load.goesOn(ALL, SOME, SOON_MS);
    await test({ load, slotOf: (shard) => shardSlot(url, shard) });
    await load.end();
    const { acknowledged, done, wrong, failures } = load;
    const ended = done.reduce((sum, count) => sum + count, 0);
    expect({ lost: acknowledged - ended, wrong, failures }).toEqual({ lost: 0, wrong: 0, failures: [] });
    expect(twice(cast)).toEqual([]);
    expect(cast.runs()).toHaveLength(ended);
    expect(cast.actors.map(({ isAlive }) => isAlive)).toEqual(roles.map(() => true));
  } finally {
    load.stop();
    await yard.close({ timeoutMs: 5_000 });
    await cast.close();
  }
}

function failovers(cluster: RedisCluster): void {
  it("a killed master is replaced by its replica, and the other shards do not wait for it", {
    timeout: TEST_MS,
  }, async () => {
    await underLoad(cluster, async ({ load, slotOf }) => {
      for (const shard of [1, 0]) {
        const slot = slotOf(shard);
        const [master, replica] = [await masterOf(cluster, slot), await replicaOf(cluster, slot)];
        await replica.cli("config", "set", "cluster-replica-no-failover", "yes");
        await stillAndCopied(master, replica);
        await master.kill();
        // Who is present is kept with shard 0: while that is away, workers start nothing new.
        if (shard !== 0) await load.goesOn([0, 2], SOME, SOON_MS);
        await replica.cli("config", "set", "cluster-replica-no-failover", "no");
        await replica.until("role:master", "info", "replication");
        await load.goesOn(ALL, SOME, SOON_MS);
        await master.start();
        await master.until("master_link_status:up", "info", "replication");
        await agreedOn(cluster, slot, replica);
      }
    });
  });

  it("a master that hangs is replaced as well", { timeout: TEST_MS }, async () => {
    await underLoad(cluster, async ({ load, slotOf }) => {
      const slot = slotOf(0);
      const [master, replica] = [await masterOf(cluster, slot), await replicaOf(cluster, slot)];
      await stillAndCopied(master, replica);
      master.signal("SIGSTOP");
      try {
        await replica.until("role:master", "info", "replication");
        await load.goesOn(ALL, SOME, SOON_MS);
      } finally {
        master.signal("SIGCONT");
      }
      await master.until("master_link_status:up", "info", "replication");
      await agreedOn(cluster, slot, replica);
      await load.goesOn(ALL, SOME, SOON_MS);
    });
  });
}

function moves(cluster: RedisCluster): void {
  it("slots that move to another master lose nothing and do nothing twice", {
    timeout: TEST_MS,
  }, async () => {
    await underLoad(cluster, async ({ load, slotOf }) => {
      for (const [shard, order] of [
        [0, fenceFirst],
        [1, fenceLast],
      ] as const) {
        const slot = slotOf(shard);
        const to = await otherMaster(cluster, slot);
        await moveSlot(cluster, slot, { to, order, between: () => passed(BETWEEN_KEYS_MS) });
        await load.goesOn(ALL, SOME, SOON_MS);
        await agreedOn(cluster, slot, to);
      }
    });
  });

  it.each([
    ["first", fenceFirst],
    ["last", fenceLast],
  ] as const)(
    "a commit finds a slot whole or is refused whole, with the fence moved %s",
    async (_, order) => {
      await withEngines(await newYard(cluster), [systemHost], async ({ store, broker, url }) => {
        await broker.declare("mail", { durable: true });
        const lease = await store.acquire(0, "owner", TEST_MS);
        if (lease === null) throw new Error("The shard was not free.");
        await store.commit(lease, 1, [inserted(sampleTask(1))]);
        const slot = shardSlot(String(url), 0);
        const codes: string[] = [];
        await moveSlot(cluster, slot, {
          to: await otherMaster(cluster, slot),
          order,
          between: async () =>
            void codes.push(await codeOf(store.commit(lease, 2, [inserted(sampleTask(2))]))),
        });
        expect(codes.length).toBeGreaterThan(3);
        expect(new Set(codes)).toEqual(new Set(["STORE_UNAVAILABLE"]));
        await store.commit(lease, 2, [inserted(sampleTask(2))]);
        expect((await loadedIds(store)).sort()).toEqual([taskId(1), taskId(2)]);
        expect(await broker.mailboxes("")).toEqual(["mail"]);
      });
    },
  );

  it("nobody is absent whose names moved to a server that is known for long", async () => {
    let shiftMs = 0;
    const host: Host = { ...systemHost, monotonic: () => systemHost.monotonic() + shiftMs };
    await withEngines(await newYard(cluster), [systemHost, host], async (engine, other) => {
      const { broker, url } = engine;
      const absent = (): Promise<string[]> => other.broker.presence.absent(["worker:1"]);
      await broker.presence.hold("worker:1");
      expect(await absent()).toEqual([]);
      const slot = shardSlot(String(url), 0);
      await moveSlot(cluster, slot, { to: await otherMaster(cluster, slot) });
      shiftMs = 120_000;
      expect(await absent()).toEqual([]);
      // It learns of the move with its next command, and holds its name at the new server.
      await broker.mailboxes("");
      await engine.close({ timeoutMs: 1_000 });
      await vi.waitFor(async () => expect(await absent()).toEqual(["worker:1"]), PATIENCE);
    });
  });
}

async function withEngines(
  url: string,
  hosts: readonly Host[],
  test: (engine: Engine, other: Engine) => Promise<void>,
): Promise<void> {
  const engines = await Promise.all(hosts.map((host) => openEngine(url, host, { shards: SHARDS })));
  try {
    const [engine, other = engine] = engines;
    if (engine === undefined || other === undefined) throw new Error("No engine was opened.");
    await test(engine, other);
  } finally {
    for (const engine of engines) await engine.close({ timeoutMs: 1_000 });
  }
}

function fenceFirst(a: string, b: string): number {
  return Number(b.endsWith(":fence")) - Number(a.endsWith(":fence"));
}

function fenceLast(a: string, b: string): number {
  return fenceFirst(b, a);
}

await serverTests(
  "Redis Cluster with replicas",
  () => startRedisCluster({ replicas: 1, users: [LEAST], settings: SETTINGS }),
  (cluster) => {
    describe("a Redis Cluster under faults", () => {
      failovers(cluster);
      moves(cluster);
    });
  },
);
