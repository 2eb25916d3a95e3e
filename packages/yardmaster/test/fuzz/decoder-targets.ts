import fc from "fast-check";
import { isDeepStrictEqual } from "node:util";
import { decodeFrame, encodeFrame, readHeader } from "../../src/protocol/frame.ts";
import { decodeQueue, decodeRecord, encodeQueue, encodeRecord } from "../../src/protocol/record.ts";
import { decodeSchedule, encodeSchedule } from "../../src/protocol/schedule.ts";
import { goldenVectors } from "./frame-parts.ts";
import { judged } from "./judgement.ts";
import { byteMutant, FRAME_COUNT, frameMutant } from "./mutants.ts";
import { type Target, target } from "./target.ts";

const seed = fc.nat(2 ** 31 - 1);
const steps = fc.array(seed, { minLength: 1, maxLength: 4 });
const noise = fc.uint8Array({ maxLength: 200 });

interface RecordKind {
  readonly what: string;
  readonly magic: number;
  readonly vectors: readonly Buffer[];
  readonly again: (bytes: Buffer) => void;
}

/** What can be read can be written, and is then read as the same (JSON has no -0 and nothing beyond all numbers). */
function roundTrip<T>(read: (bytes: Buffer) => T, write: (value: T) => Buffer): (bytes: Buffer) => void {
  return (bytes) => {
    const value = read(bytes);
    const again = read(write(value));
    if (isDeepStrictEqual(again, value) || JSON.stringify(again) === JSON.stringify(value)) return;
    throw new Error("What was read is written as something else.");
  };
}

const golden = goldenVectors("records.json");
const named = (isOne: (name: string) => boolean): Buffer[] =>
  golden.filter(([name]) => isOne(name)).map(([, bytes]) => bytes);

const RECORDS: readonly RecordKind[] = [
  {
    what: "task records",
    magic: 0x52,
    vectors: named((name) => name.includes("task")),
    again: roundTrip(decodeRecord, encodeRecord),
  },
  {
    what: "queue records",
    magic: 0x51,
    vectors: named((name) => name.startsWith("queue")),
    again: roundTrip(decodeQueue, encodeQueue),
  },
  {
    what: "schedule records",
    magic: 0x01,
    vectors: named((name) => name === "schedule"),
    again: roundTrip(
      (bytes) => decodeSchedule(bytes.toString("latin1")),
      (schedule) => Buffer.from(encodeSchedule(schedule), "latin1"),
    ),
  },
];

const frames = roundTrip(decodeFrame, encodeFrame);

/** Everything that makes values of bytes. */
export const DECODER_TARGETS: readonly Target[] = [
  target("frames", 60, fc.tuple(fc.nat(FRAME_COUNT - 1), steps), ([vector, seeds]) =>
    judged(() => frames(frameMutant(vector, seeds))),
  ),
  target("frame headers", 5, fc.tuple(fc.nat(FRAME_COUNT - 1), steps), ([vector, seeds]) =>
    judged(() => readHeader(frameMutant(vector, seeds))),
  ),
  target("noise as frames", 5, noise, (bytes) =>
    judged(() => decodeFrame(Buffer.concat([Buffer.from([0x59, 0x46, 1]), bytes]))),
  ),
  ...RECORDS.map(({ what, vectors, again }) =>
    target(what, 9, fc.tuple(fc.nat(vectors.length - 1), steps), ([vector, seeds]) =>
      judged(() => again(byteMutant(vectors[vector] ?? Buffer.alloc(0), seeds))),
    ),
  ),
  ...RECORDS.map(({ what, again, magic }) =>
    target(`noise as ${what}`, 1, noise, (bytes) =>
      judged(() => again(Buffer.concat([Buffer.from(magic === 1 ? [1] : [0x59, magic, 1]), bytes]))),
    ),
  ),
];
