import type { Query } from "../protocol/envelope.ts";
import { idAfter } from "../protocol/ids.ts";
import type { Millis, TaskId } from "../protocol/task.ts";
import type { Graph } from "./live.ts";
import type { Shard } from "./shard.ts";
import { type TaskView, viewTask } from "./task-view.ts";

/** How far a graph is, and those of its unfinished tasks that were asked for. */
export interface GraphView {
  readonly id: TaskId;
  readonly members: number;
  readonly arrived: number;
  readonly ended: number;
  /** Of those, how many in another way than by success. */
  readonly failed: number;
  readonly openedAt: Millis;
  /** It was cancelled, or stayed incomplete. */
  readonly closed: boolean;
  readonly tasks: readonly TaskView[];
}

/** Null for a graph that has ended, or that nobody knows. */
export function viewGraph(
  shard: Shard,
  { id, from, limit }: Extract<Query, { type: "graph" }>,
): GraphView | null {
  const { graphs, past } = shard.links;
  const graph = graphs.get(id) ?? past.find((one) => one.id === id);
  if (graph === undefined) return null;
  const tasks: TaskView[] = [];
  for (let place = from; place < Math.min(from + limit, graph.members); place++) {
    const task = shard.tasks.get(idAfter(id, place + 1));
    if (task?.details?.links?.graph === id) tasks.push(viewTask(task));
  }
  return summary(graph, tasks);
}

/** The newest first: open ones, and the last that have ended since this owner took over. */
export function viewGraphs({ links }: Shard, limit: number): GraphView[] {
  let found = [...links.past];
  for (const graph of links.graphs.values()) {
    found.push(graph);
    // Kept short, so that many graphs in memory cost no long list here.
    if (found.length >= 2 * limit + 100) found = newest(found, limit);
  }
  return newest(found, limit).map((graph) => summary(graph, []));
}

function newest(graphs: Graph[], limit: number): Graph[] {
  return graphs.sort((a, b) => (a.id < b.id ? 1 : -1)).slice(0, limit);
}

function summary(graph: Graph, tasks: readonly TaskView[]): GraphView {
  const { id, members, arrived, ended, failed, openedAt, closedUntil } = graph;
  return { id, members, arrived, ended, failed, openedAt, closed: closedUntil > 0, tasks };
}
