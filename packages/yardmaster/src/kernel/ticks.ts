import type { ScheduleRecord } from "../protocol/schedule.ts";
import type { Millis } from "../protocol/task.ts";

/** When a cron line fires next after a time; null for never. */
export type NextFire = (cron: string, timeZone: string, after: Millis) => Millis | null;

/** A tick that could not be started for so long is missed, even where the next one is not due yet. */
const LATE_MS = 60_000;
/** So many ticks are looked at in one stretch; of a longer absence the latest ticks count. */
const MOST_STEPS = 4_096;

/** The first tick after a time; 0 for none. */
export function nextTick(
  { cron, timeZone, everyMs }: ScheduleRecord,
  anchor: Millis,
  after: Millis,
  nextFire: NextFire,
): Millis {
  if (everyMs === 0) return nextFire(cron, timeZone, after) ?? 0;
  return anchor + (Math.floor(Math.max(0, after - anchor) / everyMs) + 1) * everyMs;
}

/**
 * The latest ticks from `first` to `now`, at most so many, in order. Looks back in stretches that double, so that a tick
 * a second and a year of absence cost no more than a day of both.
 */
export function dueTicks(
  next: (after: Millis) => Millis,
  first: Millis,
  now: Millis,
  most: number,
): Millis[] {
  // Mostly one tick is due, and thousands of schedules may be at it at one time.
  const second = next(first);
  if (second === 0 || second > now) return [first];
  let due: Millis[] = [];
  for (let spanMs = LATE_MS; ; spanMs *= 2) {
    const start = Math.max(first - 1, now - spanMs);
    const found = ticksBetween(next, start, now);
    if (found === null) return due.slice(-most);
    due = found;
    if (start < first || due.length >= most) return due.slice(-most);
  }
}

/** Null where there are more than anybody should look at. */
function ticksBetween(next: (after: Millis) => Millis, start: Millis, now: Millis): Millis[] | null {
  const ticks: Millis[] = [];
  for (let at = next(start); at > 0 && at <= now; at = next(at)) {
    if (ticks.length === MOST_STEPS) return null;
    ticks.push(at);
  }
  return ticks;
}

/**
 * Which of the ticks that are due are to run. Missed is what has a due successor, and what is late by more than a minute:
 * `skip` leaves it out, `once` lets the latest tick stand for all, `all` makes up for each, up to a limit. A tick that
 * was held for the end of the task before is not late.
 */
export function ticksToRun(
  { missed, missedLimit }: ScheduleRecord,
  due: readonly Millis[],
  isHeld: boolean,
  now: Millis,
): readonly Millis[] {
  const last = due.at(-1);
  if (last === undefined) return [];
  const isLate = !isHeld && now - last > LATE_MS;
  if (missed === "all") return due.slice(isLate ? -missedLimit : -missedLimit - 1);
  return missed === "skip" && isLate ? [] : [last];
}
