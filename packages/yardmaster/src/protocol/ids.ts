import { YardmasterError } from "./errors.ts";
import type { Millis, TaskId } from "./task.ts";

/** The part of a `Host` that ids are made of. */
export interface IdSource {
  now(): number;
  random(): number;
}

export interface TaskIds {
  /** A new id of this shard, larger than all before it unless the clock was set back by more than 10 s. */
  next(shard: number): TaskId;
  /** So many new ids in a row: each is `idAfter` the one before. */
  series(shard: number, count: number): TaskId[];
}

/** The largest shard number: what the last 12 bits of an id can hold. */
export const MAX_SHARD = 4095;

/** Sorts behind every id that is made. */
export const LAST_ID: TaskId = "ffffffff-ffff-7fff-bfff-ffffffffffff";

const SHARD_DIGITS = 3;
/** The largest counter within a millisecond: 42 bits. */
const MAX_COUNTER = 2 ** 42 - 1;
/** A clock that is set back by more than this is followed. */
const MAX_SET_BACK_MS = 10_000;
/** All numbers of three hexadecimal digits: looking up a few takes a third of the time of writing digit by digit. */
const DIGITS3: readonly string[] = Array.from({ length: 4096 }, (_, number) => hex(number, SHARD_DIGITS));
const DIGITS = "0123456789abcdef";
const TASK_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const BASE32 = "0123456789abcdefghjkmnpqrstvwxyz";

/**
 * Makes task ids: UUIDv7 (RFC 9562, section 6.2, a counter of fixed length that starts at random) whose order within a
 * millisecond comes from the counter in front of the random bits, so that the shard's number may take the last 12 of
 * those. Hot: once for each submission.
 */
export function createTaskIds(source: IdSource): TaskIds {
  let time = -1;
  let timeText = "";
  let counter = 0;
  const startAt = (now: number): void => {
    time = now;
    timeText = timeTextOf(now);
    counter = source.random() * 0x400 + (source.random() & 0x3ff);
  };
  const nextAt = (now: number, shard: number): TaskId => {
    const shardText = DIGITS3[shard];
    if (shardText === undefined) {
      throw new YardmasterError(
        "INVALID_OPTIONS",
        `Shard ${shard} does not exist: shards are 0 to ${MAX_SHARD}.`,
      );
    }
    if (now > time || now < time - MAX_SET_BACK_MS) startAt(now);
    else if (counter === MAX_COUNTER) startAt(time + 1);
    else counter += 1;
    const chance = source.random() >>> 12;
    return `${timeText}${counterText(counter)}${DIGITS[chance >>> 16]}${DIGITS[(chance >>> 12) & 15]}${DIGITS3[chance & 0xfff]}${shardText}`;
  };
  return {
    next: (shard) => nextAt(Math.floor(source.now()), shard),
    series(shard, count) {
      const now = Math.floor(source.now());
      for (;;) {
        const first = nextAt(now, shard);
        let last = first;
        // Every number of the row is taken, so that no later id can be one of it.
        for (let made = 1; made < count; made++) last = nextAt(now, shard);
        // At the counter's end the ids go on in the next millisecond: then the next row is tried.
        if (placeAfter(first, last) === count - 1)
          return Array.from({ length: count }, (_, place) => idAfter(first, place));
      }
    },
  };
}

/** The id so many places after another in a row that one maker has made at once. */
export function idAfter(id: TaskId, places: number): TaskId {
  return `${id.slice(0, 15)}${counterText(counterOf(id) + places)}${id.slice(28)}`;
}

/** How many places an id is after another; null when they are not of the same millisecond. */
export function placeAfter(id: TaskId, later: TaskId): number | null {
  return id.slice(0, 14) === later.slice(0, 14) ? counterOf(later) - counterOf(id) : null;
}

/** The 42 bits behind the time and its version, the two of the variant left out. */
function counterOf(id: TaskId): number {
  const high = Number.parseInt(id.slice(15, 18), 16);
  const middle = Number.parseInt(id.slice(19, 23), 16) & 0x3fff;
  const low = Number.parseInt(id.slice(24, 28), 16);
  return (high * 0x4000 + middle) * 0x10000 + low;
}

/** As it stands in an id: 12 bits behind the version, 14 behind the variant's two, and 16. */
function counterText(counter: number): string {
  const middle = Math.trunc(counter / 2 ** 16) & 0x3fff;
  const low = counter & 0xffff;
  return `${DIGITS3[Math.trunc(counter / 2 ** 30)]}-${DIGITS[8 | (middle >>> 12)]}${DIGITS3[middle & 0xfff]}-${DIGITS[low >>> 12]}${DIGITS3[low & 0xfff]}`;
}

/** The time and the version in front of the counter. */
function timeTextOf(millis: Millis): string {
  const digits = hex(millis, 12);
  return `${digits.slice(0, 8)}-${digits.slice(8)}-7`;
}

function hex(number: number, digits: number): string {
  return number.toString(16).padStart(digits, "0");
}

export function isTaskId(text: string): boolean {
  return typeof text === "string" && TASK_ID.test(text);
}

/** The shard that a task belongs to. */
export function shardOf(id: TaskId): number {
  return Number.parseInt(id.slice(-SHARD_DIGITS), 16);
}

/** When the id was made, by its maker's clock. */
export function submittedAtOf(id: TaskId): Millis {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

/** A name that nobody else has: 26 characters of base 32, 130 random bits. */
export function randomId(source: Pick<IdSource, "random">): string {
  let id = "";
  while (id.length < 26) {
    const bits = source.random();
    for (let shift = 0; shift < 30 && id.length < 26; shift += 5) id += BASE32[(bits >>> shift) & 31];
  }
  return id;
}
