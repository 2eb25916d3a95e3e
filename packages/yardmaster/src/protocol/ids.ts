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
}

/** The largest shard number: what the last 12 bits of an id can hold. */
export const MAX_SHARD = 4095;

const SHARD_DIGITS = 3;
const TASK_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const BASE32 = "0123456789abcdefghjkmnpqrstvwxyz";

/**
 * Makes task ids: UUIDv7 (RFC 9562) whose order within a millisecond comes from a counter in front of the
 * random bits, so that the shard's number may take the last 12 of those.
 */
export function createTaskIds(source: IdSource): TaskIds {
  const generator = new V7Generator({ nextUint32: () => source.random() });
  return {
    next(shard) {
      if (!Number.isInteger(shard) || shard < 0 || shard > MAX_SHARD) {
        throw new YardmasterError(
          "INVALID_OPTIONS",
          `Shard ${shard} does not exist: shards are 0 to ${MAX_SHARD}.`,
        );
      }
      const text = generator.generateOrResetWithTs(Math.floor(source.now())).toString();
      return text.slice(0, -SHARD_DIGITS) + shard.toString(16).padStart(SHARD_DIGITS, "0");
    },
  };
}

export function isTaskId(text: string): boolean {
  return TASK_ID.test(text);
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
