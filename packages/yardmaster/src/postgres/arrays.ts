import type { TaskId } from "../protocol/task.ts";

// PostgreSQL's binary format of a one-dimensional array: as text, bytes would double in hexadecimal digits.
const BYTEA = 17;
const INT8 = 20;
const INT4 = 23;
const TEXT = 25;
const UUID = 2950;

const HEADER_BYTES = 20;

function begin(type: number, count: number, contentBytes: number): Buffer {
  const array = Buffer.allocUnsafe(HEADER_BYTES + 4 * count + contentBytes);
  array.writeInt32BE(1, 0); // Dimensions.
  array.writeInt32BE(1, 4); // It may hold nulls.
  array.writeInt32BE(type, 8);
  array.writeInt32BE(count, 12);
  array.writeInt32BE(1, 16); // The first index.
  return array;
}

/** Byte strings, as strings of one character a byte or as bytes. Null for none, as from all of these. */
export function byteaArray(values: readonly (string | Uint8Array | null)[]): Buffer | null {
  return variable(BYTEA, values, "latin1");
}

export function textArray(values: readonly string[]): Buffer | null {
  return variable(TEXT, values, "utf8");
}

function variable(
  type: number,
  values: readonly (string | Uint8Array | null)[],
  encoding: "latin1" | "utf8",
): Buffer | null {
  if (values.length === 0) return null;
  let bytes = 0;
  for (const value of values) bytes += lengthOf(value, encoding);
  const array = begin(type, values.length, bytes);
  let at = HEADER_BYTES;
  for (const value of values) {
    const length = lengthOf(value, encoding);
    array.writeInt32BE(value === null ? -1 : length, at);
    at += 4;
    if (typeof value === "string") array.write(value, at, encoding);
    else if (value !== null) array.set(value, at);
    at += length;
  }
  return array;
}

function lengthOf(value: string | Uint8Array | null, encoding: "latin1" | "utf8"): number {
  if (value === null) return 0;
  return typeof value === "string" && encoding === "utf8" ? Buffer.byteLength(value) : value.length;
}

/** Safe integers of either sign, or keys of 64 bits. */
export function int8Array(values: readonly (number | bigint | null)[]): Buffer | null {
  if (values.length === 0) return null;
  const array = begin(INT8, values.length, 8 * values.length);
  let at = HEADER_BYTES;
  for (const value of values) {
    at = array.writeInt32BE(value === null ? -1 : 8, at);
    if (typeof value === "bigint") at = array.writeBigInt64BE(value, at);
    else if (value !== null) {
      array.writeInt32BE(Math.floor(value / 2 ** 32), at);
      at = array.writeUInt32BE(value >>> 0, at + 4);
    }
  }
  return array.subarray(0, at);
}

export function int4Array(values: readonly (number | null)[]): Buffer | null {
  if (values.length === 0) return null;
  const array = begin(INT4, values.length, 4 * values.length);
  let at = HEADER_BYTES;
  for (const value of values) {
    at = array.writeInt32BE(value === null ? -1 : 4, at);
    if (value !== null) at = array.writeInt32BE(value, at);
  }
  return array.subarray(0, at);
}

export function uuidArray(ids: readonly TaskId[]): Buffer | null {
  if (ids.length === 0) return null;
  const array = begin(UUID, ids.length, 16 * ids.length);
  let at = HEADER_BYTES;
  for (const id of ids) {
    at = array.writeInt32BE(16, at);
    array.write(id.replaceAll("-", ""), at, "hex");
    at += 16;
  }
  return array;
}

/** The bytes of a `bytea` cell. */
export function bytesOf(cell: string | null | undefined): Buffer {
  return Buffer.from((cell ?? "").slice(2), "hex");
}
