import { describe, expect, it } from "vitest";
import fc from "../../test/property.ts";
import { defineTask } from "../definition.ts";
import type { YardmasterError } from "../protocol/errors.ts";
import { type Draft, draft, type SubmitOptions } from "./submission.ts";

const task = defineTask<unknown, unknown>({ name: "t", priority: 3, expiresInMs: 9, maxPayloadBytes: 100 });

function drafted(input: unknown, options?: SubmitOptions): Draft {
  const made = draft(task, input, options);
  if (made instanceof Promise) throw new Error("the definition has no asynchronous schema");
  return made;
}

describe("draft", () => {
  it("takes the definition's defaults", () => {
    const defaults = {
      priority: 3,
      runAt: 0,
      delayMs: 0,
      expiresInMs: 9,
      key: null,
      retryOf: "",
      route: null,
      terms: null,
      payload: "1",
    };
    expect(drafted(1)).toEqual({ spec: task.spec, ...defaults });
    expect(drafted(1, {})).toEqual({ spec: task.spec, ...defaults });
  });

  it("takes a time as a number and as anything with getTime", () => {
    expect(drafted(1, { runAt: 5.2 }).runAt).toBe(6);
    expect(drafted(1, { runAt: { getTime: () => 7 } }).runAt).toBe(7);
  });

  it.each<[string, SubmitOptions, string]>([
    ["INVALID_OPTIONS", { priority: 256 }, "priority"],
    ["INVALID_OPTIONS", { priority: 1.5 }, "priority"],
    ["INVALID_OPTIONS", { delayMs: -1 }, "delayMs"],
    ["INVALID_OPTIONS", { delayMs: Number.NaN }, "delayMs"],
    ["INVALID_OPTIONS", { runAt: Number.NaN }, "runAt"],
    ["INVALID_OPTIONS", { runAt: -1 }, "runAt"],
    ["INVALID_OPTIONS", { runAt: 1, delayMs: 1 }, "runAt"],
    ["INVALID_OPTIONS", { expiresInMs: Number.POSITIVE_INFINITY }, "expiresInMs"],
    ["INVALID_OPTIONS", { idempotencyWindowMs: 5 }, "idempotencyWindowMs"],
    ["INVALID_OPTIONS", { attempts: 0 }, "attempts"],
    ["INVALID_OPTIONS", { timeoutMs: -1 }, "timeoutMs"],
    ["INVALID_OPTIONS", { backoff: { type: "fixed", baseMs: -1 } }, "backoff.baseMs"],
    ["INVALID_NAME", { idempotencyKey: "" }, "idempotencyKey"],
    ["INVALID_NAME", { idempotencyKey: "a\nb" }, "idempotencyKey"],
    ["INVALID_NAME", { idempotencyKey: "x".repeat(1_025) }, "idempotencyKey"],
    ["INVALID_NAME", { affinityKey: "" }, "affinityKey"],
    ["INVALID_OPTIONS", { labels: 7 as never }, "labels"],
    ["INVALID_OPTIONS", { tx: JSON.parse("1") }, "tx"],
  ])("throws %s for %j, naming %s", (code, options, field) => {
    expect(() => drafted(1, options)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(field), details: { field } }),
    );
  });

  it("refuses an option that it does not know", () => {
    const untyped: object = { priorty: 1 };
    expect(() => drafted(1, untyped)).toThrow(expect.objectContaining({ code: "INVALID_OPTIONS" }));
  });

  it("refuses a payload over the definition's limit, in bytes", () => {
    expect(drafted("é".repeat(49)).payload).toHaveLength(100);
    expect(() => drafted("é".repeat(50))).toThrow(
      expect.objectContaining({ code: "PAYLOAD_TOO_LARGE", details: { bytes: 102, maxPayloadBytes: 100 } }),
    );
  });

  it("names the path of what JSON cannot carry", () => {
    try {
      drafted({ a: [Number.NaN] });
      expect.unreachable();
    } catch (error) {
      expect(error as YardmasterError).toMatchObject({ code: "INVALID_INPUT", details: { path: "$.a[0]" } });
    }
  });

  it("gives equal overrides one spec, and leaves the definition's alone", () => {
    const options = { attempts: 9, timeoutMs: 5, backoff: { type: "fixed", baseMs: 10 } } as const;
    const { spec } = drafted(1, options);
    expect(spec).toEqual({
      ...task.spec,
      attempts: 9,
      timeoutMs: 5,
      backoff: { type: "fixed", baseMs: 10, jitter: "full" },
    });
    expect(drafted(2, { ...options }).spec).toBe(spec);
    expect(drafted(2, { priority: 9 }).spec).toBe(task.spec);
  });

  it("hashes equal inputs equally and others differently", () => {
    const hash = (input: unknown) => drafted(input, { idempotencyKey: "k" }).key?.inputHash;
    fc.assert(
      fc.property(fc.integer(), fc.integer(), (a, b) => {
        expect(hash(a)).toHaveLength(16);
        expect(hash(a) === hash(b)).toBe(a === b);
      }),
    );
  });
});
