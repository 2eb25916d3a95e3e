import { describe, expect, it } from "vitest";
import fc from "../../test/property.ts";
import { isKey, isLine, isName } from "./check.ts";
import type { Envelope, Frame, LogLine } from "./envelope.ts";
import { YardmasterError } from "./errors.ts";
import { decodeFrame, encodeFrame, readHeader } from "./frame.ts";
import { decodeQueue, decodeRecord, encodeQueue, encodeRecord } from "./record.ts";
import {
  ADMISSIONS,
  type Backoff,
  FAILED_DEPENDENCY_RULES,
  MAX_AMOUNT,
  MAX_GRAPH_TASKS,
  MAX_WEIGHT,
  MIN_WEIGHT,
  ORDERS,
  PLACEMENTS,
  type QueueRecord,
  type QueueSettings,
  type Rate,
  STATES,
  type Submission,
  type TaskError,
  type TaskLinks,
  type TaskRecord,
  type TaskRequirements,
  type TaskSpec,
  type TaskTerms,
  TERMINAL_STATES,
} from "./task.ts";
import { MAX_ASKED_MS } from "./writer.ts";

const number = fc.oneof(fc.nat(200), fc.nat(), fc.maxSafeNat());
/** What somebody asks for, in milliseconds. */
const asked = fc.oneof(fc.nat(200), fc.nat(), fc.integer({ min: 0, max: MAX_ASKED_MS }));
const text = fc.string({ unit: "binary", maxLength: 60 });
const name = fc.oneof(fc.constantFrom("image.resize", "media"), text.filter(isName));
const oneLine = text.filter(isLine);
const mailbox = fc.oneof(fc.constantFrom("", "client:a", "worker:b"), oneLine);
const byteString = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).latin1Slice());
const id = fc.uuid({ version: 7 });
const stored = fc.record(
  {
    states: fc.subarray([...STATES]),
    queue: text,
    name: text,
    from: number,
    to: number,
    before: id,
    limit: fc.nat(1000),
  },
  { requiredKeys: ["states", "limit"] },
);
const idOrNone = fc.oneof(fc.constant(""), id);
const jitter = fc.constantFrom("none", "full");

const backoff: fc.Arbitrary<Backoff> = fc.oneof(
  fc.record({ type: fc.constant("fixed"), baseMs: asked, jitter }),
  fc.record({ type: fc.constant("exponential"), baseMs: asked, maxMs: asked, jitter }),
  fc.record({ type: fc.constant("list"), delaysMs: fc.array(asked, { maxLength: 5 }), jitter }),
);
const positive = fc.oneof(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1 }));
const rateOrNull: fc.Arbitrary<Rate | null> = fc.option(
  fc.record({ limit: positive, perMs: positive, burst: positive }),
);
const plainSpec: fc.Arbitrary<TaskSpec> = fc.record({
  name,
  queue: name,
  version: number,
  attempts: number,
  backoff,
  timeoutMs: asked,
  graceMs: asked,
  delivery: fc.constantFrom("at-least-once", "at-most-once"),
  keepResultMs: asked,
  keepFailureMs: asked,
});
const limits = fc.record({ concurrency: number, rate: rateOrNull });
const limitedSpec: fc.Arbitrary<TaskSpec> = fc.oneof(
  plainSpec,
  fc.tuple(plainSpec, limits).map(([plain, limits]) => ({ ...plain, limits })),
);
const amount = fc.nat(MAX_AMOUNT).map((parts) => parts / 1000);
const labels = fc.dictionary(name, text, { maxKeys: 3, noNullPrototype: true });
const needs = fc.dictionary(name, amount, { maxKeys: 3, noNullPrototype: true });
const requirements: fc.Arbitrary<TaskRequirements> = fc.record({ needs, labels, preferred: labels });
const spec: fc.Arbitrary<TaskSpec> = fc.oneof(
  limitedSpec,
  fc.tuple(limitedSpec, requirements).map(([limited, requirements]) => ({ ...limited, requirements })),
  fc
    .tuple(limitedSpec, fc.double({ min: 1, max: 1_000, noNaN: true }), number)
    .map(([limited, afterFactor, afterMs]) => ({ ...limited, speculation: { afterFactor, afterMs } })),
);
const error: fc.Arbitrary<TaskError> = fc.record({ code: oneLine, message: text, stack: text });
const errorOrNull = fc.option(error);
const keyOrNone = fc.oneof(fc.constantFrom("", "tenant-7"), text.filter(isKey));
const plainTerms: fc.Arbitrary<TaskTerms> = fc.record({
  deadline: number,
  deadlineInMs: asked,
  fairnessKey: keyOrNone,
  weight: fc.constantFrom(1, 0.5, MIN_WEIGHT, MAX_WEIGHT),
  concurrencyKey: keyOrNone,
  rateKey: keyOrNone,
  affinityKey: keyOrNone,
});
const replace = fc.record({ key: text.filter(isKey), waitMs: asked, maxWaitMs: asked, until: number });
const termsOrNull: fc.Arbitrary<TaskTerms | null> = fc.option(
  fc.oneof(
    plainTerms,
    fc.tuple(plainTerms, replace).map(([plain, replace]) => ({ ...plain, replace })),
    fc.tuple(plainTerms, text).map(([plain, trace]) => ({ ...plain, trace })),
  ),
);
const links: fc.Arbitrary<TaskLinks> = fc.oneof(
  fc.record({
    graph: fc.constant(""),
    members: fc.constant(0),
    after: fc.array(id, { maxLength: 4 }),
    onFailure: fc.constantFrom(...FAILED_DEPENDENCY_RULES),
    fed: fc.boolean(),
  }),
  fc.record({
    graph: id,
    members: fc.integer({ min: 1, max: MAX_GRAPH_TASKS }),
    after: fc.array(id, { maxLength: 4 }),
    onFailure: fc.constantFrom(...FAILED_DEPENDENCY_RULES),
    fed: fc.boolean(),
  }),
);
/** As it is, or linked to others. */
function orLinked<T extends object>(
  plain: fc.Arbitrary<T>,
): fc.Arbitrary<T & { readonly links?: TaskLinks }> {
  return fc.oneof(
    plain,
    fc
      .tuple(plain, links)
      .map(([one, links]) => ({ ...one, ...("copy" in one ? { key: null } : {}), links })),
  );
}
const submission: fc.Arbitrary<Submission> = orLinked(
  fc.record({
    id,
    spec,
    priority: fc.nat(255),
    runAt: asked,
    delayMs: asked,
    expiresInMs: asked,
    key: fc.option(
      fc.record({
        key: text.filter(isKey),
        windowMs: asked,
        inputHash: byteString.map((bytes) => bytes.slice(0, 64)),
      }),
    ),
    retryOf: idOrNone,
    replyTo: mailbox,
    copy: fc.boolean(),
    terms: termsOrNull,
    payload: byteString,
  }),
);
const plainQueue: fc.Arbitrary<QueueRecord> = fc.record({
  name,
  order: fc.constantFrom(...ORDERS),
  placement: fc.constantFrom(...PLACEMENTS),
  paused: fc.boolean(),
  revision: number,
});
const settings: fc.Arbitrary<QueueSettings> = fc.record({
  weight: fc.integer({ min: 1, max: 1000 }),
  precedence: fc.nat(255),
  agingMs: positive,
  concurrency: number,
  rate: rateOrNull,
  admission: fc.constantFrom(...ADMISSIONS),
});
const queue: fc.Arbitrary<QueueRecord> = fc.oneof(
  plainQueue,
  fc.tuple(plainQueue, settings).map(([plain, settings]) => ({ ...plain, settings })),
);
const queues = fc.array(queue, { maxLength: 3 });
/** Values as JSON has them: `fc.jsonValue` also makes -0, which JSON writes as 0. */
const jsonValue: fc.Arbitrary<unknown> = fc
  .json()
  .map((json) => JSON.parse(JSON.stringify(JSON.parse(json))));
const fraction = fc.double({ min: 0, max: 1, noNaN: true });
const line: fc.Arbitrary<LogLine> = fc.record({
  at: asked,
  level: fc.constantFrom("debug", "info", "warn", "error"),
  message: text,
});
const unskipped: fc.Arbitrary<TaskRecord> = orLinked(
  fc.record({
    id,
    spec,
    state: fc.constantFrom(...STATES),
    priority: fc.nat(255),
    attempt: number,
    epoch: number,
    deaths: number,
    runAt: number,
    expiresAt: number,
    submittedAt: number,
    startedAt: number,
    finishedAt: number,
    worker: text,
    replyTo: mailbox,
    retryOf: idOrNone,
    key: fc.oneof(fc.constant(""), text.filter(isKey)),
    cancelRequested: fc.boolean(),
    code: text,
    error: errorOrNull,
    aliasOf: idOrNone,
    payloadBytes: fc.nat(4096),
    terms: termsOrNull,
  }),
);
const record: fc.Arbitrary<TaskRecord> = fc.oneof(
  unskipped,
  fc.tuple(unskipped, positive).map(([one, skipped]) => ({ ...one, skipped })),
);

function envelope<T extends Envelope["type"], F extends object>(
  type: T,
  fields: { readonly [K in keyof F]: fc.Arbitrary<F[K]> },
): fc.Arbitrary<{ readonly type: T } & F> {
  return fc.record(fields).map((record) => ({ type, ...(record as F) }));
}

/** One for each type: the compiler sees to it that none is left out. */
const arbitraries: { [T in Envelope["type"]]: fc.Arbitrary<Extract<Envelope, { readonly type: T }>> } = {
  answered: envelope("answered", { sequence: number }),
  submit: envelope("submit", { submission }),
  outcome: envelope("outcome", {
    id,
    epoch: number,
    attempt: number,
    kind: fc.constantFrom("succeeded", "failed", "final", "retryIn", "returned", "cancelled"),
    delayMs: asked,
    result: byteString,
    error: errorOrNull,
    startedAt: asked,
  }),
  register: envelope("register", {
    worker: oneLine,
    mailbox,
    credit: number,
    tasks: fc.array(fc.record({ name, version: number }), { maxLength: 3 }),
    queues,
    labels: fc.dictionary(text, text, { maxKeys: 3, noNullPrototype: true }),
    resources: fc.dictionary(text, amount, { maxKeys: 3, noNullPrototype: true }),
  }),
  heartbeat: envelope("heartbeat", { worker: oneLine, number, credit: number, stalledMs: asked }),
  held: envelope("held", {
    worker: oneLine,
    epoch: number,
    seen: number,
    attempts: fc.array(
      fc.record({
        id,
        epoch: number,
        attempt: number,
        state: fc.constantFrom("waiting", "running", "finished"),
      }),
      { maxLength: 3 },
    ),
  }),
  goodbye: envelope("goodbye", { worker: oneLine }),
  cancel: envelope("cancel", { id, reason: text, request: number }),
  watch: envelope("watch", { id }),
  note: envelope("note", {
    note: fc.record({
      id,
      attempt: number,
      startedAt: asked,
      progress: fc.option(fc.record({ fraction, note: text })),
      logs: fc.array(line, { maxLength: 3 }),
    }),
  }),
  query: envelope("query", {
    request: number,
    query: fc.oneof(
      fc.record({ type: fc.constant("status"), id }),
      fc.record(
        { type: fc.constant("list"), state: text, queue: text, name: text, after: id, limit: number },
        { requiredKeys: ["type", "limit"] },
      ),
      fc.record({ type: fc.constant("list"), limit: number, stored }),
      fc.record({ type: fc.constantFrom("queues", "workers") }),
      fc.record({ type: fc.constant("activity"), after: number, limit: fc.nat(1000) }),
      fc.record({ type: fc.constant("graph"), id, from: fc.nat(1000), limit: fc.nat(1000) }),
      fc.record({ type: fc.constant("graphs"), limit: fc.nat(1000) }),
    ),
  }),
  command: envelope("command", {
    request: number,
    command: fc.oneof(
      fc.record({ type: fc.constantFrom("pause", "resume"), queue: name }),
      fc.record({ type: fc.constant("apply"), queues }),
      fc.record({ type: fc.constant("drain"), worker: oneLine }),
      fc.record({ type: fc.constant("schedule"), schedule: text }),
      fc.record({ type: fc.constantFrom("pauseSchedule", "resumeSchedule", "unschedule"), schedule: name }),
    ),
  }),
  marker: envelope("marker", { worker: oneLine, boot: oneLine, heardAt: number }),
  echo: envelope("echo", { nonce: number }),
  handover: envelope("handover", { owner: oneLine, epoch: number, shards: number }),
  assign: envelope("assign", {
    id,
    attempt: number,
    name,
    version: number,
    attempts: number,
    timeoutMs: asked,
    graceMs: asked,
    expiresAt: number,
    payload: fc.option(byteString),
  }),
  abort: envelope("abort", {
    id,
    epoch: number,
    attempt: number,
    reason: fc.constantFrom("cancelled", "timedOut"),
  }),
  heartbeatAnswer: envelope("heartbeatAnswer", {
    number,
    sent: number,
    known: fc.boolean(),
    credit: number,
    ready: number,
  }),
  takeover: fc.constant({ type: "takeover" }),
  drain: fc.oneof(fc.constant({ type: "drain" } as const), envelope("drain", { withinMs: number })),
  slots: envelope("slots", { slots: number }),
  accepted: envelope("accepted", {
    id,
    outcome: fc.constantFrom("duplicate", "refused"),
    of: idOrNone,
    code: oneLine,
    message: text,
  }),
  settled: envelope("settled", {
    id,
    state: fc.constantFrom(...TERMINAL_STATES),
    code: oneLine,
    attempt: number,
    result: fc.option(byteString),
    resultBytes: fc.nat(4096),
    error: errorOrNull,
  }),
  event: envelope("event", {
    id,
    event: fc.oneof(
      fc.record({ type: fc.constant("started"), attempt: number, worker: oneLine, at: asked }),
      fc.record({ type: fc.constant("progress"), attempt: number, fraction, note: text }),
      fc.record({ type: fc.constant("log"), attempt: number, line }),
      fc.record({ type: fc.constant("retried"), attempt: number, runAt: number, error: errorOrNull }),
    ),
  }),
  reply: envelope("reply", { request: number, ok: fc.boolean(), value: jsonValue }),
  unknown: envelope("unknown", { id }),
  cancelDone: envelope("cancelDone", { request: number, id, state: fc.constantFrom(...TERMINAL_STATES) }),
};

const frameOf = (envelopes: fc.Arbitrary<Envelope>): fc.Arbitrary<Frame> =>
  fc.record({
    from: mailbox,
    shard: fc.nat(4095),
    epoch: number,
    sequence: number,
    envelopes: fc.array(envelopes, { maxLength: 8 }),
  });
const anyFrame = frameOf(fc.oneof(...Object.values<fc.Arbitrary<Envelope>>(arbitraries)));

describe("a frame", () => {
  for (const [type, arbitrary] of Object.entries<fc.Arbitrary<Envelope>>(arbitraries)) {
    it(`carries ${type} there and back`, () => {
      fc.assert(
        fc.property(frameOf(arbitrary), (frame) => {
          expect(decodeFrame(encodeFrame(frame))).toEqual(frame);
        }),
      );
    });
  }

  it("carries envelopes of all types together, and its header can be read alone", () => {
    fc.assert(
      fc.property(anyFrame, (frame) => {
        const bytes = encodeFrame(frame);
        expect(decodeFrame(bytes)).toEqual(frame);
        const { from, shard, epoch, sequence } = frame;
        expect(readHeader(bytes)).toEqual({ version: 1, from, shard, epoch, sequence });
      }),
    );
  });
});

describe("a record", () => {
  it("of a task survives being stored", () => {
    fc.assert(
      fc.property(record, (task) => {
        expect(decodeRecord(encodeRecord(task))).toEqual(task);
      }),
    );
  });

  it("of a queue survives being stored", () => {
    fc.assert(
      fc.property(queue, (settings) => {
        expect(decodeQueue(encodeQueue(settings))).toEqual(settings);
      }),
    );
  });
});

type Mutation = (bytes: Buffer) => Buffer;

const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(place, fc.nat(255)).map(([at, value]) => (bytes: Buffer) => {
    const copy = Buffer.from(bytes);
    copy[Math.floor(at * copy.length)] = value;
    return copy;
  }),
  place.map((at) => (bytes: Buffer) => bytes.subarray(0, Math.floor(at * bytes.length))),
  fc.tuple(place, fc.uint8Array({ maxLength: 12 })).map(([at, extra]) => (bytes: Buffer) => {
    const cut = Math.floor(at * bytes.length);
    return Buffer.concat([bytes.subarray(0, cut), extra, bytes.subarray(cut)]);
  }),
  fc.tuple(place, place).map(([from, to]) => (bytes: Buffer) => {
    const cut = Math.floor(from * bytes.length);
    return Buffer.concat([bytes.subarray(0, cut), bytes.subarray(Math.floor(to * bytes.length))]);
  }),
);
const mutations = fc.array(mutation, { minLength: 1, maxLength: 4 });
const noise = fc.uint8Array({ maxLength: 200 });

const pristine = JSON.stringify(Object.getOwnPropertyNames(Object.prototype));

function expectDecodedOrRefused(decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array): void {
  try {
    decode(bytes);
  } catch (caught) {
    if (!(caught instanceof YardmasterError)) throw caught;
    // Two bytes alone say that a frame is signed, which nobody here has the key of, or that it was refused before.
    expect(["INVALID_FRAME", "KEY_MISSING", "FRAME_UNTRUSTED", "UNSUPPORTED_VERSION"]).toContain(caught.code);
  }
  expect(JSON.stringify(Object.getOwnPropertyNames(Object.prototype))).toBe(pristine);
}

describe("bytes that nobody can trust", () => {
  const decoders: [string, (bytes: Uint8Array) => unknown, fc.Arbitrary<Buffer>, number, number][] = [
    ["a frame", decodeFrame, anyFrame.map(encodeFrame), 0x46, 8000],
    ["a frame's header", readHeader, anyFrame.map(encodeFrame), 0x46, 1000],
    ["a record", decodeRecord, record.map(encodeRecord), 0x52, 4000],
    ["a queue", decodeQueue, queue.map(encodeQueue), 0x51, 1000],
  ];
  for (const [what, decode, valid, kind, numRuns] of decoders) {
    it(`are ${what} or are refused`, () => {
      fc.assert(
        fc.property(valid, mutations, (bytes, steps) =>
          expectDecodedOrRefused(
            decode,
            steps.reduce((mutant, step) => step(mutant), bytes),
          ),
        ),
        { numRuns },
      );
      fc.assert(
        fc.property(noise, (bytes) => {
          expectDecodedOrRefused(decode, bytes);
          expectDecodedOrRefused(decode, Buffer.concat([Buffer.from([0x59, kind, 1]), bytes]));
        }),
        { numRuns: 2000 },
      );
    });
  }
});
