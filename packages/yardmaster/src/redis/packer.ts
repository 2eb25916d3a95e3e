import type { ByteString } from "../protocol/bytes.ts";
import type { TaskId } from "../protocol/task.ts";
import type { Writer } from "../protocol/writer.ts";
import { FIELD_BYTES, writeField } from "./keys.ts";

const ARRAY = 0xdd;
const BYTES = 0xdb;
const HEAD_BYTES = 5;

/** Sends and acknowledgements as a script takes them: the mailboxes' keys and the frames, and what is packed among the rest. */
export interface PackedMail {
  readonly keys: readonly string[];
  /** Arguments of their own: Lua goes over each byte of a string that it makes, and would make these twice. */
  readonly frames: readonly Buffer[];
  /** `before` is how many other keys the script has before these. */
  pack(packer: Packer, before: number): void;
}

/**
 * Packs lists of byte strings as MessagePack, which Redis's Lua reads in one call. One argument of many parts costs
 * the driver and the server much less than many arguments.
 */
export class Packer {
  #buffer = Buffer.allocUnsafe(64 * 1024);
  #at = 0;
  #open = 0;

  clear(): void {
    // One large tick must not hold its memory for ever.
    if (this.#buffer.length > KEPT_BYTES) this.#buffer = Buffer.allocUnsafe(64 * 1024);
    this.#at = 0;
  }

  /** A copy, since the driver may write it later. */
  toBuffer(): Buffer {
    return Buffer.from(this.#buffer.subarray(0, this.#at));
  }

  list(length: number): void {
    this.#head(ARRAY, length);
  }

  bytes(bytes: Uint8Array): void {
    this.#head(BYTES, bytes.length);
    this.raw(bytes);
  }

  /** A task's field. */
  field(id: TaskId): void {
    this.#head(BYTES, FIELD_BYTES);
    this.rawField(id);
  }

  /** A byte string, or ASCII text. */
  text(text: ByteString): void {
    this.#head(BYTES, text.length);
    this.latin1(text);
  }

  /** Starts bytes of several parts, which end with `end`: `latin1`, `raw`, `rawField`, `written`, `double`, `uint16`. */
  begin(): void {
    this.#head(BYTES, 0);
    this.#open = this.#at;
  }

  end(): void {
    this.#buffer.writeUInt32BE(this.#at - this.#open, this.#open - 4);
  }

  latin1(text: ByteString): void {
    this.#room(text.length);
    this.#at += this.#buffer.latin1Write(text, this.#at);
  }

  raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#buffer.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  rawField(id: TaskId): void {
    this.#room(FIELD_BYTES);
    writeField(this.#buffer, this.#at, id);
    this.#at += FIELD_BYTES;
  }

  written(writer: Writer): void {
    this.#room(writer.position);
    this.#at = writer.copyTo(this.#buffer, this.#at);
  }

  double(value: number): void {
    this.#room(8);
    this.#at = this.#buffer.writeDoubleLE(value, this.#at);
  }

  uint16(value: number): void {
    this.#room(2);
    this.#at = this.#buffer.writeUInt16LE(value, this.#at);
  }

  #head(kind: number, length: number): void {
    this.#room(HEAD_BYTES);
    this.#buffer[this.#at] = kind;
    this.#at = this.#buffer.writeUInt32BE(length, this.#at + 1);
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at + bytes));
    larger.set(this.#buffer.subarray(0, this.#at));
    this.#buffer = larger;
  }
}

const KEPT_BYTES = 4 * 1024 * 1024;
