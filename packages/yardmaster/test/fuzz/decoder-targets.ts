import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { decodeFrame, encodeFrame, readHeader } from "../../src/protocol/frame.ts";
import { decodeQueue, decodeRecord, encodeQueue, encodeRecord } from "../../src/protocol/record.ts";
import { decodeSchedule, encodeSchedule } from "../../src/protocol/schedule.ts";
import { FrameSigner } from "../../src/security/frame-signer.ts";
import { Vault } from "../../src/security/vault.ts";
import { partsOf } from "../../src/stores/redis-reads.ts";
import { createManualHost } from "../../src/testing/manual-host.ts";
import { goldenVectors } from "./frame-parts.ts";
import { type Ending, expectPristine, judged, MARK } from "./judgement.ts";
import { byteMutant, FRAME_COUNT, frameMutant } from "./mutants.ts";
import { decoder, type Target } from "./target.ts";

const seed = fc.nat(2 ** 31 - 1);
const steps = fc.array(seed, { minLength: 1, maxLength: 4 });
const maybeSteps = fc.array(seed, { maxLength: 3 });
const mailbox = fc.constantFrom("here", "elsewhere");
const NOISE = 0.1;
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

const KEYS = { old: Buffer.alloc(32, 1), new: Buffer.alloc(32, 2) };
const host = createManualHost();
const signer = new FrameSigner({ keys: KEYS, current: "new" }, host);
const SIGNED = Array.from({ length: FRAME_COUNT }, (_, vector) =>
  signer.sign("here", frameMutant(vector, [])),
);

/** What was signed is trusted in its own mailbox as it is, and in no other way. */
function verified(vector: number, seeds: readonly number[], mailbox: string): Ending {
  const whole = SIGNED[vector] ?? Buffer.alloc(0);
  const bytes = byteMutant(whole, seeds);
  const trusted = signer.verify(mailbox, bytes);
  expectPristine();
  if (typeof trusted === "string") return trusted;
  if (mailbox === "here" && bytes.equals(whole)) return "taken";
  throw new Error("A changed frame is trusted.");
}

const vault = new Vault({ keys: KEYS, current: "new" }, host);
const OWN = { part: "payload", id: "01a20a41-b509-7bda-b299-aa96b368d005" } as const;
const BINDINGS = [
  OWN,
  { part: "result", id: OWN.id },
  { part: "payload", id: "01a20a41-b509-7bda-b299-aa96b368d006" },
  { part: "schedule", name: "nightly" },
] as const;
const SECRET = JSON.stringify({ secret: MARK });
const SEALED = Buffer.from(vault.seal(SECRET, OWN), "latin1");

/** What was encrypted is read for its own task and part as it is, and in no other way; no refusal has any of it. */
function unsealed(seeds: readonly number[], binding: (typeof BINDINGS)[number]): Ending {
  const bytes = byteMutant(SEALED, seeds);
  return judged(() => {
    const opened = vault.open(bytes.toString("latin1"), binding);
    if (opened !== SECRET || binding !== OWN || !bytes.equals(SEALED))
      throw new Error("A changed payload is read.");
  });
}

/** As Redis keeps a task: two lengths, what they are of, and the record. */
const TASK_VALUES = named((name) => name.includes("task")).map((bytes) =>
  Buffer.concat([Buffer.from([2, 0, 123, 125, 0, 0, 0xff, 0xff]), bytes]),
);

/** Everything that makes values of bytes. */
export const DECODER_TARGETS: readonly Target[] = [
  decoder("frames", 1, fc.tuple(fc.nat(FRAME_COUNT - 1), steps), ([vector, seeds]) =>
    judged(() => frames(frameMutant(vector, seeds))),
  ),
  decoder("frame headers", 1, fc.tuple(fc.nat(FRAME_COUNT - 1), steps), ([vector, seeds]) =>
    judged(() => readHeader(frameMutant(vector, seeds))),
  ),
  decoder("noise as frames", NOISE, noise, (bytes) =>
    judged(() => decodeFrame(Buffer.concat([Buffer.from([0x59, 0x46, 1]), bytes]))),
  ),
  ...RECORDS.map(({ what, vectors, again }) =>
    decoder(what, 1, fc.tuple(fc.nat(vectors.length - 1), steps), ([vector, seeds]) =>
      judged(() => again(byteMutant(vectors[vector] ?? Buffer.alloc(0), seeds))),
    ),
  ),
  decoder("signed frames", 1, fc.tuple(fc.nat(FRAME_COUNT - 1), maybeSteps, mailbox), ([vector, seeds, to]) =>
    verified(vector, seeds, to),
  ),
  decoder("encrypted payloads", 1, fc.tuple(maybeSteps, fc.constantFrom(...BINDINGS)), ([seeds, binding]) =>
    unsealed(seeds, binding),
  ),
  decoder("task values of Redis", 1, fc.tuple(fc.nat(TASK_VALUES.length - 1), steps), ([vector, seeds]) =>
    judged(() => partsOf(byteMutant(TASK_VALUES[vector] ?? Buffer.alloc(0), seeds))),
  ),
  ...RECORDS.map(({ what, again, magic }) =>
    decoder(`noise as ${what}`, NOISE, noise, (bytes) =>
      judged(() => again(Buffer.concat([Buffer.from(magic === 1 ? [1] : [0x59, magic, 1]), bytes]))),
    ),
  ),
];
