import type { QueueOrder, WorkerOrder } from "../protocol/envelope.ts";
import type { Millis, QueueRecord } from "../protocol/task.ts";
import type { KernelEvent } from "./event.ts";
import { watchQueueRate } from "./limits.ts";
import type { Queue } from "./live.ts";
import { isStored } from "./queues.ts";
import { orderSchedule } from "./schedule-orders.ts";
import type { Shard } from "./shard.ts";

/** The kind of side rows that name the queues whose order nobody has named: a queue's record does not say so. */
export const DEFAULT_ORDER_ROW = "default-order";
/** What such a row says of a queue that was only paused or resumed: whoever declares it first settles all the rest. */
export const UNDECLARED_MARK = "undeclared";

/** A starting worker declares its queues: what was declared stays as it is. */
export function configureAbsent(shard: Shard, record: QueueRecord, now: Millis): void {
  if (!shard.queues.get(record.name).declared) apply(shard, record, now);
}

/** Carries out an order and answers it; the answer leaves with the commit. */
export function command(shard: Shard, event: Extract<KernelEvent, { type: "commanded" }>, now: Millis): void {
  const { request, replyTo } = event;
  shard.outbox.heardFrom(replyTo);
  if ("schedule" in event.command) {
    const { ok, value } = orderSchedule(shard, event.command, event, now);
    shard.outbox.tell(replyTo, { type: "reply", request, ok, value }, 0);
    return;
  }
  const value = overtaken(shard, event) ?? carryOut(shard, event.command, now);
  shard.outbox.tell(replyTo, { type: "reply", request, ok: value !== null, value }, 0);
}

/** The settings that stay, when this is a copy of a pause that comes after the resume its sender has ordered since. */
function overtaken(
  shard: Shard,
  { command: order, request, replyTo }: Extract<KernelEvent, { type: "commanded" }>,
): QueueRecord | null {
  if (order.type !== "pause" && order.type !== "resume") return null;
  const queue = shard.queues.get(order.queue);
  if (queue.orderedBy === replyTo && request < queue.order) return queue.record;
  queue.orderedBy = replyTo;
  queue.order = request;
  return null;
}

/** Null when what the order names does not exist. */
function carryOut(shard: Shard, order: QueueOrder | WorkerOrder, now: Millis): unknown {
  switch (order.type) {
    case "pause":
      return pause(shard, shard.queues.get(order.queue), true, now);
    case "resume":
      return pause(shard, shard.queues.get(order.queue), false, now);
    case "apply":
      return order.queues.map((queue) => apply(shard, queue, now));
    case "drain":
      return drain(shard, order);
    case "slots":
      return setSlots(shard, order);
  }
}

/** Whether a queue is paused belongs to who operates it, not to who declares it: an existing one stays as it is. */
function apply(shard: Shard, record: QueueRecord, now: Millis): QueueRecord {
  const queue = shard.queues.get(record.name);
  const paused = isStored(queue) ? queue.record.paused : record.paused;
  const order = record.orderByDefault && queue.record.orderByDefault ? queue.record.order : record.order;
  queue.declared = true;
  return configure(shard, queue, { ...record, order, paused, revision: queue.record.revision + 1 }, now);
}

function pause(shard: Shard, queue: Queue, paused: boolean, now: Millis): QueueRecord {
  return configure(shard, queue, { ...queue.record, paused, revision: queue.record.revision + 1 }, now);
}

function configure(shard: Shard, queue: Queue, record: QueueRecord, now: Millis): QueueRecord {
  const isByDefault = record.orderByDefault === true;
  const mark = queue.declared ? "1" : UNDECLARED_MARK;
  if (isByDefault || (isStored(queue) && queue.record.orderByDefault === true))
    shard.journal.side(DEFAULT_ORDER_ROW, record.name, isByDefault ? mark : null);
  shard.queues.configure(queue, record);
  watchQueueRate(shard, queue, now);
  shard.journal.queue(queue);
  return record;
}

/** The worker says what it made of it with its next registration: only then does its credit change here. */
function setSlots(shard: Shard, { worker: id, slots }: Extract<WorkerOrder, { type: "slots" }>): unknown {
  const worker = shard.roster.workers.get(id);
  if (worker === undefined) return null;
  shard.outbox.tell(worker.mailbox, { type: "slots", slots }, 0);
  return { worker: id, slots };
}

function drain(shard: Shard, { worker: id, withinMs }: Extract<WorkerOrder, { type: "drain" }>): unknown {
  const worker = shard.roster.workers.get(id);
  if (worker === undefined) return null;
  worker.draining = true;
  shard.roster.loadChanged(worker);
  const order = withinMs === undefined ? {} : { withinMs };
  shard.outbox.tell(worker.mailbox, { type: "drain", ...order }, 0);
  return { worker: id };
}
