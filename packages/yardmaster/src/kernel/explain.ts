import { type Explanation, type Why, whyEnded, withDoubt, withTick } from "../protocol/explanation.ts";
import { isTerminal, type Millis, type Rate } from "../protocol/task.ts";
import { DOUBTFUL } from "./admission.ts";
import { whyNoWorker } from "./explain-placement.ts";
import { opensAt } from "./gates.ts";
import { closedGate, countWaiting } from "./limits.ts";
import type { Gate, LiveTask, Pace, Places, Queue } from "./live.ts";
import { placeIn } from "./position.ts";
import type { Shard } from "./shard.ts";
import { isCancelRequested } from "./task-record.ts";

/** So many of the tasks that hold a limit are named. */
const NAMED_HOLDERS = 10;

export function explain(shard: Shard, task: LiveTask, now: Millis): Explanation {
  const { id, state, replyTo, details } = task;
  const isDoubtful = details?.code === DOUBTFUL && !isTerminal(state);
  const why = whyOf(shard, task, now);
  const whole = isDoubtful ? withDoubt(why, task.deadline, now) : why;
  return { id, state, ...withTick(whole, { key: details?.key ?? "", replyTo }) };
}

/** As `explain`, of a task that is the first of its line: nobody need count those before it. */
export function explainHead(shard: Shard, task: LiveTask, now: Millis): Explanation {
  const { id, state } = task;
  return { id, state, ...whyReady(shard, task, now, true) };
}

function whyOf(shard: Shard, task: LiveTask, now: Millis): Why {
  switch (task.state) {
    case "running":
    case "assigned":
      return whyActive(task);
    case "scheduled":
      return whyScheduled(shard, task, now);
    case "blocked":
      return whyBlocked(shard, task);
    case "ready":
      return whyReady(shard, task, now);
    default:
      return whyEnded({
        state: task.state,
        code: task.details?.code ?? "",
        error: task.details?.error ?? null,
      });
  }
}

function whyActive(task: LiveTask): Why {
  const { state, attempt, last } = task;
  const worker = last?.workerId ?? "";
  const data = { worker, attempt };
  if (isCancelRequested(task))
    return {
      reason: "cancelling",
      sentence: `A cancel waits for worker ${worker} to end attempt ${attempt}.`,
      data,
    };
  const second = task.details?.second ?? null;
  if (second !== null) {
    const { number, workerId } = second;
    const sentence = `Attempt ${attempt} runs on worker ${worker} and takes long: attempt ${number} runs beside it on worker ${workerId}.`;
    return {
      reason: "second-attempt",
      sentence,
      data: { ...data, second: { attempt: number, worker: workerId } },
    };
  }
  return state === "running"
    ? { reason: "running", sentence: `Attempt ${attempt} runs on worker ${worker}.`, data }
    : { reason: "assigned", sentence: `Attempt ${attempt} was given to worker ${worker}.`, data };
}

function whyScheduled(shard: Shard, task: LiveTask, now: Millis): Why {
  const { attempt, details, terms } = task;
  const { runAt = 0, deaths = 0, error = null } = details ?? {};
  const inMs = Math.max(0, runAt - now);
  if (isCancelRequested(task))
    return {
      reason: "cancelling",
      sentence: `A cancel waits: for ${inMs} ms more a worker that was lost may still start the task.`,
      data: { attempt, runAt, inMs },
    };
  if (attempt === 0 && terms?.replace !== undefined) {
    const { key, until } = terms.replace;
    const { name } = task.kind.spec;
    const sentence = `For ${inMs} ms more a later task of key ${key} of ${name} may take its place; then it is due.`;
    return { reason: "replaceable", sentence, data: { name, key, runAt, inMs, until } };
  }
  if (attempt === 0)
    return {
      reason: "delay",
      sentence: `The task is not due before ${inMs} ms from now.`,
      data: { runAt, inMs },
    };
  if (deaths >= shard.limits.quarantineDeaths)
    return {
      reason: "held-back",
      sentence: `Workers may have died of the task (${deaths}): in ${inMs} ms that is certain, unless they are heard.`,
      data: { attempt, deaths, runAt, inMs, error },
    };
  return {
    reason: "retry",
    sentence: `Attempt ${attempt} failed; the next one may start in ${inMs} ms.`,
    data: { attempt, runAt, inMs, error },
  };
}

function whyBlocked(shard: Shard, task: LiveTask): Why {
  const { links } = task.details ?? {};
  const graph = shard.links.graphs.get(links?.graph ?? "");
  if (graph?.isReleased === false) {
    const { id, members, arrived } = graph;
    const sentence = `Graph ${id} has ${arrived} of its ${members} tasks so far: none starts before all have arrived.`;
    return { reason: "graph-incomplete", sentence, data: { graph: id, members, arrived } };
  }
  const ids = [...shard.links.dependenciesOf(task.id)];
  const named = ids.slice(0, NAMED_HOLDERS);
  const shown = named.map((id) => `${id} (${shard.tasks.get(id)?.state ?? "parked"})`).join(", ");
  const more = ids.length > named.length ? ` and ${ids.length - named.length} more` : "";
  const of = links?.after.length ?? ids.length;
  const sentence = `Waiting for ${ids.length} of ${of} tasks to end: ${shown}${more}.`;
  const data = { waitsFor: named, left: ids.length, of, ifDependencyFails: links?.onFailure ?? "fail" };
  return { reason: "dependencies", sentence, data };
}

function whyReady(shard: Shard, task: LiveTask, now: Millis, isHead = false): Why {
  const { queue } = task.kind.line;
  if (queue.record.paused)
    return {
      reason: "queue-paused",
      sentence: `Queue ${queue.record.name} is paused.`,
      data: { ...placeIn(shard, task, isHead) },
    };
  const gate = task.gate ?? closedGate(shard, task, now);
  return (
    (gate === null ? null : whyLimited(gate, task, now)) ??
    whyQueueWaits(queue, now) ??
    whyNoWorker(shard, task, isHead)
  );
}

function whyLimited(gate: Gate, task: LiveTask, now: Millis): Why | null {
  const { limits } = task.kind.spec;
  if (limits === undefined) return null;
  if (gate.limits === "concurrency") return whyFull(gate, limits.concurrency);
  return limits.rate === null ? null : whyTooOften(gate, limits.rate, now);
}

function whyFull(places: Places, limit: number): Why {
  const { name, key, holders } = places;
  const ids = Array.from(holders, ({ task }) => task.id);
  const named = ids.slice(0, NAMED_HOLDERS);
  const more = ids.length > named.length ? ` and ${ids.length - named.length} more` : "";
  const whose = key === "" ? `the concurrency of ${name}` : `concurrency key ${key} of ${name}`;
  const data = { name, key, limit, held: ids.length, holders: named, waiting: countWaiting(places) };
  const sentence = `Waiting for ${whose} (${ids.length} of ${limit} held by ${named.join(", ")}${more}).`;
  return { reason: "concurrency", sentence, data };
}

function whyTooOften(pace: Pace, rate: Rate, now: Millis): Why {
  const { name, key } = pace;
  const at = opensAt(pace, rate, now);
  const inMs = Math.max(0, Math.ceil(at - now));
  const whose = key === "" ? `The rate of ${name}` : `The rate of key ${key} of ${name}`;
  const data = { name, key, ...rate, opensAt: at, inMs, waiting: countWaiting(pace) };
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
