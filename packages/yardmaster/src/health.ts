import { answeredWithin } from "./deadline.ts";
import { controlLane, type Engine, type EngineReport } from "./engine.ts";
import type { Host } from "./host.ts";
import { messageOf } from "./protocol/errors.ts";

/** How a yard is, from where this process stands. */
export interface Health {
  /** Every engine is up, and broker and store have answered just now. */
  readonly isUp: boolean;
  /** What each engine says of itself: two where broker and store are different ones. */
  readonly engines: readonly EngineReport[];
  readonly broker: Answer;
  readonly store: Answer;
  /** Who dispatches; empty when the store did not answer. */
  readonly shards: readonly ShardHealth[];
  /** The version of Node.js, such as "24.21.0". */
  readonly node: string;
}

/** Whether a question was answered just now, and how fast. */
export interface Answer {
  readonly isUp: boolean;
  readonly tookMs: number;
  /** Why there was no answer; null when there was one. */
  readonly trouble: string | null;
}

/** Who serves a shard. */
export interface ShardHealth {
  readonly shard: number;
  /** The dispatcher that holds or last held it; null when none ever did. */
  readonly owner: string | null;
  readonly epoch: number;
  /** `none`: nobody ever had it. `over`: whoever had it let it go or lost it, and no dispatcher has taken it since. */
  readonly lease: "held" | "over" | "none";
}

const ANSWER_MS = 5_000;

/** Asks the engine's two halves something small. Never throws; settles within seconds, whatever the engine does. */
export async function healthOf(engine: Engine, host: Host): Promise<Health> {
  let shards: readonly ShardHealth[] = [];
  const [broker, store] = await Promise.all([
    ask(host, () => engine.broker.depth(controlLane(0))),
    ask(host, async () => {
      shards = await shardsOf(engine);
    }),
  ]);
  const engines = engine.report();
  const isUp = broker.isUp && store.isUp && engines.every((report) => report.isUp);
  return { isUp, engines, broker, store, shards, node: process.versions.node };
}

async function shardsOf({ store, shards }: Engine): Promise<ShardHealth[]> {
  const found: ShardHealth[] = [];
  for (let shard = 0; shard < shards; shard += 1) {
    const holder = await store.holder(shard);
    if (holder === null) found.push({ shard, owner: null, epoch: 0, lease: "none" });
    else {
      const { owner, epoch, expired } = holder;
      found.push({ shard, owner, epoch, lease: expired ? "over" : "held" });
    }
  }
  return found;
}

async function ask(host: Host, question: () => Promise<unknown>): Promise<Answer> {
  const askedAt = host.monotonic();
  const tookMs = (): number => Number((host.monotonic() - askedAt).toFixed(1));
  try {
    await answeredWithin(host, ANSWER_MS, question());
    return { isUp: true, tookMs: tookMs(), trouble: null };
  } catch (error) {
    return { isUp: false, tookMs: tookMs(), trouble: messageOf(error) };
  }
}
