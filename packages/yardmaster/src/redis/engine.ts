import type { SendOutcome } from "../brokers/broker.ts";
import { outcomesOf, RedisBroker } from "../brokers/redis.ts";
import type { Engine, EngineReport, Tick } from "../engine.ts";
import type { Host } from "../host.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { RedisStore } from "../stores/redis.ts";
import { parseRedisUrl } from "./address.ts";
import { Dialer } from "./driver.ts";
import { type Facts, readFacts } from "./facts.ts";
import { textsIn } from "./replies.ts";
import { Servers } from "./servers.ts";

/** Opens a yard on a Redis server, behind Sentinels or on a Cluster: broker and store in one. */
export async function openRedisEngine(
  url: string,
  host: Host,
  options: { readonly shards: number },
): Promise<Engine> {
  const address = parseRedisUrl(url);
  const servers = new Servers(address, host, await Dialer.load(address, host));
  try {
    await servers.open();
    const facts = await readFacts(address, (args) => servers.call("STORE_UNAVAILABLE", 0, args));
    const shards = await shardsOf(servers, options.shards);
    await servers.openAll(shards);
    return createEngine(servers, shards, facts);
  } catch (error) {
    servers.close();
    throw error;
  }
}

function createEngine(servers: Servers, shards: number, facts: Facts): Engine {
  const broker = new RedisBroker(servers, shards);
  const store = new RedisStore(servers, shards);

  const commit = async ({ lease, sequence, changes, sends, acks }: Tick): Promise<SendOutcome[]> => {
    const [own, otherSends, otherAcks] = broker.split(lease.shard, sends, acks);
    const gone = await store.commitTick(lease, sequence, changes, own);
    if (otherSends.length === 0 && otherAcks.length === 0) return outcomesOf(sends, gone);
    // On a Cluster, what is not the shard's own follows as it does with two engines.
    const others = await broker.send(otherSends, otherAcks);
    const owns = outcomesOf(
      sends.filter((send) => !otherSends.includes(send)),
      gone,
    );
    return sends.map((send) => (otherSends.includes(send) ? others.shift() : owns.shift()) ?? "gone");
  };

  let isOpen = true;
  return {
    broker,
    store,
    shards,
    commitsAside: true,
    url: servers.address.url,
    commit,
    report: () => [reportOf(servers, broker, facts)],
    close: async () => {
      if (!isOpen) return;
      isOpen = false;
      broker.close();
      servers.close();
    },
  };
}

function reportOf(
  servers: Servers,
  broker: RedisBroker,
  { version, durability, warnings }: Facts,
): EngineReport {
  const trouble = servers.trouble ?? broker.trouble;
  const kind = { single: "Redis", cluster: "Redis Cluster", sentinel: "Redis behind Sentinels" }[
    servers.address.kind
  ];
  return {
    engine: `${kind} ${version} at ${servers.address.shown}`,
    isUp: trouble === null,
    trouble,
    durability,
    warnings,
  };
}

/** How many shards the yard has; whoever opens it first decides. */
async function shardsOf(servers: Servers, wanted: number): Promise<number> {
  const key = servers.keys.key(0, "meta");
  const call = (args: readonly string[]): Promise<unknown> => servers.call("STORE_UNAVAILABLE", 0, args);
  const read = async (): Promise<string[]> => textsIn(await call(["HMGET", key, "shards", "layout"]));
  let [shards = "", layout = ""] = await read();
  if (shards === "") {
    await call(["HSETNX", key, "shards", String(wanted)]);
    await call(["HSETNX", key, "layout", String(LAYOUT)]);
    [shards = "", layout = ""] = await read();
  }
  if (layout !== "" && Number(layout) > LAYOUT) {
    throw new YardmasterError(
      "UNSUPPORTED_VERSION",
      `The yard "${servers.address.yard}" at ${servers.address.shown} has layout ${layout}, and this Yardmaster knows up to ${LAYOUT}: update it.`,
    );
  }
  return Number(shards);
}

const LAYOUT = 1;
