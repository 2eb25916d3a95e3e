import { Cron } from "croner";
import type { Millis } from "./protocol/task.ts";

/** A cron line in a time zone. */
interface Line {
  /** Null where nobody can read it. */
  readonly cron: Cron | null;
  /** The last answer: the same for all times from `after` to before `next`. */
  after: Millis;
  next: Millis | null;
}

/** Parsed lines are kept, as each is asked again at every tick. */
const MAX_KNOWN = 20_000;
/** Near the last moment that is a date: no line is asked beyond it. */
const LAST_DATE = 8.64e15 - 86_400_000;
const known = new Map<string, Line>();

/**
 * The first time after `after` at which a cron line of five or six fields fires in a time zone; null for never, and for
 * a line or zone that nobody can read. A local time that is skipped in spring fires when the clock has jumped over it;
 * one that comes twice in autumn fires once, unless seconds, minutes or hours are wildcards or steps: that line fires
 * in both, and in no hour that is skipped. It is the rule of Vixie cron (P. Vixie, 1993), which Croner follows with its
 * option `fixedTimeRule: "no-wildcard"`; by default it takes lines with lists and ranges for such of each hour.
 */
export function nextFire(cron: string, timeZone: string, after: Millis): Millis | null {
  const line = parsed(cron, timeZone);
  // Thousands of schedules may have one line, and ask at one time.
  if (line.next !== null && line.after <= after && after < line.next) return line.next;
  // biome-ignore lint/style/noRestrictedGlobals: it wraps a time and reads no clock.
  const next = after <= LAST_DATE ? (line.cron?.nextRun(new Date(after))?.getTime() ?? null) : null;
  line.after = after;
  line.next = next !== null && next > after ? next : null;
  return line.next;
}

/** What is wrong with a cron line and its zone, by field; null where they will fire. */
export function cronFlaw(
  cron: string,
  timeZone: string,
  now: Millis,
): { readonly field: "cron" | "timeZone"; readonly must: string } | null {
  if (!isTimeZone(timeZone)) return { field: "timeZone", must: "a time zone such as Europe/Berlin" };
  if (parsed(cron, timeZone).cron === null)
    return { field: "cron", must: "a cron line of five or six fields" };
  if (nextFire(cron, timeZone, now) === null)
    return { field: "cron", must: "a cron line that fires some day" };
  return null;
}

function isTimeZone(timeZone: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone });
    return true;
  } catch {
    return false;
  }
}

function parsed(cron: string, timeZone: string): Line {
  const key = `${timeZone}\n${cron}`;
  let line = known.get(key);
  if (line === undefined) {
    if (known.size >= MAX_KNOWN) known.clear();
    line = { cron: parse(cron, timeZone), after: 0, next: null };
    known.set(key, line);
  }
  return line;
}

function parse(cron: string, timeZone: string): Cron | null {
  const fields = cron.trim().split(/\s+/).length;
  // What reads the line looks at the zone only when it is asked for a time.
  if ((fields !== 5 && fields !== 6) || !isTimeZone(timeZone)) return null;
  try {
    return new Cron(cron, { timezone: timeZone, paused: true, fixedTimeRule: "no-wildcard" });
  } catch {
    return null;
  }
}
