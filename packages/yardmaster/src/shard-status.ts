import { answeredWithin } from "./deadline.ts";
import { controlLane, type Engine, submitLane } from "./engine.ts";
import type { ShardHealth } from "./health.ts";
import type { Host } from "./host.ts";

/** Who dispatches a shard, and what waits in its lanes. */
export interface ShardStatus extends ShardHealth {
  /** Frames that nobody has drained yet, of submissions and of everything else; null where the broker does not answer. */
  readonly submitLag: number | null;
  readonly controlLag: number | null;
}

/** More are not asked for one by one. */
const MAX_SHARDS = 256;
const ANSWER_MS = 5_000;

/** The first 256 shards, as store and broker know them; needs no dispatcher. */
export function shardStatusOf(engine: Engine, host: Host): Promise<ShardStatus[]> {
  const shards = Array.from({ length: Math.min(MAX_SHARDS, engine.shards) }, (_, shard) => shard);
  return Promise.all(shards.map((shard) => statusOf(engine, host, shard)));
}

async function statusOf({ store, broker }: Engine, host: Host, shard: number): Promise<ShardStatus> {
  const depth = (mailbox: string): Promise<number | null> =>
    answeredWithin(host, ANSWER_MS, broker.depth(mailbox)).catch(() => null);
  const [holder, submitLag, controlLag] = await Promise.all([
    answeredWithin(host, ANSWER_MS, store.holder(shard)),
    depth(submitLane(shard)),
    depth(controlLane(shard)),
  ]);
  if (holder === null) return { shard, owner: null, epoch: 0, lease: "none", submitLag, controlLag };
  const { owner, epoch, expired } = holder;
  return { shard, owner, epoch, lease: expired ? "over" : "held", submitLag, controlLag };
}
