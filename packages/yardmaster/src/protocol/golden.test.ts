import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Envelope, Frame } from "./envelope.ts";
import { decodeFrame, encodeFrame } from "./frame.ts";
import { decodeQueue, decodeRecord, encodeQueue, encodeRecord } from "./record.ts";
import { decodeSchedule, encodeSchedule, type ScheduleRecord } from "./schedule.ts";
import type {
  PastAttempt,
  QueueRecord,
  Submission,
  TaskError,
  TaskLinks,
  TaskRecord,
  TaskSpec,
  TaskTerms,
} from "./task.ts";

/**
 * Bytes that were written once must be readable for ever. With UPDATE_GOLDEN=1 the vectors are written anew: only
 * for a new type, or together with a new version and a reader of the old one.
 */
const UPDATE = process.env["UPDATE_GOLDEN"] === "1";

const TRACE = '{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}';
const ID = "01a20a41-b509-7bda-b299-aa96b368d005";
const OTHER_ID = "01a20a41-b50a-7000-8000-00000000f005";
const NOW = 1_795_468_800_123;

const spec: TaskSpec = {
  name: "image.resize",
  queue: "médias",
  version: 2,
  attempts: 5,
  backoff: { type: "exponential", baseMs: 500, maxMs: 60_000, jitter: "full" },
  timeoutMs: 30_000,
  graceMs: 5000,
  delivery: "at-least-once",
  keepResultMs: 86_400_000,
  keepFailureMs: 604_800_000,
};
const listed: TaskSpec = {
  ...spec,
  delivery: "at-most-once",
  backoff: { type: "list", delaysMs: [10, 2000, 300_000], jitter: "none" },
};
const fixed: TaskSpec = { ...spec, backoff: { type: "fixed", baseMs: 100, jitter: "none" } };
const error: TaskError = { code: "HANDLER_FAILED", message: "nö", stack: "Error: nö\n    at resize" };
const queue: QueueRecord = {
  name: "médias",
  order: "priority",
  placement: "random",
  paused: true,
  revision: 3,
};
const plain: Submission = {
  id: ID,
  spec,
  priority: 0,
  runAt: 0,
  delayMs: 0,
  expiresInMs: 0,
  key: null,
  retryOf: "",
  replyTo: "client:c",
  copy: false,
  terms: null,
  payload: '{"width":1}',
};
const full: Submission = {
  ...plain,
  id: OTHER_ID,
  spec: listed,
  priority: 255,
  runAt: NOW,
  delayMs: 1000,
  expiresInMs: 2 ** 40,
  key: { key: "once", windowMs: 86_400_000, inputHash: "\x00\x7f\x80\xff" },
  retryOf: ID,
  copy: true,
  payload: "\x00\xff",
};

const limited: TaskSpec = {
  ...spec,
  limits: { concurrency: 2, rate: { limit: 100, perMs: 60_000, burst: 10 } },
};
const demanding: TaskSpec = {
  ...spec,
  requirements: {
    needs: { cpu: 1.5, memoryMb: 2048 },
    labels: { zone: "eu" },
    preferred: { disk: "ssd" },
  },
};
const terms: TaskTerms = {
  deadline: NOW,
  deadlineInMs: 5000,
  fairnessKey: "tenant-7",
  weight: 2.5,
  concurrencyKey: "ténant",
  rateKey: "api",
  affinityKey: "model-3",
};
const links: TaskLinks = {
  graph: ID,
  members: 300,
  after: [ID, OTHER_ID],
  onFailure: "run-anyway",
  fed: true,
};
const linked: Submission = { ...plain, links };
const bound: Submission = { ...full, spec: limited, terms };
const settledQueue: QueueRecord = {
  ...queue,
  order: "shortest",
  settings: {
    weight: 3,
    precedence: 7,
    agingMs: 1000,
    concurrency: 200,
    rate: { limit: 5, perMs: 1000, burst: 1 },
    admission: "refuse",
  },
};

type Samples = { readonly [T in Envelope["type"]]: readonly Extract<Envelope, { readonly type: T }>[] };

const samples: Samples = {
  answered: [{ type: "answered", sequence: 300 }],
  submit: [
    { type: "submit", submission: plain },
    { type: "submit", submission: full },
    { type: "submit", submission: { ...plain, spec: fixed } },
  ],
  outcome: [
    {
      type: "outcome",
      id: ID,
      epoch: 7,
      attempt: 1,
      kind: "succeeded",
      delayMs: 0,
      result: "{}",
      error: null,
      startedAt: NOW,
    },
    {
      type: "outcome",
      id: ID,
      epoch: 7,
      attempt: 2,
      kind: "retryIn",
      delayMs: 1500,
      result: "",
      error,
      startedAt: NOW,
    },
    {
      type: "outcome",
      id: ID,
      epoch: 7,
      attempt: 2,
      kind: "returned",
      delayMs: 0,
      result: "",
      error: null,
      startedAt: 0,
    },
  ],
  register: [
    {
      type: "register",
      worker: "w",
      mailbox: "worker:w",
      credit: 10,
      tasks: [{ name: "image.resize", version: 2 }],
      queues: [queue],
      labels: { zone: "eu" },
      resources: { cpu: 4, gpu: 0.5 },
    },
  ],
  heartbeat: [{ type: "heartbeat", worker: "w", number: 4, credit: 10, stalledMs: 12 }],
  held: [
    {
      type: "held",
      worker: "w",
      epoch: 7,
      seen: 12,
      attempts: [{ id: ID, epoch: 6, attempt: 1, state: "running" }],
    },
  ],
  goodbye: [{ type: "goodbye", worker: "w" }],
  cancel: [{ type: "cancel", id: ID, reason: "user asked", request: 5 }],
  watch: [{ type: "watch", id: ID }],
  note: [
    {
      type: "note",
      note: {
        id: ID,
        attempt: 1,
        startedAt: NOW,
        progress: { fraction: 0.5, note: "half" },
        logs: [{ at: NOW, level: "warn", message: "slow" }],
      },
    },
  ],
  query: [
    { type: "query", request: 1, query: { type: "status", id: ID } },
    { type: "query", request: 2, query: { type: "list", state: "ready", after: ID, limit: 50 } },
    { type: "query", request: 3, query: { type: "queues" } },
  ],
  command: [
    { type: "command", request: 1, command: { type: "pause", queue: "médias" } },
    { type: "command", request: 2, command: { type: "apply", queues: [queue] } },
    { type: "command", request: 3, command: { type: "drain", worker: "w" } },
  ],
  marker: [{ type: "marker", worker: "w", boot: "b", heardAt: 3 }],
  echo: [{ type: "echo", nonce: 9 }],
  handover: [{ type: "handover", owner: "d", epoch: 7, shards: 1 }],
  assign: [
    {
      type: "assign",
      id: ID,
      attempt: 1,
      name: "image.resize",
      version: 2,
      attempts: 5,
      timeoutMs: 30_000,
      graceMs: 5000,
      expiresAt: NOW,
      payload: '{"width":1}',
    },
    {
      type: "assign",
      id: OTHER_ID,
      attempt: 2,
      name: "image.resize",
      version: 2,
      attempts: 5,
      timeoutMs: 0,
      graceMs: 0,
      expiresAt: 0,
      payload: null,
    },
  ],
  abort: [{ type: "abort", id: ID, epoch: 7, attempt: 1, reason: "timedOut" }],
  heartbeatAnswer: [{ type: "heartbeatAnswer", number: 4, sent: 12, known: true, credit: 5, ready: 8 }],
  takeover: [{ type: "takeover" }],
  drain: [{ type: "drain" }],
  slots: [{ type: "slots", slots: 40 }],
  accepted: [{ type: "accepted", id: ID, outcome: "duplicate", of: OTHER_ID, code: "", message: "" }],
  settled: [
    {
      type: "settled",
      id: ID,
      state: "succeeded",
      code: "",
      attempt: 1,
      result: "{}",
      resultBytes: 2,
      error: null,
    },
    {
      type: "settled",
      id: ID,
      state: "failed",
      code: "TIMED_OUT",
      attempt: 3,
      result: null,
      resultBytes: 0,
      error,
    },
  ],
  event: [
    { type: "event", id: ID, event: { type: "started", attempt: 1, worker: "w", at: NOW } },
    { type: "event", id: ID, event: { type: "retried", attempt: 1, runAt: NOW, error } },
  ],
  reply: [{ type: "reply", request: 1, ok: true, value: { queues: [1, null, "x"] } }],
  unknown: [{ type: "unknown", id: ID }],
  cancelDone: [{ type: "cancelDone", request: 5, id: ID, state: "cancelled" }],
};

const waiting: TaskRecord = {
  id: ID,
  spec,
  state: "ready",
  priority: 0,
  attempt: 0,
  epoch: 0,
  deaths: 0,
  runAt: 0,
  expiresAt: 0,
  submittedAt: NOW,
  startedAt: 0,
  finishedAt: 0,
  worker: "",
  replyTo: "client:c",
  retryOf: "",
  key: "",
  cancelRequested: false,
  code: "",
  error: null,
  aliasOf: "",
  terms: null,
  payloadBytes: 11,
};
const ended: TaskRecord = {
  ...waiting,
  spec: listed,
  state: "failed",
  priority: 200,
  attempt: 3,
  epoch: 1_795_468_800_000,
  deaths: 1,
  runAt: NOW,
  expiresAt: NOW + 1,
  startedAt: NOW + 2,
  finishedAt: NOW + 3,
  worker: "w",
  retryOf: OTHER_ID,
  key: "once",
  cancelRequested: true,
  code: "TIMED_OUT",
  error,
  aliasOf: OTHER_ID,
};

const nightly: ScheduleRecord = {
  name: "nightly",
  cron: "0 3 * * *",
  timeZone: "Europe/Berlin",
  everyMs: 0,
  missed: "all",
  missedLimit: 7,
  overlap: "queue",
  spec: listed,
  priority: 9,
  expiresInMs: 60_000,
  route: "",
  terms,
  payload: '{"kind":"sales"}',
};

const past: PastAttempt = {
  attempt: 2,
  worker: "v",
  startedAt: NOW,
  endedAt: NOW + 30,
  resumesAt: NOW + 1030,
  code: "HANDLER_FAILED",
  message: "nö",
};

const frameOf = (envelopes: readonly Envelope[]): Frame => ({
  from: "client:c",
  shard: 5,
  epoch: 7,
  sequence: 1,
  envelopes,
});

function expectGolden(file: string, name: string, bytes: Buffer): Buffer {
  const path = join(import.meta.dirname, "golden", file);
  if (UPDATE) {
    const vectors: object = name === FIRST.get(file) ? {} : JSON.parse(readFileSync(path, "utf8"));
    writeFileSync(path, `${JSON.stringify({ ...vectors, [name]: bytes.toString("hex") }, null, 2)}\n`);
  }
  const vectors: Record<string, string> = JSON.parse(readFileSync(path, "utf8"));
  expect(bytes.toString("hex")).toBe(vectors[name]);
  return Buffer.from(vectors[name] ?? "", "hex");
}

const FIRST = new Map([
  ["frames.json", "answered"],
  ["records.json", "waiting task"],
]);

describe("the bytes of version 1", () => {
  for (const [type, envelopes] of Object.entries<readonly Envelope[]>(samples)) {
    it(`of ${type} stay what they are`, () => {
      const frame = frameOf(envelopes);
      expect(decodeFrame(expectGolden("frames.json", type, encodeFrame(frame)))).toEqual(frame);
    });
  }

  it("of a submission with terms stay what they are", () => {
    const frame = frameOf([{ type: "submit", submission: bound }]);
    expect(decodeFrame(expectGolden("frames.json", "submit with terms", encodeFrame(frame)))).toEqual(frame);
  });

  it("of a submission that replaces another stay what they are", () => {
    const replace = { key: "k", waitMs: 1_000, maxWaitMs: 60_000, until: 0 };
    const frame = frameOf([{ type: "submit", submission: { ...plain, terms: { ...terms, replace } } }]);
    expect(decodeFrame(expectGolden("frames.json", "submit with replace", encodeFrame(frame)))).toEqual(
      frame,
    );
  });

  it("of a submission and an assignment that carry a trace stay what they are", () => {
    const submission: Submission = { ...plain, terms: { ...terms, trace: TRACE } };
    const assign: Envelope = {
      type: "assign",
      id: ID,
      attempt: 1,
      name: "image.resize",
      version: 2,
      attempts: 5,
      timeoutMs: 0,
      graceMs: 0,
      expiresAt: 0,
      payload: "{}",
      trace: TRACE,
    };
    const frame = frameOf([{ type: "submit", submission }, assign, { ...assign, payload: null }]);
    expect(decodeFrame(expectGolden("frames.json", "traced tasks", encodeFrame(frame)))).toEqual(frame);
  });

  it("of a submission that is linked to others stay what they are", () => {
    const frame = frameOf([{ type: "submit", submission: linked }]);
    expect(decodeFrame(expectGolden("frames.json", "submit with links", encodeFrame(frame)))).toEqual(frame);
  });

  const tasks: Readonly<Record<string, TaskRecord>> = {
    "waiting task": waiting,
    "ended task": ended,
    "bound task": { ...ended, spec: limited, terms },
    "traced task": { ...ended, terms: { ...terms, trace: TRACE } },
    "demanding task": { ...waiting, spec: demanding },
    "task that was tried again": { ...ended, past: [past] },
    "linked task": {
      ...waiting,
      state: "blocked",
      links: { ...links, graph: "", members: 0, onFailure: "skip" },
    },
  };
  for (const [name, task] of Object.entries(tasks)) {
    it(`of the record of a ${name} stay what they are`, () => {
      expect(decodeRecord(expectGolden("records.json", name, encodeRecord(task)))).toEqual(task);
    });
  }

  for (const [name, record] of Object.entries({ queue, "queue with settings": settledQueue })) {
    it(`of the record of a ${name} stay what they are`, () => {
      expect(decodeQueue(expectGolden("records.json", name, encodeQueue(record)))).toEqual(record);
    });
  }

  it("of the record of a schedule stay what they are", () => {
    const bytes = Buffer.from(encodeSchedule(nightly), "latin1");
    expect(decodeSchedule(expectGolden("records.json", "schedule", bytes).toString("latin1"))).toEqual(
      nightly,
    );
  });
});
