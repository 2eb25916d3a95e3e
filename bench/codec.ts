/** What the codec costs per envelope: `node bench/codec.ts`. The best of several rounds, since the machine has other work. */
import { systemHost } from "../packages/yardmaster/src/host.ts";
import type { Envelope, Frame } from "../packages/yardmaster/src/protocol/envelope.ts";
import { decodeFrame, encodeFrame } from "../packages/yardmaster/src/protocol/frame.ts";
import { createTaskIds } from "../packages/yardmaster/src/protocol/ids.ts";
import { decodeRecord, encodeRecord } from "../packages/yardmaster/src/protocol/record.ts";
import type { TaskRecord, TaskSpec } from "../packages/yardmaster/src/protocol/task.ts";

const ENVELOPES = 500;
const ROUNDS = 15;
const FRAMES_A_ROUND = 40;

const ids = createTaskIds(systemHost);
const spec: TaskSpec = {
  name: "image.resize",
  queue: "media",
  version: 1,
  attempts: 3,
  backoff: { type: "exponential", baseMs: 1000, maxMs: 60_000, jitter: "full" },
  timeoutMs: 60_000,
  graceMs: 5000,
  delivery: "at-least-once",
  keepResultMs: 86_400_000,
  keepFailureMs: 604_800_000,
};
const payload = JSON.stringify({
  url: "https://example.com/a/picture.jpeg",
  width: 640,
  height: 480,
  note: "",
}).padEnd(100);
const now = Date.now();

const makers: Record<string, () => Envelope> = {
  submit: () => ({
    type: "submit",
    submission: {
      id: ids.next(0),
      spec,
      priority: 0,
      runAt: 0,
      delayMs: 0,
      expiresInMs: 0,
      key: null,
      retryOf: "",
      replyTo: "client:9tbymn82gd9qy8pspafkaraach",
      copy: false,
      terms: null,
      payload,
    },
  }),
  assign: () => ({
    type: "assign",
    id: ids.next(0),
    attempt: 1,
    name: spec.name,
    version: 1,
    attempts: 3,
    timeoutMs: 60_000,
    graceMs: 5000,
    expiresAt: 0,
    payload,
  }),
  outcome: () => ({
    type: "outcome",
    id: ids.next(0),
    epoch: 7,
    attempt: 1,
    kind: "succeeded",
    delayMs: 0,
    result: '{"ok":true}',
    error: null,
    startedAt: now,
  }),
  settled: () => ({
    type: "settled",
    id: ids.next(0),
    state: "succeeded",
    code: "",
    attempt: 1,
    result: '{"ok":true}',
    resultBytes: 11,
    error: null,
  }),
};

const record: TaskRecord = {
  id: ids.next(0),
  spec,
  state: "assigned",
  priority: 0,
  attempt: 1,
  epoch: 7,
  deaths: 0,
  runAt: 0,
  expiresAt: 0,
  submittedAt: now,
  startedAt: now,
  finishedAt: 0,
  worker: "9tbymn82gd9qy8pspafkaraach",
  replyTo: "client:9tbymn82gd9qy8pspafkaraach",
  retryOf: "",
  key: "",
  cancelRequested: false,
  code: "",
  error: null,
  aliasOf: "",
  terms: null,
  payloadBytes: payload.length,
};

// Ids come out of the generator as joined strings; in the kernel they are flat because a decoder made them.
const frames = Object.entries(makers).map(([name, make]) => {
  const envelopes = Array.from({ length: ENVELOPES }, make);
  const frame: Frame = {
    from: "client:9tbymn82gd9qy8pspafkaraach",
    shard: 0,
    epoch: 7,
    sequence: 1,
    envelopes,
  };
  return { name, bytes: encodeFrame(frame), frame: decodeFrame(encodeFrame(frame)) };
});
const recordBytes = encodeRecord(record);

for (let pass = 0; pass < 2; pass++) {
  for (const { name, frame, bytes } of frames) {
    const encode = fastest(ENVELOPES, () => encodeFrame(frame));
    const decode = fastest(ENVELOPES, () => decodeFrame(bytes));
    // The first pass shows every shape to the compiler, as a running dispatcher has by then.
    if (pass === 1) report(name, bytes.length / ENVELOPES, encode, decode);
  }
  const encode = fastest(ENVELOPES, () => repeat(() => encodeRecord(record)));
  const decode = fastest(ENVELOPES, () => repeat(() => decodeRecord(recordBytes)));
  if (pass === 1) report("record", recordBytes.length, encode, decode);
}

function repeat(run: () => unknown): void {
  for (let count = 0; count < ENVELOPES; count++) run();
}

function fastest(items: number, run: () => unknown): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint();
    for (let count = 0; count < FRAMES_A_ROUND; count++) run();
    best = Math.min(best, Number(process.hrtime.bigint() - start) / (FRAMES_A_ROUND * items));
  }
  return best;
}

function report(name: string, bytes: number, encode: number, decode: number): void {
  console.log(
    `${name.padEnd(8)} ${bytes.toFixed(0).padStart(4)} bytes   encode ${encode.toFixed(0).padStart(4)} ns   decode ${decode.toFixed(0).padStart(4)} ns`,
  );
}
