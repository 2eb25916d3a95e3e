import type { Outcome } from "../protocol/envelope.ts";
import type { Epoch, Millis, TaskError, TaskId } from "../protocol/task.ts";
import {
  abandon,
  holdSecond,
  makeFirst,
  putOffTimeout,
  release,
  restartDeadline,
  SECOND_ROW,
  sendAssign,
  usedMs,
} from "./attempts.ts";
import { forgetLateness } from "./lateness.ts";
import { closedGate, useRates } from "./limits.ts";
import { Attempt, type LiveTask, type Worker } from "./live.ts";
import type { Pool } from "./pool.ts";
import { mayStart } from "./queues.ts";
import { rowNumbers } from "./row-text.ts";
import type { Shard } from "./shard.ts";
import { detailsOf, isCancelRequested, rememberAttempt } from "./task-record.ts";

/*
 * A task whose attempt is late may have a second one beside it. Both are one try of the task: it fails when both have
 * failed, and the first success of any counts. The late one stays the task's `last`; if it ends without success, the
 * second takes its place.
 */

/** So many late attempts are looked at in a tick. */
const MOST_LOOKED_AT = 100;

/**
 * Joins late attempts by second ones in slots that no waiting task could use: M. Zaharia, A. Konwinski, A. Joseph,
 * R. Katz, I. Stoica, "Improving MapReduce Performance in Heterogeneous Environments", OSDI 2008. To be called when all
 * waiting tasks have been placed that can be.
 */
export function speculate(shard: Shard, now: Millis): void {
  // What is parked waits too, and is on its way into memory.
  if (shard.parking.total > 0) return;
  let looked = 0;
  for (const attempt of shard.late) {
    if (shard.roster.free === 0 || ++looked > MOST_LOOKED_AT) return;
    const worker = secondWorkerFor(shard, attempt, now);
    if (worker !== undefined) startSecond(shard, attempt, worker, now);
    else {
      // Others have their turn before it is looked at again.
      shard.late.delete(attempt);
      shard.late.add(attempt);
    }
  }
}

function secondWorkerFor(shard: Shard, { task, worker }: Attempt, now: Millis): Worker | undefined {
  const { line } = task.kind;
  const mayRun = task.state === "running" && !isCancelRequested(task) && mayStart(line.queue);
  if (!mayRun || worker === null || closedGate(shard, task, now) !== null) return undefined;
  return otherThan(worker, shard.roster.poolsOf(line));
}

/** A worker with room of the best tier that has another one. */
function otherThan(worker: Worker, pools: readonly Pool<Worker>[]): Worker | undefined {
  for (let tier = (pools[0]?.tiers.length ?? 0) - 1; tier >= 0; tier--) {
    for (const { tiers } of pools) {
      const seats = tiers[tier];
      if (seats === undefined) continue;
      // One of the first two is another one.
      for (let slot = 0; slot < Math.min(2, seats.size); slot++) {
        const other = seats.at(slot)?.worker;
        if (other !== undefined && other !== worker) return other;
      }
    }
  }
  return undefined;
}

function startSecond(shard: Shard, late: Attempt, worker: Worker, now: Millis): void {
  const { task } = late;
  forgetLateness(shard, late);
  const second = new Attempt(task, task.attempt + 1, shard.epoch, worker.id, now);
  holdSecond(shard, worker, second, now);
  useRates(shard, task, now);
  writeSecond(shard, second);
  // The task has started in time once.
  second.frame = sendAssign(shard, second, worker, 0);
}

function writeSecond(shard: Shard, { task, number, epoch, startedAt, workerId }: Attempt): void {
  shard.journal.side(SECOND_ROW, task.id, [number, epoch, Math.floor(startedAt), workerId].join(" "));
}

/** The second attempt that a worker speaks of, or null. */
export function secondOf(
  task: LiveTask,
  worker: Worker,
  token: { readonly attempt: number; readonly epoch?: Epoch },
): Attempt | null {
  const second = task.details === null ? null : task.details.second;
  if (second === null || second.worker !== worker || second.number !== token.attempt) return null;
  return token.epoch === undefined || token.epoch === second.epoch ? second : null;
}

/** The first attempt goes on alone. Another may not have the second one's number. */
export function endSecond(shard: Shard, second: Attempt, now: Millis): void {
  forgetSecond(shard, second);
  release(shard, second, usedMs(second, now));
}

/** As `endSecond`, where its worker may still run it. */
export function timeOutSecond(shard: Shard, second: Attempt, now: Millis): void {
  if (putOffTimeout(shard, second, now)) return;
  forgetSecond(shard, second);
  abandon(shard, second, "timedOut", now);
}

export function loseSecond(shard: Shard, second: Attempt, isDeath: boolean, now: Millis): void {
  if (isDeath) detailsOf(second.task).deaths++;
  shard.journal.changed(second.task);
  endSecond(shard, second, now);
}

function forgetSecond(shard: Shard, { task, number }: Attempt): void {
  detailsOf(task).second = null;
  shard.journal.side(SECOND_ROW, task.id, String(number));
}

/**
 * The first attempt has ended in another way than by success, and has been given up where its worker may still run it.
 * Where a second one runs, it takes its place, and that is all; answers whether there is one. `counts` says whether the
 * first one has used up a try.
 */
export function replaceBySecond(
  shard: Shard,
  task: LiveTask,
  now: Millis,
  error: TaskError,
  counts: boolean,
): boolean {
  const second = task.details === null ? null : task.details.second;
  if (second === null || task.last === null) return false;
  release(shard, task.last, usedMs(task.last, now));
  rememberAttempt(task, now, now, error);
  // A cancel's reason is kept there.
  if (!isCancelRequested(task)) detailsOf(task).error = error;
  second.standsIn = counts;
  // It has started in time once.
  if (counts) detailsOf(task).expiresAt = 0;
  makeFirst(shard, second);
  return true;
}

/** The second attempt was faster: it takes the first one's place, which is given up, and the success is its own. */
export function overtakeBySecond(shard: Shard, task: LiveTask, now: Millis, { attempt }: Outcome): void {
  if (task.last !== null) abandon(shard, task.last, "cancelled", now);
  const message = `Attempt ${attempt}, which ran beside it, has succeeded.`;
  replaceBySecond(shard, task, now, { code: "OVERTAKEN", message, stack: "" }, true);
}

/** The task has ended: nothing of a second attempt counts any more. */
export function dropSecond(shard: Shard, task: LiveTask, now: Millis): void {
  const { details } = task;
  if (details === null || details.secondNumber === 0) return;
  const { second } = details;
  details.second = null;
  details.secondNumber = 0;
  shard.journal.side(SECOND_ROW, task.id, null);
  if (second !== null) abandon(shard, second, "cancelled", now);
}

/** What the store says of a task's second attempt, once the task is in memory with its first one. */
export function restoreSecond(
  shard: Shard,
  task: LiveTask,
  workerOf: (id: string) => Worker,
  now: Millis,
): void {
  const text = shard.loadedSeconds.get(task.id);
  if (text === undefined) return;
  shard.loadedSeconds.delete(task.id);
  const words = text.split(" ");
  const numbers = rowNumbers(words, words.length === 1 ? 1 : 3, `the second attempt of ${task.id}`);
  const [number = 0, epoch = 0, startedAt = 0] = numbers;
  const worker = words.slice(3).join(" ");
  if (worker === "" || task.last?.worker == null) {
    detailsOf(task).secondNumber = number;
    return;
  }
  const second = new Attempt(task, number, epoch, worker, startedAt);
  second.restored = true;
  second.inherited = true;
  holdSecond(shard, workerOf(worker), second, now);
}

/** Rows of tasks that are not there mean nothing. */
export function secondsRestored({ loadedSeconds, journal }: Shard): void {
  for (const id of loadedSeconds.keys()) journal.side(SECOND_ROW, id as TaskId, null);
  loadedSeconds.clear();
}

/** A second attempt is known to run. */
export function secondStarted(shard: Shard, second: Attempt, startedAt: Millis, now: Millis): void {
  second.hasStarted = true;
  second.startedAt = startedAt;
  restartDeadline(shard, second, now);
}
