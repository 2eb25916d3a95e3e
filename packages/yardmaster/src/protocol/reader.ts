import { type ByteString, viewOf } from "./bytes.ts";
import { isLine } from "./check.ts";
import { YardmasterError } from "./errors.ts";
import type {} from "./native-strings.ts";
import { MAX_BYTES, MAX_KEY_BYTES, type TaskError, type TaskId } from "./task.ts";
import { MAX_ASKED_MS, MAX_TEXT_BYTES } from "./writer.ts";

const HYPHEN = 45;
const HIGH_DIGITS = hexDigits(4);
const LOW_DIGITS = hexDigits(0);

/**
 * Reads fields one after another and never beyond the end: everything is checked against the bytes that are
 * left before anything is made of it. Throws INVALID_FRAME with what is wrong and where.
 */
export class Reader {
  private readonly buffer: Buffer;
  private readonly view: DataView;
  position = 0;
  /** Fields end here; the envelope's end while one is read. */
  end: number;

  constructor(bytes: Uint8Array) {
    this.buffer = viewOf(bytes);
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.end = bytes.byteLength;
  }

  byte(): number {
    if (this.position >= this.end) this.fail("it ends too early");
    return this.view.getUint8(this.position++);
  }

  uint(): number {
    const first = this.byte();
    if (first < 128) return first;
    let value = first & 127;
    let next = 128;
    for (let shift = 7; next >= 128 && shift < 28; shift += 7) {
      next = this.byte();
      value |= (next & 127) << shift;
    }
    return next < 128 ? value : this.high25Bits(value);
  }

  private high25Bits(low: number): number {
    let value = low;
    let next = 128;
    for (let scale = 2 ** 28; next >= 128; scale *= 128) {
      next = this.byte();
      value += (next & 127) * scale;
      if (value > Number.MAX_SAFE_INTEGER || scale > 2 ** 49) this.fail("a number is too large");
    }
    return value;
  }

  uintUpTo(max: number, what: string): number {
    const value = this.uint();
    if (value > max) this.fail(`${what} is ${value}, more than ${max}`);
    return value;
  }

  /** Milliseconds that somebody asks for. */
  askedMillis(): number {
    return this.uintUpTo(MAX_ASKED_MS, "a time in milliseconds");
  }

  fixed32(): number {
    this.need(4);
    const value = this.view.getUint32(this.position, true);
    this.position += 4;
    return value;
  }

  double(): number {
    this.need(8);
    const value = this.view.getFloat64(this.position, true);
    this.position += 8;
    return value;
  }

  /** How many items follow, each of at least `minBytes`. */
  count(minBytes: number, what: string): number {
    const count = this.uint();
    if (count * minBytes > this.left) this.fail(`${what} claims ${count} items in ${this.left} bytes`);
    return count;
  }

  get left(): number {
    return this.end - this.position;
  }

  id(): TaskId {
    this.need(16);
    const at = this.position;
    if (this.view.getUint8(at + 6) >> 4 !== 7 || this.view.getUint8(at + 8) >> 6 !== 2) {
      this.fail("an id is not a UUIDv7");
    }
    this.position = at + 16;
    // Half the time of joining strings, and the result is flat, as a key of a map should be.
    // biome-ignore format: the grouping shows the form of a UUID.
    return String.fromCharCode(
      this.high(at), this.low(at), this.high(at + 1), this.low(at + 1),
      this.high(at + 2), this.low(at + 2), this.high(at + 3), this.low(at + 3), HYPHEN,
      this.high(at + 4), this.low(at + 4), this.high(at + 5), this.low(at + 5), HYPHEN,
      this.high(at + 6), this.low(at + 6), this.high(at + 7), this.low(at + 7), HYPHEN,
      this.high(at + 8), this.low(at + 8), this.high(at + 9), this.low(at + 9), HYPHEN,
      this.high(at + 10), this.low(at + 10), this.high(at + 11), this.low(at + 11),
      this.high(at + 12), this.low(at + 12), this.high(at + 13), this.low(at + 13),
      this.high(at + 14), this.low(at + 14), this.high(at + 15), this.low(at + 15),
    );
  }

  private high(at: number): number {
    return HIGH_DIGITS[this.view.getUint8(at)] ?? 0;
  }

  private low(at: number): number {
    return LOW_DIGITS[this.view.getUint8(at)] ?? 0;
  }

  text(maxBytes: number): string {
    const length = this.length(maxBytes, "a text");
    return length === 0 ? "" : this.buffer.utf8Slice(this.position, this.advance(length));
  }

  /** A text in which nothing starts another line, such as a mailbox or a code. */
  line(maxBytes: number): string {
    const text = this.text(maxBytes);
    return isLine(text) ? text : this.fail("a mailbox, name or code holds control characters");
  }

  bytes(): ByteString {
    return this.raw(this.length(MAX_BYTES, "a payload or result"));
  }

  /** `length` bytes as a byte string. */
  raw(length: number): ByteString {
    this.need(length);
    return length === 0 ? "" : this.buffer.latin1Slice(this.position, this.advance(length));
  }

  error(): TaskError {
    const code = this.line(MAX_KEY_BYTES);
    const message = this.text(MAX_TEXT_BYTES);
    return { code, message, stack: this.text(MAX_TEXT_BYTES) };
  }

  /** The item of a list that the next byte stands for. */
  choice<T>(items: readonly T[], what: string): T {
    const index = this.byte();
    return items[index] ?? this.fail(`${what} ${index} is unknown`);
  }

  finish(what: string): void {
    if (this.left > 0) this.fail(`${what} has ${this.left} bytes too many`);
  }

  fail(what: string): never {
    throw new YardmasterError(
      "INVALID_FRAME",
      `The frame or record is damaged at byte ${this.position}: ${what}. Nothing of it was used.`,
      { details: { what, offset: this.position } },
    );
  }

  private length(max: number, what: string): number {
    const length = this.uint();
    if (length > max) this.fail(`${what} has ${length} bytes, more than ${max}`);
    this.need(length);
    return length;
  }

  private need(bytes: number): void {
    if (bytes > this.end - this.position) this.fail(`${bytes} bytes are needed and ${this.left} are left`);
  }

  private advance(bytes: number): number {
    this.position += bytes;
    return this.position;
  }
}

/** The character code of one hexadecimal digit of each byte. */
function hexDigits(shift: number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => ((byte >> shift) & 15).toString(16).charCodeAt(0));
}
