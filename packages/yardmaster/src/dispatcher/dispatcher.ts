import { endedWithin } from "../deadline.ts";
import { controlLane, submitLane } from "../engine.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { randomId } from "../protocol/ids.ts";
import type { Lease } from "../stores/store.ts";
import { Balance } from "./balance.ts";
import { type PostOptions, RELEASE_MS, ShardPost } from "./shard-post.ts";

export interface DispatcherOptions extends PostOptions {
  /** Random for each boot by default; never a host name. */
  readonly owner?: string;
}

/** A running dispatcher. */
export interface Dispatcher {
  readonly owner: string;
  /** The shards that it owns at the moment, with their epochs. */
  owned(): readonly Lease[];
  /** Gives up its shards after the present tick. Always settles; throws TIMED_OUT_CLOSING when that took too long. */
  close(options?: { readonly timeoutMs?: number }): Promise<void>;
}

/**
 * Starts a dispatcher: it owns what shards it can get, stands by for the others, and shares with who comes later.
 *
 * Resolves once it is known to the engine and has tried for each shard.
 */
export async function startDispatcherOn(options: DispatcherOptions): Promise<Dispatcher> {
  const { engine, host } = options;
  const owner = options.owner ?? randomId(host);
  const release = await engine.broker.presence.hold(`dispatcher:${owner}`);
  try {
    for (let shard = 0; shard < engine.shards; shard++) {
      await engine.broker.declare(controlLane(shard), { durable: false });
      await engine.broker.declare(submitLane(shard), { durable: true });
    }
  } catch (error) {
    await endedWithin(host, RELEASE_MS, release());
    throw error;
  }
  const posts = Array.from(
    { length: engine.shards },
    (_, shard) => new ShardPost(shard, owner, options, (post, handover) => balance.asked(post, handover)),
  );
  const balance = new Balance({ broker: engine.broker, host, owner, posts });
  const runs = posts.map((post) => post.run());
  await Promise.all(posts.map((post) => post.tried));
  return {
    owner,
    owned: () => posts.flatMap((post) => (post.lease === null ? [] : [post.lease])),
    async close({ timeoutMs = 10_000 } = {}) {
      balance.close();
      for (const post of posts) post.close();
      const isEnded = await endedWithin(host, timeoutMs, Promise.all(runs));
      // Also when it is not: standbys need not wait for the leases' end, and the fence protects.
      const released = endedWithin(host, RELEASE_MS, release());
      if (!isEnded) {
        const message = "The dispatcher did not give up its shards in time: the engine does not answer.";
        throw new YardmasterError("TIMED_OUT_CLOSING", message);
      }
      await released;
    },
  };
}
