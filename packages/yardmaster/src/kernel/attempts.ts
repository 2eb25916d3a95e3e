import type { ByteString } from "../protocol/bytes.ts";
import type { Assign } from "../protocol/envelope.ts";
import { CONTACT_MS, INLINE_BYTES, type Millis } from "../protocol/task.ts";
import { becomeGhost, endGhost, giveBack } from "./ghosts.ts";
import { forgetLateness, watchLateness } from "./lateness.ts";
import { takePlace, useRates } from "./limits.ts";
import { Attempt, type Details, type LiveTask, type Worker } from "./live.ts";
import type { Shard } from "./shard.ts";
import { detailsOf, payloadBytesOf } from "./task-record.ts";

/** The kind of side rows that know a task's second attempt: its number, and where and since when it runs, as long as it does. */
export const SECOND_ROW = "second";

/** The worker ends an attempt at its timeout; this much later than timeout and grace it is ended without it. */
const TIMEOUT_MARGIN_MS = 2_000;

/** Gives a worker the next attempt of a task. */
export function assignTo(shard: Shard, task: LiveTask, worker: Worker, now: Millis): void {
  task.attempt++;
  if (task.details !== null && task.details.secondNumber > 0) leaveOutSecond(shard, task, task.details);
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
  watchLateness(shard, attempt);
  attempt.frame = sendAssign(shard, attempt, worker, task.details === null ? 0 : task.details.expiresAt);
}

/** A second attempt has had the next number. */
function leaveOutSecond(shard: Shard, task: LiveTask, details: Details): void {
  if (task.attempt <= details.secondNumber) {
    details.skipped += details.secondNumber + 1 - task.attempt;
    task.attempt = details.secondNumber + 1;
  }
  details.secondNumber = 0;
  shard.journal.side(SECOND_ROW, task.id, null);
}

/** Puts a task's next attempt into a worker's hands. */
export function hold(shard: Shard, worker: Worker, attempt: Attempt, now: Millis): void {
  const { line } = attempt.task.kind;
  attempt.task.last = attempt;
  line.queue.active++;
  line.active++;
  putInto(shard, worker, attempt, now);
}

/** As `hold`, of an attempt that runs beside another: its queue counts it as one that may still run. */
export function holdSecond(shard: Shard, worker: Worker, attempt: Attempt, now: Millis): void {
  const { task } = attempt;
  const details = detailsOf(task);
  attempt.isSecond = true;
  details.second = attempt;
  details.secondNumber = attempt.number;
  task.kind.line.queue.ghosts++;
  putInto(shard, worker, attempt, now);
}

/** The second attempt is the only one from now on. The first has been released. */
export function makeFirst(shard: Shard, second: Attempt): void {
  const { task } = second;
  const { line } = task.kind;
  const details = detailsOf(task);
  line.queue.ghosts--;
  line.queue.active++;
  line.active++;
  second.isSecond = false;
  details.second = null;
  details.secondNumber = 0;
  details.skipped += second.number - task.attempt;
  task.attempt = second.number;
  task.last = second;
  shard.journal.changed(task);
  shard.journal.side(SECOND_ROW, task.id, null);
}

function putInto(shard: Shard, worker: Worker, attempt: Attempt, now: Millis): void {
  attempt.worker = worker;
  attempt.heldSlot = worker.held.length;
  worker.held.push(attempt);
  const { line } = attempt.task.kind;
  const { queue } = line;
  shard.queues.start(queue, attempt);
  worker.resources.take(line.requirement.needs);
  takePlace(shard, attempt);
  restartDeadline(shard, attempt, now);
  shard.roster.loadChanged(worker);
}

export function restartDeadline(shard: Shard, attempt: Attempt, now: Millis): void {
  const { timeoutMs, graceMs } = attempt.task.kind.spec;
  attempt.overdueSince = 0;
  if (timeoutMs > 0) shard.timers.set(attempt, now + timeoutMs + graceMs + TIMEOUT_MARGIN_MS);
}

/**
 * Puts the timeout of an attempt off that nobody knows to have started, while its worker, which may be frozen, may still
 * start it when it goes on: the task could be cancelled meanwhile, and then it must not start any more. Not for longer
 * than a worker starts things by one contact, so that one that is only stalled loses the attempt in the end.
 */
export function putOffTimeout(shard: Shard, attempt: Attempt, now: Millis): boolean {
  if (attempt.hasStarted) return false;
  attempt.overdueSince ||= now;
  const until = Math.min(attempt.worker?.lastHeard ?? 0, attempt.overdueSince) + CONTACT_MS;
  if (until <= now) return false;
  shard.timers.set(attempt, until);
  return true;
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
  if (attempt.isSecond) queue.ghosts--;
  else {
    queue.active--;
    line.active--;
  }
  if (attempt.lateness !== null) forgetLateness(shard, attempt);
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
  becomeGhost(shard, worker, attempt);
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

/** Answers with the number of the frame. */
export function sendAssign(
  shard: Shard,
  { task, number }: Attempt,
  worker: Worker,
  expiresAt: Millis,
): number {
  const { spec } = task.kind;
  const payload = inlinePayload(task);
  const trace = task.terms?.trace;
  const assign: Assign = {
    type: "assign",
    id: task.id,
    attempt: number,
    name: spec.name,
    version: spec.version,
    attempts: spec.attempts,
    timeoutMs: spec.timeoutMs,
    graceMs: spec.graceMs,
    expiresAt,
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
