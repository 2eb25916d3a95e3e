import type { Millis } from "../protocol/task.ts";
import { dependencyOverdue, graphOverdue } from "./dependencies.ts";
import { silenceOver } from "./fleet.ts";
import { lookWhetherLate } from "./lateness.ts";
import { firstAllowed, openPace } from "./limits.ts";
import type { Details, LiveTask, Queue, Skill, Worker } from "./live.ts";
import { ORDERINGS } from "./orderings.ts";
import { hasOpen, PLACEMENTS, pick } from "./placement.ts";
import { endShortage, passOver, reserve } from "./reservation.ts";
import { speculate, timeOutSecond } from "./second-attempts.ts";
import { type LiveTimer, type Shard, SWEEP_EVERY_MS } from "./shard.ts";
import { fireSchedule } from "./tick-tasks.ts";
import { happen } from "./transitions.ts";
import { setTimer } from "./waiting.ts";

/** The most rows that a sweep deletes while little ends. */
const SWEEP_ROWS = 1_000;
/** So many schedules fire in one tick: the first of thousands need not wait for the commit of the last. */
const MOST_SCHEDULES = 500;
/** An expectation is written again when it has changed by this part. */
const NEWS = 0.1;

/** Lets happen whose time has come; of very many schedules the rest comes with the next call, which is due at once. */
export function fireDue(shard: Shard, now: Millis): void {
  for (let schedules = 0; schedules < MOST_SCHEDULES; ) {
    const timer = shard.timers.takeDue(now);
    if (timer === undefined) return;
    fire(shard, timer, now);
    if (timer.fires === "schedule") schedules++;
  }
}

function fire(shard: Shard, timer: LiveTimer, now: Millis): void {
  switch (timer.fires) {
    case "task":
      wake(shard, timer, now);
      return;
    case "attempt":
      if (timer.isSecond) timeOutSecond(shard, timer, now);
      else happen(shard, timer.task, now, "timedOut", null);
      return;
    case "lateness":
      lookWhetherLate(shard, timer, now);
      return;
    case "silence":
      silenceOver(shard, timer.worker, now);
      return;
    case "pace":
      openPace(shard, timer, now);
      return;
    case "schedule":
      fireSchedule(shard, timer, now);
      return;
    case "graph":
      graphOverdue(shard, timer, now);
      return;
    case "sweep":
      sweep(shard, now);
      return;
  }
}

function wake(shard: Shard, details: Details, now: Millis): void {
  const { task, expiresAt } = details;
  if (expiresAt > 0 && expiresAt <= now) happen(shard, task, now, "expired", null);
  else if (task.state === "scheduled") happen(shard, task, now, "due", null);
  else if (task.state !== "blocked" || !dependencyOverdue(shard, task, now)) setTimer(shard, task);
}

/** Deletes what is kept no longer, here and in the store. */
function sweep(shard: Shard, now: Millis): void {
  shard.timers.set(shard.sweep, now + SWEEP_EVERY_MS);
  shard.journal.sweep(now, SWEEP_ROWS);
  for (const [id, keepUntil] of shard.tombstones) {
    if (keepUntil > now) break;
    shard.tombstones.delete(id);
  }
  shard.links.forgetClosed(now);
  shard.catalogue.rest(now);
  shard.order.rest();
  for (const line of shard.queues.forgetUnused()) line.skill.lines--;
  shard.roster.forgetPools();
  for (const skill of shard.roster.forgetUnused())
    if (skill.storedMs > 0) shard.journal.duration(skill, true);
  for (const skill of shard.roster.skills) keepDuration(shard, skill);
  for (const pace of shard.gates.forgetUnused(now)) shard.journal.dropPace(pace);
}

/** What was learnt of a definition outlives this owner, as far as it is news. */
function keepDuration(shard: Shard, skill: Skill): void {
  const { known, expectedMs, storedMs } = skill;
  if (known === 0 || Math.abs(expectedMs - storedMs) <= storedMs * NEWS) return;
  skill.storedMs = expectedMs;
  shard.journal.duration(skill, false);
}

/** Under load sweeps ride on the commits, so that the store loses rows as fast as it gains them. */
export function sweepAlong(shard: Shard, now: Millis): void {
  if (shard.journal.mortals >= SWEEP_ROWS / 2) shard.journal.sweep(now, SWEEP_ROWS);
}

/**
 * Gives free credit to ready tasks, a task at a time of the queue that has used the least of its share. While this runs, credit and ready tasks only
 * become fewer: a queue that cannot place its task once need not be asked again.
 */
export function schedule(shard: Shard, now: Millis): void {
  const { queues, roster } = shard;
  if (shard.short.size > 0) reserve(shard, now);
  const stalled: Queue[] = [];
  while (roster.free > 0) {
    const queue = queues.next();
    if (queue === undefined) break;
    const task = bestPlaceable(shard, queue, now);
    const worker = task === undefined ? undefined : workerFor(shard, task);
    if (task === undefined || worker === undefined) {
      queues.stall(queue);
      stalled.push(queue);
    } else {
      queues.remove(task);
      if (shard.short.size > 0) endShortage(shard, task.kind.line);
      happen(shard, task, now, "placed", worker);
    }
  }
  for (const queue of stalled) queues.resume(queue);
  if (shard.late.size > 0 && roster.free > 0) speculate(shard, now);
}

function workerFor({ roster, random }: Shard, task: LiveTask): Worker | undefined {
  const { line } = task.kind;
  return pick(PLACEMENTS[line.queue.record.placement], roster.poolsOf(line), task, random);
}

/**
 * The first task, in the queue's order, that some worker knows and has room for. Looks at the heads of lines only: what
 * is behind a task that finds no room asks for the same, and what asks for less is in another line.
 */
function bestPlaceable(shard: Shard, queue: Queue, now: Millis): LiveTask | undefined {
  const { before } = ORDERINGS[queue.record.order];
  let best: LiveTask | undefined;
  let short: LiveTask[] | null = null;
  for (const line of queue.lines) {
    if (line.ordering.size === 0) continue;
    const hasRoom = hasOpen(shard.roster.poolsOf(line));
    if (!hasRoom && line.requirement.needs.length === 0) continue;
    const head = firstAllowed(shard, line, now);
    if (head === undefined) continue;
    if (!hasRoom) {
      short ??= [];
      short.push(head);
    } else if (best === undefined || before(head, best, queue)) best = head;
  }
  for (const head of short ?? [])
    if (best === undefined || before(head, best, queue)) passOver(shard, head.kind.line, now);
  return best;
}
