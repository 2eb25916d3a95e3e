import type { Millis, TaskError, TaskId, TerminalState } from "../protocol/task.ts";
import { CYCLE, unknownError } from "./linking.ts";
import type { CancelWaiter, Graph, LiveTask } from "./live.ts";
import { isByPath, measurePaths } from "./paths.ts";
import { tellGraphCancelled } from "./settle.ts";
import type { Shard } from "./shard.ts";
import { happen } from "./transitions.ts";
import { ARRIVAL_MS, setTimer } from "./waiting.ts";

/**
 * Lets the ends of this tick reach whoever waited for them, in the same commit: a worklist, as a chain may be longer
 * than any stack.
 */
export function propagate(shard: Shard, now: Millis): void {
  const { complete, ended } = shard.links;
  for (const graph of complete.splice(0)) release(shard, graph, now);
  // Grows while it is walked.
  for (const { id, state } of ended) {
    for (const dependent of shard.links.takeDependents(id)) {
      const task = shard.tasks.get(dependent);
      if (task?.state === "blocked") dependencyEnded(shard, task, id, state, now);
    }
  }
  ended.length = 0;
}

function dependencyEnded(
  shard: Shard,
  task: LiveTask,
  dependency: TaskId,
  state: TerminalState,
  now: Millis,
): void {
  const rule = task.details?.links?.onFailure;
  if (state === "succeeded" || rule === "run-anyway") unblock(shard, task, now);
  else happen(shard, task, now, "orphaned", orphanError(dependency, state, rule === "skip"));
}

/** Lets a task go whose graph is complete and which waits for nobody. */
function unblock(shard: Shard, task: LiveTask, now: Millis): void {
  if (shard.links.dependenciesOf(task.id).size > 0 || isHeldBack(shard, task)) return;
  happen(shard, task, now, "unblocked", null);
}

function isHeldBack({ links }: Shard, task: LiveTask): boolean {
  return links.graphs.get(task.details?.links?.graph ?? "")?.isReleased === false;
}

/** All members have arrived: what waits for nobody starts, and what could never start ends. */
function release(shard: Shard, graph: Graph, now: Millis): void {
  shard.timers.clear(graph);
  graph.isReleased = true;
  for (const task of [...graph.open]) {
    const missing = task.state === "blocked" ? shard.links.awaitedBy(task.id) : null;
    if (missing !== null) happen(shard, task, now, "orphaned", unknownError(missing));
  }
  if (graph.hasForward)
    for (const task of unreachable(shard, graph)) happen(shard, task, now, "orphaned", CYCLE);
  if (isByPath(graph.open)) measurePaths(shard, graph.open);
  for (const task of [...graph.open]) if (task.state === "blocked") unblock(shard, task, now);
}

/** The members that wait in a circle or behind one: Kahn, "Topological sorting of large networks" (1962). */
function unreachable({ links, tasks }: Shard, graph: Graph): LiveTask[] {
  const left = new Map<LiveTask, number>();
  const free: LiveTask[] = [];
  for (const task of graph.open) {
    let inside = 0;
    for (const id of links.dependenciesOf(task.id)) {
      const other = tasks.get(id);
      if (other !== undefined && graph.open.has(other)) inside++;
    }
    if (inside === 0) free.push(task);
    else left.set(task, inside);
  }
  for (const task of free)
    for (const id of links.dependentsOf(task.id)) {
      const dependent = tasks.get(id);
      const count = dependent === undefined ? undefined : left.get(dependent);
      if (dependent === undefined || count === undefined) continue;
      if (count > 1) left.set(dependent, count - 1);
      else if (left.delete(dependent)) free.push(dependent);
    }
  return [...left.keys()].filter(({ state }) => state === "blocked");
}

/** What it waits for may have been on its way for too long. */
export function dependencyOverdue(shard: Shard, task: LiveTask, now: Millis): boolean {
  const missing = now < task.accepted.at + ARRIVAL_MS ? null : shard.links.awaitedBy(task.id);
  if (missing === null || isHeldBack(shard, task)) return false;
  happen(shard, task, now, "orphaned", unknownError(missing));
  return true;
}

/** Its parts have been on their way for too long. */
export function graphOverdue(shard: Shard, graph: Graph, now: Millis): void {
  const message = `Only ${graph.arrived} of the ${graph.members} tasks of graph ${graph.id} arrived within ten minutes.`;
  close(shard, graph, { code: "GRAPH_INCOMPLETE", message, stack: "" }, now);
}

/** Ends all members; the waiter is answered when none of them can start any more. */
export function cancelGraph(
  shard: Shard,
  graph: Graph,
  waiter: CancelWaiter,
  error: TaskError,
  now: Millis,
): void {
  graph.cancels.push(waiter);
  close(shard, graph, error, now);
}

function close(shard: Shard, graph: Graph, error: TaskError, now: Millis): void {
  shard.timers.clear(graph);
  graph.closedUntil = now + shard.limits.minIdTtlMs;
  shard.journal.graphMoved(graph);
  for (const task of [...graph.open]) happen(shard, task, now, "cancelled", error);
  tellGraphCancelled(shard, graph);
}

/** All is loaded: members know their graphs, and what its last dependency freed goes on. */
export function dependenciesRestored(shard: Shard, now: Millis): void {
  const { graphs, awaited } = shard.links;
  const hasForward = awaited.size > 0;
  for (const id of awaited) if (shard.tasks.has(id)) awaited.delete(id);
  for (const graph of graphs.values()) {
    graph.isReleased = graph.arrived >= graph.members;
    graph.hasForward = hasForward;
    if (!graph.isReleased && graph.closedUntil === 0) shard.timers.set(graph, graph.openedAt + ARRIVAL_MS);
  }
  if (shard.links.blocked > 0 && isByPath(shard.tasks.values())) measurePaths(shard, shard.tasks.values());
  for (const task of [...shard.tasks.values()]) {
    if (task.state !== "blocked") continue;
    setTimer(shard, task);
    unblock(shard, task, now);
  }
}

function orphanError(dependency: TaskId, state: TerminalState, isSkipped: boolean): TaskError {
  const message = `Task ${dependency}, which it waited for, ended as ${state}.`;
  return { code: isSkipped ? "SKIPPED" : "DEPENDENCY_FAILED", message, stack: "" };
}
