import type { Millis, TaskId, TaskLinks, TerminalState } from "../protocol/task.ts";
import { EDGE_ROW } from "./graph-rows.ts";
import type { Journal } from "./journal.ts";
import { Graph, type LiveTask } from "./live.ts";

/** The value of an edge to a member of its graph that has not arrived. */
const AWAITED = "?";
const MAX_PAST = 100;

interface End {
  readonly id: TaskId;
  readonly state: TerminalState;
}

/**
 * Who waits for whom. What is still waited for is in rows of its own: a task's end deletes those that lead to it in
 * its own commit, and neither it nor its dependents' records need be looked at again to know who is free.
 */
export class Links {
  readonly graphs: Map<TaskId, Graph> = new Map();
  /** The last graphs that have ended, for who looks at them; the oldest first. */
  readonly past: Graph[] = [];
  /** What others wait for and nobody has seen yet. */
  readonly awaited: Set<TaskId> = new Set();
  /** What has ended and is waited for, and graphs that have all their members: dealt with at the end of the tick. */
  readonly ended: End[] = [];
  readonly complete: Graph[] = [];
  /** How many tasks are blocked, and their payload bytes. */
  blocked = 0;
  blockedBytes = 0;
  readonly #dependents = new Map<TaskId, Set<TaskId>>();
  readonly #dependencies = new Map<TaskId, Set<TaskId>>();
  readonly #journal: Journal;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /** Whether a new task has something to wait for. */
  isBlocked(task: LiveTask): boolean {
    const { links } = task.details ?? NO_DETAILS;
    if (links === null) return false;
    return this.#dependencies.has(task.id) || this.graphs.get(links.graph)?.isReleased === false;
  }

  /** What a task still waits for. */
  dependenciesOf(id: TaskId): ReadonlySet<TaskId> {
    return this.#dependencies.get(id) ?? NOBODY;
  }

  dependentsOf(id: TaskId): ReadonlySet<TaskId> {
    return this.#dependents.get(id) ?? NOBODY;
  }

  wait(dependent: TaskId, dependency: TaskId, isAwaited: boolean): void {
    this.#restore(dependent, dependency);
    if (isAwaited) this.awaited.add(dependency);
    this.#writeEdge(dependent, dependency, isAwaited ? AWAITED : "");
  }

  /** It is known now, so that those who wait for it need not fear that it never comes. */
  arrived(id: TaskId): void {
    if (!this.awaited.delete(id)) return;
    for (const dependent of this.dependentsOf(id)) this.#journal.side(EDGE_ROW, `${dependent}\n${id}`, "");
  }

  /** The first that it waits for and that has not arrived, or null. */
  awaitedBy(id: TaskId): TaskId | null {
    if (this.awaited.size === 0) return null;
    for (const dependency of this.dependenciesOf(id)) if (this.awaited.has(dependency)) return dependency;
    return null;
  }

  /** As `wait`, of what the store has. */
  restoreRow(key: string, value: string): void {
    const [dependent = "", dependency = ""] = key.split("\n");
    this.#restore(dependent, dependency);
    if (value === AWAITED) this.awaited.add(dependency);
  }

  /** Those who have waited for it wait no more. */
  takeDependents(dependency: TaskId): ReadonlySet<TaskId> {
    const dependents = this.dependentsOf(dependency);
    this.#dependents.delete(dependency);
    this.awaited.delete(dependency);
    for (const dependent of dependents) {
      removeFrom(this.#dependencies, dependent, dependency);
      this.#writeEdge(dependent, dependency, null);
    }
    return dependents;
  }

  /** It waits for nothing any more. */
  drop(dependent: TaskId): void {
    const dependencies = this.dependenciesOf(dependent);
    this.#dependencies.delete(dependent);
    for (const dependency of dependencies) {
      removeFrom(this.#dependents, dependency, dependent);
      if (!this.#dependents.has(dependency)) this.awaited.delete(dependency);
      this.#writeEdge(dependent, dependency, null);
    }
  }

  /** The graph of a member that arrives; null outside graphs. */
  join(task: LiveTask, { graph: id, members }: TaskLinks): Graph | null {
    if (id === "") return null;
    const graph = this.graphs.get(id) ?? new Graph(id, members, task.accepted.at);
    this.graphs.set(id, graph);
    this.arrived(task.id);
    graph.open.add(task);
    graph.arrived++;
    if (graph.arrived === graph.members) this.complete.push(graph);
    this.#journal.graphMoved(graph);
    return graph;
  }

  /** Whoever waits for it is told at the end of the tick, so that a long chain is no deep recursion. */
  noteEnd(id: TaskId, state: TerminalState): void {
    if (this.#dependents.has(id)) this.ended.push({ id, state });
  }

  noteMemberEnd(task: LiveTask, state: TerminalState): Graph | null {
    const graph = this.graphs.get(task.details?.links?.graph ?? "");
    if (graph?.open.delete(task) !== true) return null;
    graph.ended++;
    if (state !== "succeeded") graph.failed++;
    if (graph.ended === graph.members) {
      this.#forget(graph);
    } else this.#journal.graphMoved(graph);
    return graph;
  }

  /** What comes of a cancelled graph from now on is not known for one any more. */
  forgetClosed(now: Millis): void {
    for (const graph of this.graphs.values()) {
      if (graph.closedUntil === 0 || graph.closedUntil > now || graph.open.size > 0) continue;
      this.#forget(graph);
    }
  }

  #forget(graph: Graph): void {
    this.graphs.delete(graph.id);
    this.#journal.graphGone(graph);
    this.past.push(graph);
    if (this.past.length > MAX_PAST) this.past.shift();
  }

  #writeEdge(dependent: TaskId, dependency: TaskId, value: string | null): void {
    this.#journal.side(EDGE_ROW, `${dependent}\n${dependency}`, value);
  }

  #restore(dependent: TaskId, dependency: TaskId): void {
    addTo(this.#dependents, dependency, dependent);
    addTo(this.#dependencies, dependent, dependency);
  }
}

const NO_DETAILS = { links: null };
const NOBODY: ReadonlySet<TaskId> = new Set();

function addTo(map: Map<TaskId, Set<TaskId>>, key: TaskId, id: TaskId): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, new Set([id]));
  else known.add(id);
}

function removeFrom(map: Map<TaskId, Set<TaskId>>, key: TaskId, id: TaskId): void {
  const known = map.get(key);
  if (known?.delete(id) === true && known.size === 0) map.delete(key);
}
