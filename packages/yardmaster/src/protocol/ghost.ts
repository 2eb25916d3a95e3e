import { type ByteString, fromBuffer, toBuffer } from "./bytes.ts";
import { Reader } from "./reader.ts";
import { readSpec, writeSpec } from "./spec.ts";
import { MAX_KEY_BYTES, type Millis, type TaskSpec, type TaskTerms } from "./task.ts";
import { readTerms, writeTerms } from "./terms.ts";
import { checkVersion, GHOST_VERSIONS } from "./versions.ts";
import { Writer } from "./writer.ts";

/** An attempt that was given up and that its worker may still run: what it fills until that is over. */
export interface GhostRecord {
  readonly worker: string;
  readonly startedAt: Millis;
  readonly spec: TaskSpec;
  readonly terms: TaskTerms | null;
}

const writer = new Writer();

export function encodeGhost({ worker, startedAt, spec, terms }: GhostRecord): ByteString {
  writer.clear();
  writer.byte(GHOST_VERSIONS.written);
  writer.text(worker, MAX_KEY_BYTES);
  writer.uint(Math.floor(startedAt));
  writeSpec(writer, spec);
  writer.byte(terms === null ? 0 : 1);
  if (terms !== null) writeTerms(writer, terms);
  return fromBuffer(writer.toBuffer());
}

/** @throws UNSUPPORTED_VERSION for one of a newer version, INVALID_FRAME for what is none. */
export function decodeGhost(bytes: ByteString): GhostRecord {
  const reader = new Reader(toBuffer(bytes));
  const version = reader.byte();
  if (version === 0) reader.fail("version 0 does not exist");
  checkVersion(version, GHOST_VERSIONS, "The record of an attempt that was given up");
  const ghost: GhostRecord = {
    worker: reader.text(MAX_KEY_BYTES),
    startedAt: reader.uint(),
    spec: readSpec(reader),
    terms: reader.byte() === 0 ? null : readTerms(reader),
  };
  reader.finish("an attempt that was given up");
  return ghost;
}
