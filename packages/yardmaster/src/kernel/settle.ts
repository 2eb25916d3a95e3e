import type { ByteString } from "../protocol/bytes.ts";
import type { Settled } from "../protocol/envelope.ts";
import {
  INLINE_BYTES,
  type Millis,
  type TaskError,
  type TaskId,
  type TaskRecord,
  type TerminalState,
} from "../protocol/task.ts";
import { release, usedMs } from "./attempts.ts";
import { leaveLine } from "./limits.ts";
import type { Graph, LiveTask } from "./live.ts";
import { dropSecond } from "./second-attempts.ts";
import type { Shard } from "./shard.ts";
import { detailsOf } from "./task-record.ts";
import { stopBlocking, uncount } from "./waiting.ts";

/** The size of a result that is known to exist and not how large it is: the client reads it from the store. */
const UNKNOWN_BYTES = 1;

export function succeed(shard: Shard, task: LiveTask, now: Millis, result: ByteString): void {
  if (task.details !== null) task.details.error = null;
  end(shard, task, now, "succeeded", result);
}

/** Ends a task in any other way than by success. */
export function stop(
  shard: Shard,
  task: LiveTask,
  now: Millis,
  state: Exclude<TerminalState, "succeeded">,
  error: TaskError,
): void {
  const details = detailsOf(task);
  details.code = error.code;
  details.error = error;
  end(shard, task, now, state, null);
}

/** Takes a task out of whatever keeps it: its line, its timer, its worker. */
export function detach(shard: Shard, task: LiveTask, now: Millis): void {
  if (task.slot !== -1) leaveLine(shard, task, now);
  if (task.details !== null) shard.timers.clear(task.details);
  if (task.last !== null) release(shard, task.last, usedMs(task.last, now));
  dropSecond(shard, task, now);
}

/** Keeps the record for as long as its spec says, and never shorter than a copy of the submission may travel. */
export function keepUntil(shard: Shard, state: TerminalState, spec: TaskRecord["spec"], now: Millis): Millis {
  const keepMs = state === "succeeded" ? spec.keepResultMs : spec.keepFailureMs;
  return now + Math.max(keepMs, shard.limits.minIdTtlMs);
}

/** What a finished record still says about its end; the result is in the store. */
export function settledFrom(record: TaskRecord, state: TerminalState): Settled {
  const resultBytes = state === "succeeded" ? UNKNOWN_BYTES : 0;
  return {
    type: "settled",
    id: record.id,
    state,
    code: record.code,
    attempt: record.attempt,
    result: null,
    resultBytes,
    error: record.error,
  };
}

function end(
  shard: Shard,
  task: LiveTask,
  now: Millis,
  state: TerminalState,
  result: ByteString | null,
): void {
  const runMs = task.last === null ? 0 : now - task.last.assignedAt;
  task.kind.line.queue.tally.ended(state, now - task.accepted.at, runMs);
  detach(shard, task, now);
  if (task.last !== null) shard.recent.endedAs(task.last, state);
  if (task.mark === "park") shard.parking.unparked(task.kind.line.queue, task.state === "ready");
  else uncount(shard, task);
  if (task.state === "blocked") stopBlocking(shard, task);
  task.state = state;
  noteTickEnd(shard, task.id);
  shard.replaceable.gone(task);
  shard.links.noteEnd(task.id, state);
  const graph = shard.links.noteMemberEnd(task, state);
  shard.journal.ended(task, result, keepUntil(shard, state, task.kind.spec, now), now);
  announce(shard, task, state, result);
  if (graph !== null) tellGraphCancelled(shard, graph);
}

/** Whoever cancelled a graph hears when nothing of it can start any more. */
export function tellGraphCancelled({ outbox }: Shard, { id, open, cancels }: Graph): void {
  if (open.size > 0) return;
  for (const { request, replyTo } of cancels.splice(0))
    outbox.tell(replyTo, { type: "cancelDone", request, id, state: "cancelled" }, 0);
}

/** A schedule may wait for the end of its last task: what it holds back is due at once. */
export function noteTickEnd({ schedules, timers, journal }: Shard, id: TaskId): void {
  const schedule = schedules.open.get(id);
  if (schedule === undefined) return;
  schedules.open.delete(id);
  schedule.isOpen = false;
  journal.scheduleMoved(schedule);
  if (schedule.held && !schedule.paused) timers.set(schedule, schedule.nextAt);
}

function announce(shard: Shard, task: LiveTask, state: TerminalState, result: ByteString | null): void {
  const { details } = task;
  const resultBytes = result === null ? 0 : result.length;
  const inline = resultBytes <= INLINE_BYTES ? result : null;
  const settled: Settled = {
    type: "settled",
    id: task.id,
    state,
    code: details === null ? "" : details.code,
    attempt: task.attempt,
    result: inline,
    resultBytes,
    error: details === null ? null : details.error,
  };
  shard.tellWatchers(task, settled, inline === null ? 0 : resultBytes);
  if (details === null) return;
  for (const { request, replyTo } of details.cancels) {
    shard.outbox.tell(replyTo, { type: "cancelDone", request, id: task.id, state }, 0);
  }
}
