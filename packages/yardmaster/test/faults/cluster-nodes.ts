import type { RedisCluster, RedisNode } from "../../../../servers/redis.ts";
import { slotOf } from "../../src/redis/keys.ts";

/** A node as the others know it. */
interface Known {
  readonly id: string;
  readonly node: RedisNode;
  /** Whose replica it is; "-" for a master. */
  readonly master: string;
  readonly ranges: readonly (readonly [from: number, to: number])[];
}

/** How long the rest of a Cluster may take to agree with what one node knows. */
const AGREED_MS = 20_000;

/** The slot of a shard's keys. */
export function shardSlot(url: string, shard: number): number {
  return slotOf(`{${new URL(url).searchParams.get("yard")}:${shard}}:`);
}

/** The address of a new yard whose shards are on a master each. */
export async function spreadYard(cluster: RedisCluster, shards: number): Promise<string> {
  for (;;) {
    const url = cluster.yardUrl();
    const owners = new Set<RedisNode>();
    for (let shard = 0; shard < shards; shard += 1) {
      owners.add(await masterOf(cluster, shardSlot(url, shard)));
    }
    if (owners.size === shards) return url;
  }
}

export async function masterOf(cluster: RedisCluster, slot: number): Promise<RedisNode> {
  return (await knownMaster(cluster, slot)).node;
}

/** The first replica of a slot's master. */
export async function replicaOf(cluster: RedisCluster, slot: number): Promise<RedisNode> {
  const { id } = await knownMaster(cluster, slot);
  const replica = (await known(cluster)).find(({ master }) => master === id);
  if (replica === undefined) throw new Error(`The master of slot ${slot} has no replica.`);
  return replica.node;
}

/** Another master than that of a slot. */
export async function otherMaster(cluster: RedisCluster, slot: number): Promise<RedisNode> {
  const { id } = await knownMaster(cluster, slot);
  const other = (await known(cluster)).find((each) => each.master === "-" && each.id !== id);
  if (other === undefined) throw new Error("There is one master only.");
  return other.node;
}

/**
 * Lets a master write nothing more, and its replica have all that it has written: what was confirmed up to now outlives
 * the master, and what was asked of it meanwhile is never answered.
 */
export async function stillAndCopied(master: RedisNode, replica: RedisNode): Promise<void> {
  await master.cli("client", "pause", "20000", "write");
  const written = await offsetOf(master, "master_repl_offset");
  await agreed(async () => (await offsetOf(replica, "slave_repl_offset")) >= written);
}

/** Moves a slot as `redis-cli --cluster reshard` does, key by key. `between` is called before each key and at the end. */
export async function moveSlot(
  cluster: RedisCluster,
  slot: number,
  options: {
    readonly to: RedisNode;
    /** The order of the keys; default the server's. */
    readonly order?: (a: string, b: string) => number;
    readonly between?: (moved: number) => Promise<void>;
  },
): Promise<void> {
  const { to, order = () => 0, between = async () => undefined } = options;
  const from = await masterOf(cluster, slot);
  const [source, target] = [await from.cli("cluster", "myid"), await to.cli("cluster", "myid")];
  const say = async (node: RedisNode, ...args: string[]): Promise<void> => {
    const answer = (await node.cli(...args)).trim();
    if (answer !== "OK" && answer !== "NOKEY") throw new Error(`${args.join(" ")}: ${answer}`);
  };
  await say(to, "cluster", "setslot", `${slot}`, "importing", source.trim());
  await say(from, "cluster", "setslot", `${slot}`, "migrating", target.trim());
  for (let moved = 0; ; moved += 1) {
    await between(moved);
    const keys = (await from.cli("cluster", "getkeysinslot", `${slot}`, "1000")).trim().split("\n");
    const [key = ""] = keys.sort(order);
    if (key === "") break;
    await say(from, "migrate", "127.0.0.1", `${to.port}`, key, "0", "5000");
  }
  for (const node of [to, from]) await say(node, "cluster", "setslot", `${slot}`, "node", target.trim());
}

/** Resolves when all nodes that live name the same master of a slot. */
export async function agreedOn(cluster: RedisCluster, slot: number, master: RedisNode): Promise<void> {
  await agreed(async () => {
    const views = cluster.nodes.map(async (node) => await viewOf(cluster, node));
    const owners = (await Promise.all(views)).map((view) => view.find((each) => owns(each, slot))?.node);
    return owners.every((owner) => owner === master);
  });
}

async function agreed(isSo: () => Promise<boolean>): Promise<void> {
  const until = Date.now() + AGREED_MS;
  while (!(await isSo().catch(() => false))) {
    if (Date.now() > until) throw new Error(`The Cluster is not where it should be after ${AGREED_MS} ms.`);
  }
}

async function offsetOf(node: RedisNode, field: string): Promise<number> {
  const offset = new RegExp(`^${field}:(\\d+)`, "m").exec(await node.cli("info", "replication"))?.[1];
  if (offset === undefined) throw new Error(`The server does not say ${field}.`);
  return Number(offset);
}

async function knownMaster(cluster: RedisCluster, slot: number): Promise<Known> {
  const found = (await known(cluster)).find((each) => owns(each, slot));
  if (found === undefined) throw new Error(`Nobody serves slot ${slot}.`);
  return found;
}

function owns({ ranges }: Known, slot: number): boolean {
  return ranges.some(([from, to]) => from <= slot && slot <= to);
}

/** As the first node that answers has it. */
async function known(cluster: RedisCluster): Promise<Known[]> {
  let failure: unknown;
  for (const node of cluster.nodes) {
    try {
      return await viewOf(cluster, node);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

async function viewOf(cluster: RedisCluster, asked: RedisNode): Promise<Known[]> {
  const lines = (await asked.cli("cluster", "nodes")).trim().split("\n");
  return lines.flatMap((line): Known[] => {
    const [id = "", address = "", , master = "", , , , ...slots] = line.split(" ");
    const port = Number(/:(\d+)@/.exec(address)?.[1]);
    const node = cluster.nodes.find((each) => each.port === port);
    if (node === undefined) return [];
    // Slots on their way are in brackets.
    const ranges = slots.filter((range) => /^\d/.test(range)).map(rangeOf);
    return [{ id, node, master, ranges }];
  });
}

function rangeOf(text: string): readonly [number, number] {
  const [from, to = from] = text.split("-").map(Number);
  return [from ?? 0, to ?? 0];
}
