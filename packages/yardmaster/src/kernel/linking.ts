import {
  isTerminal,
  type TaskError,
  type TaskId,
  type TaskLinks,
  type TaskRecord,
} from "../protocol/task.ts";
import type { LiveTask } from "./live.ts";
import type { Shard } from "./shard.ts";

/** What the store knows of tasks that are not in memory. */
export type StoredRecords = ReadonlyMap<TaskId, { readonly task: TaskRecord }>;

/** What a task has to wait for, as of now. */
interface Found {
  readonly id: TaskId;
  /** Null where nobody knows it. */
  readonly state: TaskRecord["state"] | null;
}

/**
 * Binds a new task to what it waits for. Answers why it cannot be taken, or null. What has ended already in a way that
 * its rule does not take is dealt with at the end of the tick, like what ends in it. What nobody knows may still be on
 * its way: lanes keep no order over a failover, and what was submitted in a transaction takes another one.
 */
export function bind(
  shard: Shard,
  task: LiveTask,
  links: TaskLinks,
  stored: StoredRecords | null,
): TaskError | null {
  if (links.after.includes(task.id)) return CYCLE;
  const wasAwaited = shard.links.awaited.has(task.id);
  shard.links.arrived(task.id);
  const graph = shard.links.graphs.get(links.graph) ?? null;
  for (const after of links.after) {
    const { id, state } = find(shard, after, stored);
    if (state !== null && isTerminal(state)) {
      if (state === "succeeded" || links.onFailure === "run-anyway") continue;
      shard.links.wait(task.id, id, false);
      shard.links.noteEnd(id, state);
    } else shard.links.wait(task.id, id, state === null);
    if (state === null && graph !== null) graph.hasForward = true;
  }
  if (!wasAwaited || graph !== null || !waitsForItself(shard, task.id)) return null;
  shard.links.drop(task.id);
  return CYCLE;
}

/** Only one that others waited for before it came can close a circle; a graph's are looked for when it is complete. */
function waitsForItself({ links }: Shard, id: TaskId): boolean {
  const reached = new Set(links.dependenciesOf(id));
  // Grows while it is walked.
  for (const one of reached) for (const next of links.dependenciesOf(one)) reached.add(next);
  return reached.has(id);
}

/** Somebody waits for an id that turns out to be a duplicate: for the first task, then. */
export function standFor(shard: Shard, id: TaskId, of: TaskId, stored: TaskRecord | null): void {
  if (!shard.links.awaited.has(id)) return;
  const state = shard.tasks.get(of)?.state ?? stored?.state ?? null;
  if (state !== null && isTerminal(state)) shard.links.noteEnd(id, state);
  else
    for (const dependent of shard.links.takeDependents(id)) shard.links.wait(dependent, of, state === null);
}

/** A duplicate stands for the first task. */
export function withFirsts(shard: Shard, links: TaskLinks, stored: StoredRecords | null): TaskLinks {
  const after = links.after.map((id) => find(shard, id, stored).id);
  return after.every((id, index) => id === links.after[index]) ? links : { ...links, after };
}

function find(shard: Shard, id: TaskId, stored: StoredRecords | null): Found {
  const live = shard.tasks.get(id);
  if (live !== undefined) return { id, state: live.state };
  const record = shard.journal.row(id) ?? stored?.get(id)?.task ?? null;
  if (record === null) return { id, state: null };
  return record.aliasOf === "" ? { id, state: record.state } : find(shard, record.aliasOf, stored);
}

export const CYCLE: TaskError = {
  code: "INVALID_GRAPH",
  message: "The task waits (after), at once or by way of others, for itself.",
  stack: "",
};

export function unknownError(id: TaskId): TaskError {
  const message = `Task ${id}, which it waits for (after), is not known.`;
  return { code: "DEPENDENCY_FAILED", message, stack: "" };
}
