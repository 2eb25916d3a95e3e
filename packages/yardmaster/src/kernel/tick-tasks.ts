import { tickKey } from "../protocol/schedule.ts";
import { isTerminal, type Millis, type Submission, type TaskId } from "../protocol/task.ts";
import { accept } from "./intake.ts";
import type { Schedule } from "./schedule.ts";
import type { Shard } from "./shard.ts";
import { dueTicks, nextTick, ticksToRun } from "./ticks.ts";

/**
 * The ticks that are due make their tasks, and the next one is set, all in one commit: a tick is lost or repeated by no
 * failure. While the task before is unfinished, the overlap policy says what becomes of a tick.
 */
export function fireSchedule(shard: Shard, schedule: Schedule, now: Millis): void {
  const { record, anchor } = schedule;
  const next = (after: Millis): Millis => nextTick(record, anchor, after, shard.nextFire);
  const most = record.missed === "all" ? record.missedLimit + 1 : 1;
  const due = dueTicks(next, schedule.nextAt, now, most);
  shard.journal.scheduleMoved(schedule);
  for (const at of ticksToRun(record, due, schedule.held, now)) {
    if (at <= schedule.lastAt) continue;
    if (schedule.isOpen && record.overlap === "queue") {
      schedule.nextAt = at;
      schedule.held = true;
      return;
    }
    if (!schedule.isOpen) makeTask(shard, schedule, at, now);
  }
  schedule.held = false;
  schedule.nextAt = next(Math.max(now, schedule.lastAt));
  arm(shard, schedule);
}

/** Waits for the next tick, if any is to come. */
export function arm(shard: Shard, schedule: Schedule): void {
  const { paused, held, isOpen, nextAt } = schedule;
  if (paused || nextAt === 0 || (held && isOpen)) shard.timers.clear(schedule);
  else shard.timers.set(schedule, nextAt);
}

function makeTask(shard: Shard, schedule: Schedule, at: Millis, now: Millis): void {
  const { spec, priority, expiresInMs, terms, payload, name, overlap } = schedule.record;
  const id = tickId(schedule.salt, at, shard.number);
  const submission: Submission = {
    id,
    spec,
    priority,
    runAt: 0,
    delayMs: 0,
    expiresInMs,
    key: null,
    retryOf: "",
    replyTo: "",
    copy: false,
    terms,
    payload,
  };
  const task = accept(shard, submission, now, { tick: tickKey(name, at) });
  schedule.fired++;
  schedule.lastAt = at;
  schedule.lastTask = id;
  if (overlap === "allow" || isTerminal(task.state)) return;
  schedule.isOpen = true;
  shard.schedules.open.set(id, schedule);
}

/** A UUIDv7 of the tick's time, the schedule's salt and the shard's number: the same for the same tick. */
function tickId(salt: string, at: Millis, shard: number): TaskId {
  const time = at.toString(16).padStart(12, "0");
  const variant = "89ab"[Number.parseInt(salt[3] ?? "0", 16) & 3] ?? "8";
  const tail = `${salt.slice(7, 16)}${shard.toString(16).padStart(3, "0")}`;
  return `${time.slice(0, 8)}-${time.slice(8)}-7${salt.slice(0, 3)}-${variant}${salt.slice(4, 7)}-${tail}`;
}
