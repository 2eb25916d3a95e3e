import { type ByteString, fromBuffer, toBuffer } from "./bytes.ts";
import { Reader } from "./reader.ts";
import { readSpec, writeSpec } from "./spec.ts";
import {
  MAX_NAME_BYTES,
  MAX_PRIORITY,
  type Millis,
  type TaskRecord,
  type TaskSpec,
  type TaskTerms,
} from "./task.ts";
import { readTerms, writeTerms } from "./terms.ts";
import { checkVersion, SCHEDULE_VERSIONS } from "./versions.ts";
import { unwritable, Writer } from "./writer.ts";

/** What becomes of ticks that nobody could start in time. An item's index is its number on the wire. */
export const MISSED_POLICIES = ["once", "skip", "all"] as const;
/** What becomes of ticks that nobody made in time. */
export type MissedPolicy = (typeof MISSED_POLICIES)[number];
/** What becomes of a tick while the task of the one before is unfinished. An item's index is its number on the wire. */
export const OVERLAP_POLICIES = ["allow", "skip", "queue"] as const;
/** What becomes of a tick while the task of the one before is unfinished. */
export type OverlapPolicy = (typeof OVERLAP_POLICIES)[number];

/** A schedule as it is declared: when its ticks come, and the task that each of them makes. */
export interface ScheduleRecord {
  readonly name: string;
  /** Five or six fields, or "" where `everyMs` says when. */
  readonly cron: string;
  readonly timeZone: string;
  /** 0 where `cron` says when. */
  readonly everyMs: number;
  readonly missed: MissedPolicy;
  /** With `all`: how many missed ticks are made up for at most. */
  readonly missedLimit: number;
  readonly overlap: OverlapPolicy;
  readonly spec: TaskSpec;
  readonly priority: number;
  readonly expiresInMs: number;
  /** What chose its shard in place of the queue, or "". */
  readonly route: string;
  readonly terms: TaskTerms | null;
  readonly payload: ByteString;
}

/** The largest input of a schedule: it is in memory as long as the schedule is. */
export const MAX_SCHEDULE_BYTES: number = 64 * 1024;
export const MIN_EVERY_MS = 1_000;
export const MAX_MISSED = 1_000;
export const MAX_CRON_BYTES = 256;

const writer = new Writer();

/** A schedule as it travels and as stores keep it. */
export function encodeSchedule(schedule: ScheduleRecord): ByteString {
  const { terms, payload } = schedule;
  if (payload.length > MAX_SCHEDULE_BYTES)
    throw unwritable(`a schedule's input takes ${payload.length} bytes`);
  writer.clear();
  writer.byte(SCHEDULE_VERSIONS.written);
  writer.line(schedule.name, MAX_NAME_BYTES);
  writer.text(schedule.cron, MAX_CRON_BYTES);
  writer.text(schedule.timeZone, MAX_NAME_BYTES);
  writer.askedMillis(schedule.everyMs);
  writer.choice(MISSED_POLICIES, schedule.missed, "missed policy");
  writer.uint(schedule.missedLimit);
  writer.choice(OVERLAP_POLICIES, schedule.overlap, "overlap policy");
  writeSpec(writer, schedule.spec);
  writer.uint(schedule.priority);
  writer.askedMillis(schedule.expiresInMs);
  writer.text(schedule.route, MAX_NAME_BYTES);
  writer.byte(terms === null ? 0 : 1);
  if (terms !== null) writeTerms(writer, terms);
  writer.uint(payload.length);
  writer.raw(payload);
  return fromBuffer(writer.toBuffer());
}

/** @throws UNSUPPORTED_VERSION for one of a newer version, INVALID_FRAME for what is no schedule. */
export function decodeSchedule(bytes: ByteString): ScheduleRecord {
  const reader = new Reader(toBuffer(bytes));
  const version = reader.byte();
  if (version === 0) reader.fail("version 0 does not exist");
  checkVersion(version, SCHEDULE_VERSIONS, "The record of a schedule");
  const schedule: ScheduleRecord = {
    name: reader.line(MAX_NAME_BYTES),
    cron: reader.text(MAX_CRON_BYTES),
    timeZone: reader.text(MAX_NAME_BYTES),
    everyMs: reader.askedMillis(),
    missed: reader.choice(MISSED_POLICIES, "missed policy"),
    missedLimit: reader.uintUpTo(MAX_MISSED, "the limit of missed ticks"),
    overlap: reader.choice(OVERLAP_POLICIES, "overlap policy"),
    spec: readSpec(reader),
    priority: reader.uintUpTo(MAX_PRIORITY, "a priority"),
    expiresInMs: reader.askedMillis(),
    route: reader.text(MAX_NAME_BYTES),
    terms: reader.byte() === 0 ? null : readTerms(reader),
    payload: reader.raw(reader.uintUpTo(MAX_SCHEDULE_BYTES, "a schedule's input")),
  };
  reader.finish("a schedule");
  const { cron, everyMs } = schedule;
  const isTimed = cron === "" ? everyMs >= MIN_EVERY_MS : everyMs === 0;
  return isTimed ? schedule : reader.fail("a schedule has a cron line or an interval of a second or more");
}

/** Which tick made a task. */
export interface TickOrigin {
  readonly schedule: string;
  readonly tickAt: Millis;
}

const TICK_KEY = /^schedule:(.+)@(\d+)$/s;

/** What the record of a task says of the tick that made it, in the place of an idempotency key. */
export function tickKey(schedule: string, tickAt: Millis): string {
  return `schedule:${schedule}@${tickAt}`;
}

/** Null for a task that somebody submitted: that has somebody to reply to. */
export function tickOf({ key, replyTo }: Pick<TaskRecord, "key" | "replyTo">): TickOrigin | null {
  const [, schedule, tickAt] = (replyTo === "" && TICK_KEY.exec(key)) || [];
  return schedule === undefined ? null : { schedule, tickAt: Number(tickAt) };
}

/** The tick in words, for a sentence. */
export function tickSentence({ schedule, tickAt }: TickOrigin): string {
  // biome-ignore lint/style/noRestrictedGlobals: it writes a time and reads no clock.
  return `Schedule ${schedule} made it for ${new Date(tickAt).toISOString()}.`;
}
