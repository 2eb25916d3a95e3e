import type { ShardActivity } from "../protocol/activity.ts";
import type { Query, StoredAnswer, StoredSearch } from "../protocol/envelope.ts";
import type { Explanation } from "../protocol/explanation.ts";
import type { ShardStats } from "../protocol/stats.ts";
import { type Chapter, storyOf } from "../protocol/story.ts";
import { isTerminal, type Millis, type QueueRecord } from "../protocol/task.ts";
import { viewActivity } from "./activity.ts";
import { explain } from "./explain.ts";
import { type GraphView, viewGraph, viewGraphs } from "./graph-views.ts";
import type { LiveTask, Queue, Worker } from "./live.ts";
import { byId } from "./live-order.ts";
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
  | ShardStats
  | StoredAnswer;

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
      return query.stored === undefined ? listTasks(shard, query) : searchStored(shard, query.stored, now);
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

/** Where nothing is parked, what waits is in memory and nowhere else, and nobody need be asked to look for it. */
function searchStored({ catalogue, parking }: Shard, search: StoredSearch, now: Millis): StoredAnswer {
  const isNone = parking.total === 0 && !search.states.some(isTerminal);
  return isNone ? { ids: [], horizon: "" } : catalogue.find(search, now);
}

/** The tasks with the smallest ids after a given one, in order; nothing is looked at where the counts say that none fits. */
function listTasks(shard: Shard, query: Extract<Query, { type: "list" }>): TaskView[] {
  const { limit, after = "", state } = query;
  if (!Array.from(shard.queues.all).some((one) => mayHave(one, query))) return [];
  if (state === "assigned" || state === "running") {
    const held = heldTasks(shard).filter((task) => task.id > after && matches(task, query));
    return held.sort(byId).slice(0, limit).map(viewTask);
  }
  const found: TaskView[] = [];
  for (const task of shard.order.from(after)) {
    if (found.length === limit) break;
    if (matches(task, query)) found.push(viewTask(task));
  }
  return found;
}

/** Each once, though two attempts of it may run. */
function heldTasks({ roster, tasks }: Shard): LiveTask[] {
  const held = new Set<LiveTask>();
  for (const worker of roster.workers.values())
    for (const { task } of worker.held) if (tasks.get(task.id) === task) held.add(task);
  return Array.from(held);
}

function mayHave(queue: Queue, query: Extract<Query, { type: "list" }>): boolean {
  if (query.queue !== undefined && query.queue !== queue.record.name) return false;
  if (query.name !== undefined && !queue.lines.some(({ skill }) => skill.name === query.name)) return false;
  const { scheduled, blocked, ready, active } = viewQueue(queue);
  switch (query.state) {
    case undefined:
      return queue.live > 0;
    case "scheduled":
      return scheduled > 0;
    case "blocked":
      return blocked > 0;
    case "ready":
      return ready > 0;
    case "assigned":
    case "running":
      return active > 0;
    default:
      return false;
  }
}

function matches(task: LiveTask, { state, queue, name }: Extract<Query, { type: "list" }>): boolean {
  const { spec } = task.kind;
  return (
    (state === undefined || task.state === state) &&
    (queue === undefined || spec.queue === queue) &&
    (name === undefined || spec.name === name)
  );
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
