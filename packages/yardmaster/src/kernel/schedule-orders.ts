import { toBuffer } from "../protocol/bytes.ts";
import type { ScheduleOrder } from "../protocol/envelope.ts";
import { type ErrorCode, messageOf } from "../protocol/errors.ts";
import { decodeSchedule, encodeSchedule, type ScheduleRecord } from "../protocol/schedule.ts";
import type { Millis, TaskId } from "../protocol/task.ts";
import { readState, SCHEDULE_ROW, Schedule, type Schedules } from "./schedule.ts";
import type { Shard } from "./shard.ts";
import { arm } from "./tick-tasks.ts";
import { nextTick } from "./ticks.ts";

/** More are refused: each is in memory with its input. */
const MAX_SCHEDULES = 100_000;
/** So many names and senders are remembered, to know copies of earlier orders. */
const MAX_ORDERS = 10_000;

/** A schedule as people are shown it; times are milliseconds, 0 where there is none. */
export interface ScheduleView
  extends Pick<
    ScheduleRecord,
    "name" | "cron" | "timeZone" | "everyMs" | "missed" | "missedLimit" | "overlap"
  > {
  readonly task: string;
  readonly queue: string;
  readonly paused: boolean;
  readonly held: boolean;
  readonly nextAt: Millis;
  readonly lastAt: Millis;
  readonly lastTask: TaskId;
  readonly fired: number;
}

/** An encoded `ScheduleRecord` in base 64. */
export interface DeclaredSchedule {
  readonly schedule: string;
  readonly paused: boolean;
}

interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
}

/** The answer to an order; a refusal is null where there is no such schedule. */
export type ScheduleAnswer =
  | { readonly ok: true; readonly value: ScheduleView }
  | { readonly ok: false; readonly value: Refusal | null };

/** Sender and request tell orders from copies that come late: these change nothing. */
export function orderSchedule(
  shard: Shard,
  order: ScheduleOrder,
  { replyTo: sender, request }: { readonly replyTo: string; readonly request: number },
  now: Millis,
): ScheduleAnswer {
  const record = order.type === "schedule" ? readRecord(order.schedule) : null;
  if (typeof record === "string") return refused(record);
  const name = record === null ? order.schedule : record.name;
  const key = `${sender} ${name}`;
  const schedule = shard.schedules.all.get(name);
  if (request <= (shard.schedules.orders.get(key) ?? -1))
    return schedule === undefined ? { ok: false, value: null } : { ok: true, value: viewSchedule(schedule) };
  const answer = record === null ? obey(shard, order.type, schedule, now) : put(shard, record, now);
  // What was refused for its content is refused again.
  if (answer.ok || answer.value === null) rememberOrder(shard.schedules, key, request);
  return answer;
}

function obey(
  shard: Shard,
  order: ScheduleOrder["type"],
  schedule: Schedule | undefined,
  now: Millis,
): ScheduleAnswer {
  if (schedule === undefined) return { ok: false, value: null };
  if (order === "unschedule") remove(shard, schedule);
  else setPaused(shard, schedule, order === "pauseSchedule", now);
  return { ok: true, value: viewSchedule(schedule) };
}

/**
 * An order that was obeyed before, or whose sender has ordered something of this name since, is a copy. It may come
 * minutes late, when a consumer that kept it gives it back: by then others may have ordered something else. Another
 * owner does not know what was obeyed before it.
 */
function rememberOrder({ orders }: Schedules, key: string, request: number): void {
  orders.delete(key);
  orders.set(key, request);
  const [oldest] = orders.keys();
  if (orders.size > MAX_ORDERS && oldest !== undefined) orders.delete(oldest);
}

/** A text says what is wrong with it. */
function readRecord(encoded: string): ScheduleRecord | string {
  try {
    return decodeSchedule(Buffer.from(encoded, "base64").latin1Slice());
  } catch (error) {
    return messageOf(error);
  }
}

/** Declaring the same again changes nothing; other ticks begin anew, another task is made from the next tick on. */
function put(shard: Shard, record: ScheduleRecord, now: Millis): ScheduleAnswer {
  const { all } = shard.schedules;
  const known = all.get(record.name);
  const isNew = known === undefined || !hasSameTicks(known.record, record);
  const nextAt = nextTick(record, now, now, shard.nextFire);
  if (isNew && nextAt === 0) return refused("its cron line never fires");
  if (known === undefined && all.size >= MAX_SCHEDULES)
    return refused(`a shard has ${MAX_SCHEDULES} schedules at most`);
  const schedule = known ?? new Schedule(record, saltOf(shard));
  schedule.record = record;
  all.set(record.name, schedule);
  if (isNew) {
    schedule.anchor = now;
    schedule.nextAt = nextAt;
    schedule.held = false;
  }
  if (record.overlap === "allow") release(shard, schedule);
  arm(shard, schedule);
  shard.journal.side(SCHEDULE_ROW, record.name, encodeSchedule(record));
  shard.journal.scheduleMoved(schedule);
  return { ok: true, value: viewSchedule(schedule) };
}

function refused(why: string): ScheduleAnswer {
  return { ok: false, value: { code: "INVALID_OPTIONS", message: `The schedule cannot be kept: ${why}.` } };
}

function hasSameTicks(a: ScheduleRecord, b: ScheduleRecord): boolean {
  return a.cron === b.cron && a.timeZone === b.timeZone && a.everyMs === b.everyMs;
}

/** Whatever overlaps is of no interest any more. */
function release(shard: Shard, schedule: Schedule): void {
  shard.schedules.open.delete(schedule.lastTask);
  schedule.isOpen = false;
}

function remove(shard: Shard, schedule: Schedule): void {
  release(shard, schedule);
  shard.timers.clear(schedule);
  shard.schedules.all.delete(schedule.record.name);
  shard.journal.side(SCHEDULE_ROW, schedule.record.name, null);
  shard.journal.scheduleGone(schedule);
}

/** What would have come during a pause is not missed. */
function setPaused(shard: Shard, schedule: Schedule, paused: boolean, now: Millis): void {
  if (schedule.paused === paused) return;
  schedule.paused = paused;
  if (!paused) {
    const after = Math.max(now, schedule.lastAt);
    schedule.nextAt = nextTick(schedule.record, schedule.anchor, after, shard.nextFire);
    schedule.held = false;
  }
  arm(shard, schedule);
  shard.journal.scheduleMoved(schedule);
}

/** A declared schedule of the store. */
export function restoreSchedule(shard: Shard, value: string): void {
  const record = decodeSchedule(value);
  shard.schedules.all.set(record.name, new Schedule(record, ""));
}

/** All is loaded: each goes on where it stood, and what came meanwhile is due. */
export function schedulesRestored(shard: Shard): void {
  const { all, open, loaded } = shard.schedules;
  for (const [name, schedule] of all) {
    const text = loaded.get(name);
    if (text !== undefined) readState(schedule, text);
    // With nothing parked, an unfinished task is in memory.
    if (schedule.isOpen && shard.parking.total === 0 && !shard.tasks.has(schedule.lastTask))
      schedule.isOpen = false;
    if (schedule.isOpen) open.set(schedule.lastTask, schedule);
    arm(shard, schedule);
  }
  loaded.clear();
}

export function viewSchedule({ record, ...state }: Schedule): ScheduleView {
  const { name, cron, timeZone, everyMs, missed, missedLimit, overlap, spec } = record;
  const { paused, held, nextAt, lastAt, lastTask, fired } = state;
  const declared = { name, cron, timeZone, everyMs, missed, missedLimit, overlap };
  return { ...declared, task: spec.name, queue: spec.queue, paused, held, nextAt, lastAt, lastTask, fired };
}

/** What was declared, for who runs it at once; null where there is none of the name. */
export function showSchedule(shard: Shard, name: string): DeclaredSchedule | null {
  const schedule = shard.schedules.all.get(name);
  if (schedule === undefined) return null;
  const { record, paused } = schedule;
  return { schedule: toBuffer(encodeSchedule(record)).toString("base64"), paused };
}

function saltOf({ random }: Shard): string {
  return [random.next(), random.next()].map((bits) => bits.toString(16).padStart(8, "0")).join("");
}
