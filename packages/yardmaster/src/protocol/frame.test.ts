import { describe, expect, it } from "vitest";
import type { Envelope, Frame } from "./envelope.ts";
import { YardmasterError } from "./errors.ts";
import { decodeFrame, encodeFrame, FrameWriter, readHeader } from "./frame.ts";
import { MAX_BYTES, type Submission, type TaskSpec } from "./task.ts";

const ID = "01a20a41-b509-7bda-b299-aa96b368d005";
const spec: TaskSpec = {
  name: "image.resize",
  queue: "media",
  version: 1,
  attempts: 3,
  backoff: { type: "fixed", baseMs: 0, jitter: "none" },
  timeoutMs: 0,
  graceMs: 0,
  delivery: "at-least-once",
  keepResultMs: 0,
  keepFailureMs: 0,
};
const submission: Submission = {
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
  payload: "{}",
};
const submit = (changes: Partial<Submission> = {}): Envelope => ({
  type: "submit",
  submission: { ...submission, ...changes },
});
const frameOf = (...envelopes: Envelope[]): Frame => ({
  from: "client:c",
  shard: 0,
  epoch: 0,
  sequence: 1,
  envelopes,
});

function refusal(run: () => unknown): YardmasterError {
  try {
    run();
  } catch (caught) {
    if (caught instanceof YardmasterError) return caught;
    throw caught;
  }
  throw new Error("It was not refused.");
}

function specsOf(frame: Frame): TaskSpec[] {
  return frame.envelopes.flatMap((envelope) =>
    envelope.type === "submit" ? [envelope.submission.spec] : [],
  );
}

describe("equal specs", () => {
  it("are one object in a frame and between frames", () => {
    const bytes = encodeFrame(frameOf(submit(), submit({ spec: { ...spec } })));
    const again = encodeFrame(frameOf(submit({ spec: { ...spec, backoff: { ...spec.backoff } } })));
    const [first, second] = specsOf(decodeFrame(bytes));
    const [third] = specsOf(decodeFrame(again));
    expect(second).toBe(first);
    expect(third).toBe(first);
    expect(Object.isFrozen(first)).toBe(true);
  });

  it("are written once in a frame", () => {
    const one = encodeFrame(frameOf(submit())).length;
    const two = encodeFrame(frameOf(submit(), submit())).length;
    expect(two - one).toBeLessThan(30);
  });
});

describe("a frame writer", () => {
  it("writes what encodeFrame writes, frame after frame", () => {
    const writer = new FrameWriter();
    for (const payload of ["{}", "x".repeat(3_000_000), ""]) {
      writer.begin("client:c", 0, 0, 1);
      writer.add(submit({ payload }));
      expect(writer.count).toBe(1);
      const frame = writer.finish();
      expect(frame.equals(encodeFrame(frameOf(submit({ payload }))))).toBe(true);
      expect(Math.abs(frame.length - writer.bytes)).toBeLessThan(16);
    }
  });

  it("leaves out an envelope that cannot be written and goes on", () => {
    const writer = new FrameWriter();
    writer.begin("client:c", 0, 0, 1);
    writer.add(submit());
    expect(refusal(() => writer.add(submit({ id: "no id" }))).code).toBe("INVALID_FRAME");
    expect(refusal(() => writer.add(submit({ priority: 256 }))).code).toBe("INVALID_FRAME");
    writer.add({ type: "answered", sequence: 2 });
    expect(decodeFrame(writer.finish())).toEqual(frameOf(submit(), { type: "answered", sequence: 2 }));
  });

  it("refuses a frame that would be over its limit and can still finish it", () => {
    const writer = new FrameWriter();
    const payload = "x".repeat(MAX_BYTES - 1000);
    writer.begin("client:c", 0, 0, 1);
    writer.add(submit({ payload }));
    expect(refusal(() => writer.add(submit({ payload: "x".repeat(MAX_BYTES) }))).code).toBe("INVALID_FRAME");
    expect(decodeFrame(writer.finish()).envelopes).toHaveLength(1);
  });
});

describe("what is written is refused when nobody could read it", () => {
  const cases: [string, Envelope, string][] = [
    ["a payload over its limit", submit({ payload: "x".repeat(MAX_BYTES + 1) }), "PAYLOAD_TOO_LARGE"],
    ["a negative delay", submit({ delayMs: -1 }), "INVALID_FRAME"],
    ["a time that is no number", submit({ runAt: Number.NaN }), "INVALID_FRAME"],
    ["a time beyond all numbers", submit({ runAt: Number.POSITIVE_INFINITY }), "INVALID_FRAME"],
    ["an attempt with a fraction", { type: "answered", sequence: 1.5 }, "INVALID_FRAME"],
    ["an id in capitals", submit({ id: ID.toUpperCase() }), "INVALID_FRAME"],
    ["an id of another version", submit({ id: ID.replace("-7", "-4") }), "INVALID_FRAME"],
    ["an id without hyphens", submit({ id: ID.replaceAll("-", "_") }), "INVALID_FRAME"],
    ["a name with a line break", submit({ spec: { ...spec, name: "a\nb" } }), "INVALID_FRAME"],
    ["a cold envelope with a wrong id", { type: "watch", id: "?" }, "INVALID_FRAME"],
    [
      "a reply that nests too deep",
      { type: "reply", request: 1, ok: true, value: nested(70) },
      "INVALID_FRAME",
    ],
  ];
  for (const [what, envelope, code] of cases) {
    it(what, () => expect(refusal(() => encodeFrame(frameOf(envelope))).code).toBe(code));
  }
});

describe("milliseconds", () => {
  it("are rounded up to whole ones, so that nothing is due too early", () => {
    const [envelope] = decodeFrame(
      encodeFrame(frameOf(submit({ delayMs: 0.25, runAt: 2 ** 41 + 0.5 }))),
    ).envelopes;
    expect(envelope).toEqual(submit({ delayMs: 1, runAt: 2 ** 41 + 1 }));
  });
});

describe("a damaged frame", () => {
  it("says what is wrong and where", () => {
    const bytes = encodeFrame(frameOf({ type: "answered", sequence: 1 }));
    const error = refusal(() => decodeFrame(bytes.subarray(0, -1)));
    expect(error.code).toBe("INVALID_FRAME");
    expect(error.details).toEqual({ what: "an envelope claims 2 bytes and 1 are left", offset: 22 });
    expect(error.message).toContain("byte 22");
  });

  it("keeps its header readable", () => {
    const bytes = encodeFrame(frameOf(submit()));
    bytes.fill(255, 20);
    expect(refusal(() => decodeFrame(bytes)).code).toBe("INVALID_FRAME");
    expect(readHeader(bytes)).toEqual({ version: 1, from: "client:c", shard: 0, epoch: 0, sequence: 1 });
  });

  it("of a newer version is told apart, and its header is read", () => {
    const bytes = encodeFrame(frameOf(submit()));
    bytes[2] = 2;
    expect(refusal(() => decodeFrame(bytes)).code).toBe("UNSUPPORTED_VERSION");
    expect(readHeader(bytes)).toMatchObject({ version: 2, from: "client:c" });
  });

  it("cannot claim more than its bytes hold", () => {
    const header = encodeFrame(frameOf()).subarray(0, -3);
    const claims = [
      [255, 255, 255, 255, 15, 0, 0],
      [0, 255, 255, 255, 255, 15, 0],
      [0, 0, 255, 255, 255, 255, 15],
      [1, 0, 0, 255, 255, 255, 255, 0],
      [255, 255, 255, 255, 255, 255, 255, 255, 255, 255],
    ];
    for (const claim of claims) {
      expect(refusal(() => decodeFrame(Buffer.concat([header, Buffer.from(claim)]))).code).toBe(
        "INVALID_FRAME",
      );
    }
  });
});

describe("JSON in a frame", () => {
  it("cannot reach a prototype", () => {
    const hostile: unknown = JSON.parse('{"__proto__":{"polluted":true},"constructor":1}');
    const labels = JSON.parse('{"__proto__":"x","zone":"eu"}');
    const bytes = encodeFrame(
      frameOf(
        { type: "reply", request: 1, ok: true, value: hostile },
        {
          type: "register",
          worker: "w",
          mailbox: "m",
          credit: 1,
          tasks: [],
          queues: [],
          labels,
          resources: {},
        },
      ),
    );
    const [reply, register] = decodeFrame(bytes).envelopes;
    expect(reply?.type === "reply" && JSON.stringify(reply.value)).toBe(JSON.stringify(hostile));
    expect(register?.type === "register" && Object.entries(register.labels)).toEqual([
      ["__proto__", "x"],
      ["zone", "eu"],
    ]);
    expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
  });

  it("carries a reply's value as JSON has it: -0 arrives as 0, and no value as none", () => {
    const values = [-0, { "": -0 }, undefined];
    const replies = values.map((value): Envelope => ({ type: "reply", request: 1, ok: true, value }));
    const { envelopes } = decodeFrame(encodeFrame(frameOf(...replies)));
    expect(envelopes.map((reply) => (reply.type === "reply" ? reply.value : "no reply"))).toEqual([
      0,
      { "": 0 },
      undefined,
    ]);
  });

  it("cannot nest so deep that reading it fails", () => {
    const depth = 500_000;
    const bytes = encodeFrame(
      frameOf({ type: "reply", request: 1, ok: true, value: "x".repeat(2 * depth - 2) }),
    );
    bytes.write("[".repeat(depth) + "]".repeat(depth), bytes.indexOf('"x'), "latin1");
    expect(refusal(() => decodeFrame(bytes)).code).toBe("INVALID_FRAME");
  });
});

function nested(levels: number): unknown {
  let value: unknown = 0;
  for (let level = 0; level < levels; level++) value = [value];
  return value;
}
