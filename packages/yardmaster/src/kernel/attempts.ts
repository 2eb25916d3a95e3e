import type { ByteString } from "../protocol/bytes.ts";
import type { Assign } from "../protocol/envelope.ts";
import { INLINE_BYTES, type Millis } from "../protocol/task.ts";
import { givePlaceBack, takePlace, useRates } from "./limits.ts";
import { Attempt, type LiveTask, type Worker } from "./live.ts";
import type { Shard } from "./shard.ts";
import { detailsOf, payloadBytesOf } from "./task-record.ts";

/** The worker ends an attempt at its timeout; this much later than timeout and grace it is ended without it. */
const TIMEOUT_MARGIN_MS = 2_000;

/** Gives a worker the next attempt of a task. */
export function assignTo(shard: Shard, task: LiveTask, worker: Worker, now: Millis): void {
  task.attempt++;
  // A worker that handed this attempt back may say so again: it must not mean the new one.
  const returnedBy = task.details === null ? "" : task.details.returnedBy;
  const skipped = returnedBy !== "" && (returnedBy === "*" || returnedBy === worker.id);
  if (skipped) {
    task.attempt++;
    detailsOf(task).skipped++;
  }
  const attempt = new Attempt(task, task.attempt, shard.epoch, worker.id, now);
  attempt.skipped = skipped;
  hold(shard, worker, attempt, now);
  useRates(shard, task, now);
  attempt.frame = sendAssign(shard, task, worker);
}

/** Puts an attempt into a worker's hands. */
export function hold(shard: Shard, worker: Worker, attempt: Attempt, now: Millis): void {
  attempt.worker = worker;
  attempt.heldSlot = worker.held.length;
  worker.held.push(attempt);
  attempt.task.last = attempt;
  const { line } = attempt.task.kind;
  const { queue } = line;
  queue.active++;
  line.active++;
  shard.queues.start(queue, attempt);
  worker.resources.take(line.requirement.needs);
  takePlace(shard, attempt);
  restartDeadline(shard, attempt, now);
  shard.roster.loadChanged(worker);
}

export function restartDeadline(shard: Shard, attempt: Attempt, now: Millis): void {
  const { timeoutMs, graceMs } = attempt.task.kind.spec;
  if (timeoutMs > 0) shard.timers.set(attempt, now + timeoutMs + graceMs + TIMEOUT_MARGIN_MS);
}

/** Takes an attempt out of its worker's hands, where it has held a slot for so long. */
export function release(shard: Shard, attempt: Attempt, usedMs: Millis): void {
  const { worker } = attempt;
  if (worker === null) return;
  // What was handed back has not run.
  if (usedMs > 0) shard.recent.add(attempt, attempt.assignedAt + usedMs);
  const last = worker.held.pop();
  if (last !== undefined && last !== attempt) {
    worker.held[attempt.heldSlot] = last;
    last.heldSlot = attempt.heldSlot;
  }
  attempt.worker = null;
  attempt.heldSlot = -1;
  const { line } = attempt.task.kind;
  const { queue } = line;
  queue.active--;
  line.active--;
  shard.queues.end(queue, attempt, usedMs);
  if (!attempt.isGhost) giveBack(shard, worker, attempt);
  shard.timers.clear(attempt);
  loadChanged(shard, worker);
}

/** How long an attempt has held its slot. One that ends at once has used something too: many of them are not free. */
export function usedMs(attempt: Attempt, now: Millis): Millis {
  return Math.max(1, now - attempt.assignedAt);
}

/** Ends an attempt that its worker may still run: it fills its slot until the worker says that it is gone. */
export function abandon(shard: Shard, attempt: Attempt, reason: "cancelled" | "timedOut", now: Millis): void {
  const { worker } = attempt;
  if (worker === null) return;
  const token = tokenOf(attempt.task.id, attempt.epoch, attempt.number);
  worker.ghosts.set(token, attempt.frame);
  worker.ghostAttempts.set(token, attempt);
  attempt.isGhost = true;
  attempt.task.kind.line.queue.ghosts++;
  release(shard, attempt, usedMs(attempt, now));
  abort(shard, worker, attempt, reason);
}

export function abort(
  shard: Shard,
  worker: Worker,
  attempt: Attempt,
  reason: "cancelled" | "timedOut",
): void {
  const { task, epoch, number } = attempt;
  shard.outbox.tell(worker.mailbox, { type: "abort", id: task.id, epoch, attempt: number, reason }, 0);
}

/** The worker is rid of an attempt that did not count any more. */
export function forgetGhost(shard: Shard, worker: Worker, token: string): void {
  const attempt = worker.ghostAttempts.get(token);
  worker.ghostAttempts.delete(token);
  if (attempt !== undefined) endGhost(shard, worker, attempt);
  if (worker.ghosts.delete(token)) loadChanged(shard, worker);
}

function endGhost(shard: Shard, worker: Worker, attempt: Attempt): void {
  attempt.task.kind.line.queue.ghosts--;
  giveBack(shard, worker, attempt);
}

/** What an attempt had of its worker and of its limits is free for the next one. */
function giveBack(shard: Shard, worker: Worker, attempt: Attempt): void {
  worker.resources.giveBack(attempt.task.kind.line.requirement.needs);
  givePlaceBack(shard, attempt);
}

export function tokenOf(id: string, epoch: number, attempt: number): string {
  return `${id} ${epoch} ${attempt}`;
}

/** A worker that has said goodbye is forgotten once it holds nothing. */
export function loadChanged(shard: Shard, worker: Worker): void {
  if (worker.leaving && worker.used === 0) forgetWorker(shard, worker);
  else shard.roster.loadChanged(worker);
}

export function forgetWorker(shard: Shard, worker: Worker): void {
  shard.roster.remove(worker);
  for (const attempt of worker.ghostAttempts.values()) endGhost(shard, worker, attempt);
  worker.ghostAttempts.clear();
  shard.timers.clear(worker.silence);
  shard.outbox.markDeparted(worker.mailbox);
}

function sendAssign(shard: Shard, task: LiveTask, worker: Worker): number {
  const { spec } = task.kind;
  const payload = inlinePayload(task);
  const trace = task.terms?.trace;
  const assign: Assign = {
    type: "assign",
    id: task.id,
    attempt: task.attempt,
    name: spec.name,
    version: spec.version,
    attempts: spec.attempts,
    timeoutMs: spec.timeoutMs,
    graceMs: spec.graceMs,
    expiresAt: task.details === null ? 0 : task.details.expiresAt,
    payload,
  };
  return shard.outbox.tell(
    worker.mailbox,
    trace === undefined ? assign : { ...assign, trace },
    payload === null ? 0 : payload.length,
  );
}

function inlinePayload(task: LiveTask): ByteString | null {
  const isElsewhere = payloadBytesOf(task) > INLINE_BYTES || task.details?.links?.fed === true;
  return isElsewhere ? null : task.payload;
}
