import type { AnyTask } from "../definition.ts";
import { shardOf } from "../protocol/ids.ts";
import { shardOfQueue } from "../protocol/shards.ts";
import { invalid } from "./plan-nodes.ts";
import type { Draft } from "./submission.ts";

/**
 * The shard that a submission goes to: that of its routing key where its queue is spread by one, else that of its
 * queue. A task that is run again, or that
 * waits for others, goes where those are. Hot.
 */
export function shardOfDraft({ spec, route, retryOf, links }: Draft, shards: number): number {
  if (shards === 1) return 0;
  if (links !== undefined) return shardOf(links.after[0] ?? links.graph) % shards;
  if (retryOf !== "") return shardOf(retryOf) % shards;
  return shardOfQueue(route ?? spec.queue, shards);
}

/** Throws INVALID_GRAPH where a queue's limits are counted in another shard than the one that the task must be in. */
export function checkHome({ spec, route }: Draft, task: AnyTask, shard: number, shards: number): void {
  if (shards === 1 || shardOfQueue(route ?? spec.queue, shards) === shard) return;
  const { settings } = task.queueDefinition ?? {};
  const isLimited = settings !== undefined && (settings.concurrency > 0 || settings.rate !== null);
  if (!isLimited && spec.limits === undefined) return;
  throw invalid(
    `${spec.name} must be in shard ${shard} with what it waits for, and the limits of its queue ${spec.queue} are counted in another`,
  );
}
