import type { Millis, Rate, State, TaskId } from "../protocol/task.ts";
import { opensAt } from "./gates.ts";
import { closedGate } from "./limits.ts";
import type { Gate, LiveTask, Pace, Places, Queue } from "./live.ts";
import { usedCredit } from "./placement.ts";
import type { Shard } from "./shard.ts";

/** Why a task is not running, or that it is. */
type Reason =
  | "running"
  | "assigned"
  | "ended"
  | "retry"
  | "delay"
  | "concurrency"
  | "rate"
  | "queue-paused"
  | "queue-concurrency"
  | "queue-rate"
  | "unknown-name"
  | "no-willing-worker"
  | "workers-busy"
  | "next";

export interface Explanation {
  readonly id: TaskId;
  readonly state: State;
  readonly reason: Reason;
  readonly sentence: string;
  /** What the sentence says, as values; times are milliseconds. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** So many of the tasks that hold a limit are named. */
const NAMED_HOLDERS = 10;

type Why = Omit<Explanation, "id" | "state">;

export function explain(shard: Shard, task: LiveTask, now: Millis): Explanation {
  return { id: task.id, state: task.state, ...whyOf(shard, task, now) };
}

function whyOf(shard: Shard, task: LiveTask, now: Millis): Why {
  switch (task.state) {
    case "running":
    case "assigned":
      return whyActive(task);
    case "scheduled":
      return whyScheduled(task, now);
    case "ready":
      return whyReady(shard, task, now);
    default:
      return { reason: "ended", sentence: `The task has ended as ${task.state}.`, data: {} };
  }
}

function whyActive(task: LiveTask): Why {
  const { state, attempt, last } = task;
  const data = { worker: last?.workerId ?? "", attempt };
  return state === "running"
    ? { reason: "running", sentence: `Attempt ${attempt} runs on worker ${data.worker}.`, data }
    : { reason: "assigned", sentence: `Attempt ${attempt} was given to worker ${data.worker}.`, data };
}

function whyScheduled({ attempt, details }: LiveTask, now: Millis): Why {
  const runAt = details?.runAt ?? 0;
  const inMs = Math.max(0, runAt - now);
  return attempt > 0
    ? {
        reason: "retry",
        sentence: `Attempt ${attempt} failed; the next one may start in ${inMs} ms.`,
        data: { attempt, runAt, inMs, error: details?.error ?? null },
      }
    : { reason: "delay", sentence: `The task is not due before ${inMs} ms from now.`, data: { runAt, inMs } };
}

function whyReady(shard: Shard, task: LiveTask, now: Millis): Why {
  const { queue } = task.kind.line;
  if (queue.record.paused)
    return { reason: "queue-paused", sentence: `Queue ${queue.record.name} is paused.`, data: placeIn(task) };
  const gate = task.gate ?? closedGate(shard, task, now);
  return (
    (gate === null ? null : whyLimited(gate, task, now)) ??
    whyQueueWaits(queue, now) ??
    whyNoWorker(shard, task)
  );
}

function whyLimited(gate: Gate, task: LiveTask, now: Millis): Why | null {
  const { limits } = task.kind.spec;
  if (limits === undefined) return null;
  if (gate.limits === "concurrency") return whyFull(gate, limits.concurrency);
  return limits.rate === null ? null : whyTooOften(gate, limits.rate, now);
}

function whyFull(places: Places, limit: number): Why {
  const { name, key, holders, waiting } = places;
  const ids = Array.from(holders, ({ task }) => task.id);
  const named = ids.slice(0, NAMED_HOLDERS);
  const more = ids.length > named.length ? ` and ${ids.length - named.length} more` : "";
  const whose = key === "" ? `the concurrency of ${name}` : `concurrency key ${key} of ${name}`;
  const data = { name, key, limit, held: ids.length, holders: named, waiting: waiting?.size ?? 0 };
  const sentence = `Waiting for ${whose} (${ids.length} of ${limit} held by ${named.join(", ")}${more}).`;
  return { reason: "concurrency", sentence, data };
}

function whyTooOften(pace: Pace, rate: Rate, now: Millis): Why {
  const { name, key, waiting } = pace;
  const at = opensAt(pace, rate, now);
  const inMs = Math.max(0, Math.ceil(at - now));
  const whose = key === "" ? `The rate of ${name}` : `The rate of key ${key} of ${name}`;
  const data = { name, key, ...rate, opensAt: at, inMs, waiting: waiting?.size ?? 0 };
  return { reason: "rate", sentence: `${whose} allows the next start in ${inMs} ms.`, data };
}

function whyQueueWaits(queue: Queue, now: Millis): Why | null {
  const { record, settings, active, ghosts, pace } = queue;
  const { concurrency, rate } = settings;
  const queueName = record.name;
  const held = active + ghosts;
  if (concurrency > 0 && held >= concurrency) {
    const sentence = `Queue ${queueName} runs as many tasks as it may (${held} of ${concurrency}).`;
    return { reason: "queue-concurrency", sentence, data: { queue: queueName, limit: concurrency, held } };
  }
  if (rate === null || pace.slot === -1) return null;
  const inMs = Math.max(0, Math.ceil(pace.dueAt - now));
  const sentence = `The rate of queue ${queueName} allows the next start in ${inMs} ms.`;
  return { reason: "queue-rate", sentence, data: { queue: queueName, ...rate, opensAt: pace.dueAt, inMs } };
}

function whyNoWorker(shard: Shard, task: LiveTask): Why {
  const { name, version } = task.kind.spec;
  const { skill } = task.kind.line;
  const groups = shard.roster.candidates(skill);
  const what = version === 1 ? name : `${name} version ${version}`;
  if (groups.length === 0)
    return {
      reason: "unknown-name",
      sentence: `No connected worker knows ${what}.`,
      data: { name, version },
    };
  const workers = [...shard.roster.workers.values()].filter(
    ({ group }) => group !== null && groups.includes(group),
  );
  const willing = workers.filter(({ takesWork }) => takesWork);
  const data = { ...placeIn(task), workers: workers.length, willing: willing.length };
  if (willing.length === 0) {
    const sentence = `None of the ${workers.length} workers that know ${what} takes new work.`;
    return { reason: "no-willing-worker", sentence, data };
  }
  if (willing.some((worker) => usedCredit(worker) < worker.credit))
    return { reason: "next", sentence: "The task is handed out with the next tick.", data };
  const at = data.position === null ? "one" : `position about ${data.position}`;
  const sentence = `All ${willing.length} workers that know ${what} are busy; ${at} of ${data.ready} in queue ${data.queue}.`;
  return { reason: "workers-busy", sentence, data };
}

/** Where a task stands: only in a queue that is first come, first served can that be said without counting. */
function placeIn(task: LiveTask): { queue: string; ready: number; position: number | null } {
  const { queue, ordering } = task.kind.line;
  const first = queue.record.order === "fifo" ? ordering.peek() : undefined;
  const position =
    first === undefined ? null : Math.min(queue.ready, Math.max(1, task.order - first.order + 1));
  return { queue: queue.record.name, ready: queue.ready, position };
}
