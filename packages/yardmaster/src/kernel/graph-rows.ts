import type { TaskId } from "../protocol/task.ts";
import { Graph } from "./live.ts";
import { rowNumbers } from "./row-text.ts";

/** A row for each task that waits and each that it waits for, and one for each graph. */
export const EDGE_ROW = "edge";
export const GRAPH_ROW = "graph";
const NUMBERS = 6;

/** How far a graph has come, in a row. */
export function graphText({ members, arrived, ended, failed, openedAt, closedUntil }: Graph): string {
  return [members, arrived, ended, failed, openedAt, closedUntil].join(" ");
}

export function readGraph(id: TaskId, text: string): Graph {
  const numbers = rowNumbers(text.split(" "), NUMBERS, "a graph");
  const [members = 0, arrived = 0, ended = 0, failed = 0, openedAt = 0, closedUntil = 0] = numbers;
  const graph = new Graph(id, members, openedAt);
  graph.arrived = arrived;
  graph.ended = ended;
  graph.failed = failed;
  graph.closedUntil = closedUntil;
  return graph;
}
