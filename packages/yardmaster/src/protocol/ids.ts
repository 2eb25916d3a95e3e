// biome-ignore lint/style/noRestrictedImports: it is pure with the clock and chance handed in.
import { V7Generator } from "uuidv7";
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
/** An id's counter within its millisecond. */
const COUNTER_BITS = 42;
const TASK_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const BASE32 = "0123456789abcdefghjkmnpqrstvwxyz";

/**
 * Makes task ids: UUIDv7 (RFC 9562) whose order within a millisecond comes from a counter in front of the
 * random bits, so that the shard's number may take the last 12 of those.
 */
export function createTaskIds(source: IdSource): TaskIds {
  const generator = new V7Generator({ nextUint32: () => source.random() });
  const nextAt = (now: number, shard: number): TaskId => {
    if (!Number.isInteger(shard) || shard < 0 || shard > MAX_SHARD) {
      throw new YardmasterError(
        "INVALID_OPTIONS",
        `Shard ${shard} does not exist: shards are 0 to ${MAX_SHARD}.`,
      );
    }
    const text = generator.generateOrResetWithTs(now).toString();
    return text.slice(0, -SHARD_DIGITS) + shard.toString(16).padStart(SHARD_DIGITS, "0");
  };
  return {
    next: (shard) => nextAt(Math.floor(source.now()), shard),
    series(shard, count) {
      const now = Math.floor(source.now());
      for (;;) {
        const first = nextAt(now, shard);
        let last = first;
        // The generator goes through the numbers of the row, so that no later id can be one of it.
        for (let made = 1; made < count; made++) last = nextAt(now, shard);
        // At the counter's end the generator goes on in the next millisecond: then the next row is tried.
        if (placeAfter(first, last) === count - 1)
          return Array.from({ length: count }, (_, place) => idAfter(first, place));
      }
    },
  };
}

/** The id so many places after another in a row that one maker has made at once. */
export function idAfter(id: TaskId, places: number): TaskId {
  const digits = (counterOf(id) + places).toString(2).padStart(COUNTER_BITS, "0");
  const [high, middle, low] = [digits.slice(0, 12), `10${digits.slice(12, 26)}`, digits.slice(26)];
  return `${id.slice(0, 15)}${hex(high)}-${hex(middle)}-${hex(low)}${id.slice(28)}`;
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

function hex(bits: string): string {
  return Number.parseInt(bits, 2)
    .toString(16)
    .padStart(bits.length / 4, "0");
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
