import type { GraphSummary } from "../protocol/activity.ts";
import type { TaskId } from "../protocol/task.ts";
import type { Graph } from "./live.ts";
import type { Shard } from "./shard.ts";

/** The graphs that have not ended, those that came last first. */
export function viewGraphs({ links }: Shard, limit: number): GraphSummary[] {
  const skipped = links.graphs.size - limit;
  const found: GraphSummary[] = [];
  let index = 0;
  for (const graph of links.graphs.values()) if (index++ >= skipped) found.push(summary(graph));
  return found.reverse();
}

/** What hangs on a graph or a task, as far as it is in memory. */
export interface GraphView {
  readonly graph: GraphSummary | null;
  /** Members that have not ended, or a task and those that wait for it, at most so many. */
  readonly ids: readonly TaskId[];
}

/** `id` is a graph's or a task's. */
export function viewGraph(shard: Shard, id: TaskId, limit: number): GraphView {
  const task = shard.tasks.get(id);
  const graph = shard.links.graphs.get(task?.details?.links?.graph ?? id);
  const ids = new Set<TaskId>();
  if (graph !== undefined)
    for (const member of graph.open) {
      if (ids.size === limit) break;
      ids.add(member.id);
    }
  const left = task === undefined ? [] : [id];
  for (let next = left.pop(); next !== undefined && ids.size < limit; next = left.pop()) {
    ids.add(next);
    for (const dependent of shard.links.dependentsOf(next)) {
      if (ids.size + left.length >= limit) break;
      if (!ids.has(dependent)) left.push(dependent);
    }
  }
  return { graph: graph === undefined ? null : summary(graph), ids: [...ids] };
}

function summary({ id, members, arrived, ended, failed, openedAt, closedUntil }: Graph): GraphSummary {
  return { id, members, arrived, ended, failed, openedAt, cancelled: closedUntil > 0 };
}
