import { shardOf } from "../protocol/ids.ts";
import { shardOfQueue } from "../protocol/shards.ts";
import type { Draft } from "./submission.ts";

/**
 * The shard that a submission goes to: that of its routing key where its queue is spread by one, else that of its
 * queue. A task that is run again goes where it was. Hot.
 */
export function shardOfDraft({ spec, route, retryOf }: Draft, shards: number): number {
  if (shards === 1) return 0;
  if (retryOf !== "") return shardOf(retryOf) % shards;
  return shardOfQueue(route ?? spec.queue, shards);
}
