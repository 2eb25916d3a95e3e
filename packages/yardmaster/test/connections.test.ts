import { describe, expect, it, vi } from "vitest";
import { type EngineName, type Engines, startEngines } from "../../../servers/engines.ts";
import { FaultProxy } from "../../../servers/proxy.ts";
import { connect } from "../src/yard.ts";
import { type Actor, Cast } from "./faults/actors.ts";
import { work } from "./faults/fault-tasks.ts";
import { startedFor } from "./server-tests.ts";

/*
 * How many connections each kind of process has to each server of an engine, as docs/engines says: one for commands
 * and one that waits for news, and one more of a worker's heartbeat thread; to PostgreSQL beside another broker one, and
 * two of a dispatcher. RabbitMQ's tool takes seconds for each look: there each process has a proxy that counts.
 */
const ROLES = ["dispatcher", "worker", "client"] as const;
const BOTH = [2, 3, 2];
const CASES: readonly [EngineName, readonly (readonly number[])[]][] = [
  ["redis", [BOTH]],
  ["redis-cluster", [BOTH]],
  ["postgres", [BOTH]],
  ["redis+postgres", [BOTH, [2, 1, 1]]],
];
const TIMEOUT_MS = 240_000;
const PATIENCE = { timeout: 60_000, interval: 200 };

function connectionsTo({ servers }: Engines): Promise<number[]> {
  return Promise.all(servers.map((server) => server.connections()));
}

/** What two looks in a row agree on, once a process has died: a server notices it a moment later. */
async function fewerConnections(engines: Engines, before: readonly number[]): Promise<number[]> {
  const looks: string[] = [];
  return await vi.waitFor(async () => {
    const counts = await connectionsTo(engines);
    looks.push(JSON.stringify(counts));
    expect(counts[0]).toBeLessThan(before[0] ?? 0);
    expect(looks.slice(-2)).toEqual([looks.at(-1), looks.at(-1)]);
    return counts;
  }, PATIENCE);
}

describe("the connections of a process", () => {
  it.for(CASES)(
    "are as few on %s as its page says",
    { timeout: TIMEOUT_MS },
    async ([name, expected], context) => {
      const engines = await startedFor(context, () => startEngines(name));
      const cast = new Cast(engines.address());
      try {
        const dispatcher = await cast.start("dispatcher");
        const worker = await cast.start("worker");
        const client = await cast.start("producer", { rate: 20 });
        // Whatever is needed when there is work is there by then.
        await client.until(
          (messages) => messages.find((one) => one.type === "progress" && one.done > 40) ?? null,
        );
        const found: Record<string, number[]> = {};
        let before = await connectionsTo(engines);
        for (const [role, actor] of Object.entries({ client, worker, dispatcher })) {
          await actor.kill();
          const after = await fewerConnections(engines, before);
          found[role] = before.map((count, server) => count - (after[server] ?? 0));
          before = after;
        }
        const wanted = ROLES.map((role, index) => [role, expected.map((counts) => counts[index])]);
        expect({ ...found, left: before }).toEqual({
          ...Object.fromEntries(wanted),
          left: expected.map(() => 0),
        });
      } finally {
        await cast.close();
        await engines.stop();
      }
    },
  );

  it("are as few on rabbitmq as its page says", { timeout: TIMEOUT_MS }, async (context) => {
    const engines = await startedFor(context, () => startEngines("rabbitmq+redis"));
    const address = engines.address();
    if (typeof address === "string" || !("broker" in address))
      throw new Error("There is no broker to reach.");
    const cast = new Cast(address);
    const proxies: FaultProxy[] = [];
    try {
      let client: Actor | undefined;
      for (const role of ["dispatcher", "worker", "producer"] as const) {
        const broker = new URL(address.broker);
        const proxy = await FaultProxy.start(Number(broker.port));
        proxies.push(proxy);
        broker.port = String(proxy.port);
        client = await cast.start(role, { rate: 20, address: { ...address, broker: broker.href } });
      }
      await client?.until(
        (messages) => messages.find((one) => one.type === "progress" && one.done > 40) ?? null,
      );
      expect(proxies.map(({ connections }) => connections)).toEqual(BOTH);
    } finally {
      await cast.close();
      for (const proxy of proxies) await proxy.close();
      await engines.stop();
    }
  });

  it("are one for each master and one read for each shard on a Cluster", async (context) => {
    const engines = await startedFor(context, () => startEngines("redis-cluster"));
    const [masters, shards] = [3, 4];
    const yard = await connect(engines.address(), { shards });
    try {
      await yard.submit(work, { number: 1, until: "" });
      await vi.waitFor(async () => {
        const [count = 0] = await connectionsTo(engines);
        expect(count).toBeGreaterThan(shards);
        expect(count).toBeLessThanOrEqual(masters + shards);
      }, PATIENCE);
    } finally {
      await yard.close();
      await engines.stop();
    }
  });
});
