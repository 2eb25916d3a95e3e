import type { LiveTask } from "./live.ts";
import { ORDERINGS } from "./orderings.ts";
import type { Shard } from "./shard.ts";

/** In a longer line nobody counts. */
const MAX_COUNTED = 100_000;

interface Place {
  readonly queue: string;
  readonly ready: number;
  /** About; null where it would have to be counted in too long a line, or depends on what others will use. */
  readonly position: number | null;
}

/** Where a ready task stands in its queue. The head of a line is first of it, about. */
export function placeIn(shard: Shard, task: LiveTask, isHead: boolean): Place {
  const { queue } = task.kind.line;
  return { queue: queue.record.name, ready: queue.ready, position: isHead ? 1 : positionOf(shard, task) };
}

function positionOf(shard: Shard, task: LiveTask): number | null {
  const { queue, ordering } = task.kind.line;
  const { order } = queue.record;
  if (order === "fair") return null;
  if (order !== "fifo") return queue.ready > MAX_COUNTED ? null : 1 + countBefore(shard, task);
  const first = ordering.peek();
  return first === undefined ? null : Math.min(queue.ready, Math.max(1, task.order - first.order + 1));
}

function countBefore(shard: Shard, task: LiveTask): number {
  const { queue } = task.kind.line;
  const { before } = ORDERINGS[queue.record.order];
  let count = 0;
  for (const other of shard.tasks.values())
    if (
      other.slot !== -1 &&
      other.state === "ready" &&
      other.gate === null &&
      other.kind.line.queue === queue &&
      before(other, task, queue)
    )
      count++;
  return count;
}
