import type { LiveTask } from "./live.ts";
import type { Shard } from "./shard.ts";
import { detailsOf } from "./task-record.ts";

/** How far up a new task is told of outside graphs: a row that is built one by one must not cost a square. */
const MOST_STEPS = 100;

/** Whether anybody asks how long a path is. */
export function isByPath(tasks: Iterable<LiveTask>): boolean {
  for (const { kind } of tasks) if (kind.line.queue.record.order === "critical-path") return true;
  return false;
}

/** Finds for each task, by what its definition is expected to take, how long the longest row behind it is. */
export function measurePaths(shard: Shard, tasks: Iterable<LiveTask>): void {
  const met = new Set<LiveTask>();
  const measured = new Set<LiveTask>();
  for (const first of tasks) {
    const open: LiveTask[] = [first];
    for (let task = open.at(-1); task !== undefined; task = open.at(-1)) {
      // Met for the first time, those behind it go first; for the second, they are measured.
      if (met.has(task)) {
        open.pop();
        if (!measured.has(task)) measure(shard, task);
        measured.add(task);
      } else {
        met.add(task);
        for (const dependent of dependentsOf(shard, task)) if (!met.has(dependent)) open.push(dependent);
      }
    }
  }
}

/** A new task lengthens the paths of those that it waits for, and of those before them. */
export function lengthenPaths(shard: Shard, task: LiveTask): void {
  const dependencies = Array.from(shard.links.dependenciesOf(task.id), (id) => shard.tasks.get(id));
  if (!isByPath(dependencies.filter((one) => one !== undefined))) return;
  let tasks: LiveTask[] = [task];
  for (let step = 0; step < MOST_STEPS && tasks.length > 0; step++) {
    const before: LiveTask[] = [];
    for (const one of tasks)
      for (const id of shard.links.dependenciesOf(one.id)) {
        const dependency = shard.tasks.get(id);
        if (dependency === undefined || dependency.pathMs >= one.pathMs + one.expectedMs) continue;
        if (setPath(shard, dependency, one.pathMs + one.expectedMs)) before.push(dependency);
      }
    tasks = before;
  }
}

function measure(shard: Shard, task: LiveTask): void {
  let longest = 0;
  for (const { pathMs, expectedMs } of dependentsOf(shard, task))
    longest = Math.max(longest, pathMs + expectedMs);
  if (longest !== task.pathMs) setPath(shard, task, longest);
}

/** A task in a line takes its new place there. What a limit keeps waiting, or a worker has, stays as it is. */
function setPath(shard: Shard, task: LiveTask, pathMs: number): boolean {
  if (task.gate !== null || task.last?.worker != null) return false;
  const isInLine = task.slot !== -1;
  if (isInLine) shard.queues.remove(task);
  detailsOf(task).pathMs = pathMs;
  if (isInLine) shard.queues.push(task);
  return true;
}

function dependentsOf(shard: Shard, { id }: LiveTask): LiveTask[] {
  const dependents: LiveTask[] = [];
  for (const one of shard.links.dependentsOf(id)) {
    const task = shard.tasks.get(one);
    if (task !== undefined) dependents.push(task);
  }
  return dependents;
}
