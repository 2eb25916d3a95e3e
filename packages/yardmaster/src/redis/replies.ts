import { YardmasterError } from "../protocol/errors.ts";

/** Reads the server's answers: strings are buffers, missing ones null. What is no answer of ours throws STORE_CORRUPT. */

export function textOf(reply: unknown): string {
  return Buffer.isBuffer(reply) ? reply.toString() : String(reply ?? "");
}

export function textsIn(reply: unknown): string[] {
  return listOf(reply).map(textOf);
}

export function listOf(reply: unknown): readonly unknown[] {
  return Array.isArray(reply) ? reply : [];
}

export function buffersIn(reply: unknown): (Buffer | null)[] {
  return listOf(reply).map((item) => (Buffer.isBuffer(item) ? item : null));
}

/** The cursor of a scan, "0" at its end: anything else would be asked for again and again. */
export function cursorOf(reply: unknown): string {
  const cursor = textOf(reply);
  if (/^\d{1,20}$/.test(cursor)) return cursor;
  throw corrupt("a cursor is no number");
}

export function wholeOf(reply: unknown): number {
  const number = typeof reply === "number" ? reply : Number(textOf(reply) || Number.NaN);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  throw corrupt("a whole number is none");
}

/** A whole number that was written as a double. */
export function doubleAt(bytes: Buffer, at: number): number {
  const number = bytes.length < at + 8 ? Number.NaN : bytes.readDoubleLE(at);
  if (Number.isSafeInteger(number)) return number;
  throw corrupt("a time is none");
}

export function corrupt(what: string): YardmasterError {
  return new YardmasterError(
    "STORE_CORRUPT",
    `Redis holds what is not Yardmaster's or was damaged: ${what}. Restore it from a backup, or name another database.`,
  );
}

/** The answer to INFO. */
export function infoOf(reply: unknown): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of textOf(reply).split("\r\n")) {
    const at = line.indexOf(":");
    if (at > 0 && !line.startsWith("#")) fields.set(line.slice(0, at), line.slice(at + 1));
  }
  return fields;
}

/** An answer of names and values in turn. */
export function pairsOf(reply: unknown): Map<string, unknown> {
  const list = listOf(reply);
  const pairs = new Map<string, unknown>();
  for (let index = 0; index + 1 < list.length; index += 2) pairs.set(textOf(list[index]), list[index + 1]);
  return pairs;
}
