import type { ShardActivity } from "../protocol/activity.ts";
import type { Query } from "../protocol/envelope.ts";
import type { Explanation } from "../protocol/explanation.ts";
import type { ShardStats } from "../protocol/stats.ts";
import { type Chapter, storyOf } from "../protocol/story.ts";
import { isTerminal, type Millis, type QueueRecord } from "../protocol/task.ts";
import { viewActivity } from "./activity.ts";
import { explain } from "./explain.ts";
import { type GraphView, viewGraph, viewGraphs } from "./graph-views.ts";
import type { LiveTask, Queue, Worker } from "./live.ts";
import { type DeclaredSchedule, type ScheduleView, showSchedule, viewSchedule } from "./schedule-orders.ts";
import type { Shard } from "./shard.ts";
import { viewStats } from "./stats.ts";
import { recordOf } from "./task-record.ts";
import { type TaskView, viewTask } from "./task-view.ts";

interface QueueView extends QueueRecord {
  readonly scheduled: number;
  /** Waiting for other tasks, or for the rest of their graph. */
  readonly blocked: number;
  readonly ready: number;
  /** How many of those a limit of their definition keeps waiting. */
  readonly limited: number;
  /** Assigned or running. */
  readonly active: number;
  /** Ready in the store, because memory is full. */
  readonly parked: number;
}

interface WorkerView {
  readonly id: string;
  readonly credit: number;
  readonly used: number;
  readonly draining: boolean;
  /** False between a takeover and the worker's registration. */
  readonly registered: boolean;
  readonly lastHeardAt: Millis;
  readonly labels: Readonly<Record<string, string>>;
  /** What it offers this shard, and how much of that is in use. */
  readonly resources: Readonly<Record<string, number>>;
  readonly resourcesUsed: Readonly<Record<string, number>>;
  readonly tasks: readonly string[];
}

export type Answer =
  | TaskView
  | Explanation
  | readonly Chapter[]
  | null
  | readonly TaskView[]
  | readonly QueueView[]
  | readonly WorkerView[]
  | readonly ScheduleView[]
  | GraphView
  | readonly GraphView[]
  | DeclaredSchedule
  | ShardActivity
  | ShardStats;

/** Answers from memory; a task that is not there is null: the store may know it. */
export function answer(shard: Shard, query: Query, now: Millis): Answer {
  switch (query.type) {
    case "status": {
      const task = shard.tasks.get(query.id);
      return task === undefined ? null : viewTask(task);
    }
    case "explain": {
      const task = shard.tasks.get(query.id);
      return task === undefined ? null : explain(shard, task, now);
    }
    case "story": {
      const task = shard.tasks.get(query.id);
      return task === undefined ? null : storyOf(recordOf(task, isTerminal(task.state) ? now : 0));
    }
    case "list":
      return listTasks(shard, query);
    case "queues":
      return Array.from(shard.queues.all, viewQueue);
    case "stats":
      return viewStats(shard, now);
    case "graph":
      return viewGraph(shard, query);
    case "graphs":
      return viewGraphs(shard, query.limit);
    case "schedules":
      return Array.from(shard.schedules.all.values(), viewSchedule);
    case "schedule":
      return showSchedule(shard, query.name);
    case "activity":
      return viewActivity(shard, query.after, query.limit, now);
    case "workers":
      return Array.from(shard.roster.workers.values(), viewWorker);
    case "active": {
      const worker = shard.roster.workers.get(query.worker);
      return worker === undefined ? null : worker.held.map(({ task }) => viewTask(task));
    }
  }
}

/** The tasks with the smallest ids after a given one, in order. */
function listTasks(shard: Shard, query: Extract<Query, { type: "list" }>): TaskView[] {
  const { limit, after = "" } = query;
  let found: LiveTask[] = [];
  let last = "";
  for (const task of shard.tasks.values()) {
    if (task.id <= after || (last !== "" && task.id > last) || !matches(task, query)) continue;
    found.push(task);
    // Kept short, so that a long list in memory costs no long list here.
    if (found.length >= 2 * limit + 100) {
      found = firstById(found, limit);
      last = found.at(-1)?.id ?? "";
    }
  }
  return firstById(found, limit).map(viewTask);
}

function matches(task: LiveTask, { state, queue, name }: Extract<Query, { type: "list" }>): boolean {
  const { spec } = task.kind;
  return (
    (state === undefined || task.state === state) &&
    (queue === undefined || spec.queue === queue) &&
    (name === undefined || spec.name === name)
  );
}

function firstById(tasks: LiveTask[], limit: number): LiveTask[] {
  return tasks.sort((a, b) => (a.id < b.id ? -1 : 1)).slice(0, limit);
}

function viewQueue({ record, live, ready, limited, active, parked, blocked }: Queue): QueueView {
  const scheduled = live - ready - limited - active - blocked;
  return { ...record, scheduled, blocked, ready: ready + limited, limited, active, parked };
}

function viewWorker(worker: Worker): WorkerView {
  const { id, credit, draining, group, lastHeard, labels } = worker;
  const { offered, used } = worker.resources.view();
  const tasks = group === null ? [] : group.skills.map(({ name, version }) => `${name}@${version}`);
  return {
    id,
    credit,
    used: worker.used,
    draining,
    registered: group !== null,
    lastHeardAt: lastHeard,
    labels,
    resources: offered,
    resourcesUsed: used,
    tasks,
  };
}
