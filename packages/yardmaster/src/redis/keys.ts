import { HEX_VALUES } from "../protocol/hex.ts";
import type { TaskId } from "../protocol/task.ts";

/**
 * The names of a yard's keys. All of a shard's share one hash tag, so that one script can change them on a Cluster;
 * a mailbox that is no shard's lane has a stream in each tag.
 */
export class Keys {
  readonly yard: string;

  constructor(yard: string) {
    this.yard = yard;
  }

  /** What every key of a shard starts with. */
  base(shard: number): string {
    return `{${this.yard}:${shard}}:`;
  }

  key(shard: number, name: string): string {
    return this.base(shard) + name;
  }

  /**
   * A key that is never there. A Cluster refuses commands on several keys while some of them are missing and their slot
   * is on its way to another server (TRYAGAIN): so a script that names this one never sees half of a slot.
   */
  missing(shard: number): string {
    return this.key(shard, "none");
  }

  stream(shard: number, mailbox: string): string {
    return `${this.base(shard)}mail:${mailbox}`;
  }
}

/** The shard whose lane this is, or null for the mailbox of a process. */
export function laneShard(mailbox: string): number | null {
  if (!mailbox.startsWith("lane:")) return null;
  const [, digits] = /^lane:(\d{1,4}):/.exec(mailbox) ?? [];
  return digits === undefined ? null : Number(digits);
}

/** How long a task's field name is. */
export const FIELD_BYTES = 14;
/** Which digits of an id are in its field. */
const FIELD_DIGITS = Uint8Array.of(
  ...[0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 15, 16, 17, 19, 20, 21, 22],
  ...[24, 25, 26, 27, 28, 29, 30, 31, 32],
);

/**
 * A task's name within its shard: its id without the version and the shard, which are the same for all. Fields sort
 * as ids do. Two bytes less than an id make each entry 16 bytes smaller: a string of 14 fits an allocation of 16.
 */
export function fieldOf(id: TaskId): Buffer {
  const field = Buffer.allocUnsafe(FIELD_BYTES);
  writeField(field, 0, id);
  return field;
}

/** Writes a task's field into a buffer. Hot: four times in a task's life. */
export function writeField(target: Uint8Array, at: number, id: TaskId): void {
  for (let index = 0; index < FIELD_BYTES; index += 1) {
    const high = HEX_VALUES[id.charCodeAt(FIELD_DIGITS[2 * index] ?? 0)] ?? 0;
    const low = HEX_VALUES[id.charCodeAt(FIELD_DIGITS[2 * index + 1] ?? 0)] ?? 0;
    target[at + index] = (high << 4) | low;
  }
}

export function idOf(field: Buffer, shard: number): TaskId {
  const hex = field.toString("hex");
  const end = shard.toString(16).padStart(3, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7${hex.slice(12, 15)}-${hex.slice(15, 19)}-${hex.slice(19)}${end}`;
}

/** The hash slot of a key on a Cluster: CRC16 (XMODEM) of its tag, as the Redis Cluster specification has it. */
export function slotOf(key: string): number {
  const open = key.indexOf("{");
  const close = open === -1 ? -1 : key.indexOf("}", open + 1);
  const tag = close > open + 1 ? key.slice(open + 1, close) : key;
  let crc = 0;
  for (const byte of Buffer.from(tag)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
    crc &= 0xffff;
  }
  return crc % 16_384;
}
