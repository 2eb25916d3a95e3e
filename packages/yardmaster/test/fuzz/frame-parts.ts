import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Envelope } from "../../src/protocol/envelope.ts";
import { decodeFrame, encodeFrame } from "../../src/protocol/frame.ts";
import { MARK } from "./judgement.ts";

const GOLDEN = join(import.meta.dirname, "../../src/protocol/golden");

/** A frame in its parts, as its layout has them and not as its reader takes them: each can be changed by itself. */
export interface FrameParts {
  readonly start: Buffer;
  readonly from: Buffer;
  /** Shard, epoch, sequence, then the numbers of envelopes, texts and specs. */
  readonly numbers: readonly bigint[];
  readonly tables: Buffer;
  readonly envelopes: readonly EnvelopePart[];
}

export interface EnvelopePart {
  readonly type: number;
  readonly body: Buffer;
  /** What its length field says beyond the truth. */
  readonly lie: number;
}

/** The first type whose body is a length and JSON; those before it are binary. */
export const FIRST_JSON_TYPE = 5;
const HEADER_NUMBERS = 6;
const START_BYTES = 3;
const MARKED = JSON.stringify({ secret: MARK });

/** A vector's bytes by its name; no golden file holds other things. */
export function goldenVectors(file: "frames.json" | "records.json"): readonly (readonly [string, Buffer])[] {
  const vectors: Record<string, string> = JSON.parse(readFileSync(join(GOLDEN, file), "utf8"));
  return Object.entries(vectors).map(([name, hex]) => [name, Buffer.from(hex, "hex")] as const);
}

/** The golden frames, with the mark in every payload and result: wherever it is seen later, they were told. */
export function markedFrames(): readonly (readonly [string, Buffer])[] {
  return goldenVectors("frames.json").map(([name, bytes]) => {
    const frame = decodeFrame(bytes);
    const envelopes = frame.envelopes.map((one): Envelope => {
      if (one.type === "submit") return { ...one, submission: { ...one.submission, payload: MARKED } };
      if ("payload" in one && one.payload !== null) return { ...one, payload: MARKED };
      return "result" in one && one.result !== null ? { ...one, result: MARKED } : one;
    });
    return [name, encodeFrame({ ...frame, envelopes })] as const;
  });
}

/** Takes apart a frame that is whole. */
export function partsOf(frame: Buffer): FrameParts {
  let [length, at] = readVarint(frame, START_BYTES);
  const from = frame.subarray(at, at + Number(length));
  at += Number(length);
  const numbers: bigint[] = [];
  while (numbers.length < HEADER_NUMBERS) {
    [length, at] = readVarint(frame, at);
    numbers.push(length);
  }
  const tablesEnd = endOfTables(frame, at, numbers);
  const envelopes: EnvelopePart[] = [];
  for (let next = tablesEnd; next < frame.length; ) {
    const bytes = frame.readUInt32LE(next);
    envelopes.push({ type: frame[next + 4] ?? 0, body: frame.subarray(next + 5, next + 4 + bytes), lie: 0 });
    next += 4 + bytes;
  }
  return {
    start: frame.subarray(0, START_BYTES),
    from,
    numbers,
    tables: frame.subarray(at, tablesEnd),
    envelopes,
  };
}

/** Texts and specs all have their length in front. */
function endOfTables(frame: Buffer, start: number, numbers: readonly bigint[]): number {
  const [, , , , texts = 0n, specs = 0n] = numbers;
  let at = start;
  for (let item = 0n; item < texts + specs; item += 1n) {
    const [length, next] = readVarint(frame, at);
    at = next + Number(length);
  }
  return at;
}

export function together({ start, from, numbers, tables, envelopes }: FrameParts): Buffer {
  return Buffer.concat([
    start,
    varint(BigInt(from.length)),
    from,
    ...numbers.map(varint),
    tables,
    ...envelopes.flatMap(({ type, body, lie }) => {
      const head = Buffer.alloc(5);
      head.writeUInt32LE((body.length + 1 + lie) >>> 0);
      head[4] = type & 255;
      return [head, body];
    }),
  ]);
}

/** The JSON of an envelope whose body is that. */
export function jsonOf({ body }: EnvelopePart): string {
  const [, at] = readVarint(body, 0);
  return body.toString("utf8", at);
}

export function jsonBody(json: string): Buffer {
  const bytes = Buffer.from(json, "utf8");
  return Buffer.concat([varint(BigInt(bytes.length)), bytes]);
}

function readVarint(bytes: Buffer, start: number): [value: bigint, next: number] {
  let value = 0n;
  let shift = 0n;
  let at = start;
  for (;;) {
    const byte = bytes[at] ?? 0;
    at += 1;
    value |= BigInt(byte & 127) << shift;
    if (byte < 128) return [value, at];
    shift += 7n;
  }
}

export function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value;
  do {
    const more = rest >> 7n;
    bytes.push(Number(rest & 127n) | (more > 0n ? 128 : 0));
    rest = more;
  } while (rest > 0n);
  return Buffer.from(bytes);
}
