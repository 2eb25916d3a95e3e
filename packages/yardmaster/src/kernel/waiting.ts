import type { Millis } from "../protocol/task.ts";
import { closedGate, enterRoom } from "./limits.ts";
import type { LiveTask } from "./live.ts";
import { isStored } from "./queues.ts";
import type { Shard } from "./shard.ts";
import { inMemoryBytesOf, keptBytesOf } from "./task-record.ts";

/** How long what a task waits for, and the parts of a graph, may be on their way. */
export const ARRIVAL_MS: Millis = 10 * 60_000;

/** Puts a new waiting task where its state says: on its timer or into its line. */
export function wait(shard: Shard, task: LiveTask, now: Millis): void {
  count(shard, task);
  if (task.state === "blocked") block(shard, task);
  else if (task.state === "scheduled") setTimer(shard, task);
  else joinLine(shard, task, now, false);
}

function block(shard: Shard, task: LiveTask): void {
  task.kind.line.queue.blocked++;
  shard.links.blocked++;
  shard.links.blockedBytes += inMemoryBytesOf(task);
  setTimer(shard, task);
}

/** A blocked task is none any more, or ends: its state is still to be changed. */
export function stopBlocking(shard: Shard, task: LiveTask): void {
  task.kind.line.queue.blocked--;
  shard.links.blocked--;
  shard.links.blockedBytes -= inMemoryBytesOf(task);
  shard.links.drop(task.id);
}

export function joinLine(shard: Shard, task: LiveTask, now: Millis, keepOrder: boolean): void {
  const { queue } = task.kind.line;
  if (task.terms !== null && (!queue.declared || queue.record.orderByDefault === true)) suit(shard, task);
  if (!keepOrder) shard.queues.number(task);
  const gate = task.kind.spec.limits === undefined ? null : closedGate(shard, task, now);
  if (gate === null) shard.queues.push(task);
  else enterRoom(shard, task, gate, now);
  if (task.details !== null) setTimer(shard, task);
}

/**
 * A queue whose order nobody has named is fair as soon as its tasks bring a fairness key; one that nobody has declared is
 * sticky with an affinity key.
 */
function suit(shard: Shard, { fairnessKey, affinityKey, kind }: LiveTask): void {
  const { queue } = kind.line;
  const { order, placement } = queue.record;
  const isFair = fairnessKey !== "" && order === "fifo";
  const isSticky = !queue.declared && affinityKey !== "" && placement === "two-choices";
  if (!isFair && !isSticky) return;
  shard.queues.configure(queue, {
    ...queue.record,
    order: isFair ? "fair" : order,
    placement: isSticky ? "sticky" : placement,
  });
  if (isStored(queue)) shard.journal.queue(queue);
}

/** Wakes a waiting task when it is due or expires, whichever is first. */
export function setTimer(shard: Shard, task: LiveTask): void {
  const { details } = task;
  if (details === null) return;
  const dueAt = task.state === "scheduled" ? details.runAt : Number.POSITIVE_INFINITY;
  const expiresAt = details.expiresAt > 0 ? details.expiresAt : Number.POSITIVE_INFINITY;
  const isAwaiting = task.state === "blocked" && shard.links.awaitedBy(task.id) !== null;
  const arrivesBy = isAwaiting ? task.accepted.at + ARRIVAL_MS : Number.POSITIVE_INFINITY;
  const at = Math.min(dueAt, expiresAt, arrivesBy);
  if (at === Number.POSITIVE_INFINITY) shard.timers.clear(details);
  else shard.timers.set(details, at);
}

export function count(shard: Shard, task: LiveTask): void {
  task.kind.live++;
  task.kind.line.queue.live++;
  shard.bytes += keptBytesOf(task);
}

/** Stops counting a task that leaves memory at the end of the tick. */
export function uncount(shard: Shard, task: LiveTask): void {
  task.kind.live--;
  task.kind.line.queue.live--;
  shard.bytes -= keptBytesOf(task);
}
