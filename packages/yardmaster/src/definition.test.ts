import { describe, expect, expectTypeOf, it } from "vitest";
import { z } from "zod";
import { defineQueue, queueRecordOf } from "./definition/queue.ts";
import { defineTask, specOf, type TaskDefinition } from "./definition.ts";
import { isCode, YardmasterError } from "./protocol/errors.ts";

function fieldOf(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    if (error instanceof YardmasterError) return [error.code, error.details["field"]];
    throw error;
  }
  return "nothing thrown";
}

describe("defineTask", () => {
  it("fills in the defaults of the contract", () => {
    expect(specOf(defineTask({ name: "ping" }))).toEqual({
      name: "ping",
      queue: "default",
      version: 1,
      attempts: 3,
      backoff: { type: "exponential", baseMs: 1_000, maxMs: 60_000, jitter: "full" },
      timeoutMs: 60_000,
      graceMs: 5_000,
      delivery: "at-least-once",
      keepResultMs: 86_400_000,
      keepFailureMs: 604_800_000,
    });
  });

  it("has second attempts only where it asks for them", () => {
    expect(defineTask({ name: "a", speculative: false }).spec).not.toHaveProperty("speculation");
    expect(defineTask({ name: "a", speculative: true }).spec.speculation).toEqual({
      afterFactor: 3,
      afterMs: 1_000,
    });
    expect(defineTask({ name: "a", speculative: { afterFactor: 1.5, afterMs: 0 } }).spec.speculation).toEqual({
      afterFactor: 1.5,
      afterMs: 0,
    });
  });

  it("answers the same frozen spec every time", () => {
    const ping = defineTask({ name: "ping" });
    expect(specOf(ping)).toBe(specOf(ping));
    expect(Object.isFrozen(specOf(ping))).toBe(true);
  });

  it("takes a queue by declaration and by name", () => {
    const media = defineQueue({ name: "media", order: "priority" });
    expect(defineTask({ name: "a", queue: media }).spec.queue).toBe("media");
    expect(defineTask({ name: "a", queue: "media" }).spec.queue).toBe("media");
    expect(queueRecordOf(media)).toMatchObject({
      name: "media",
      order: "priority",
      placement: "two-choices",
    });
  });

  it.each([
    ["attempts", { attempts: 0 }],
    ["attempts", { attempts: 1.5 }],
    ["timeoutMs", { timeoutMs: -1 }],
    ["timeoutMs", { timeoutMs: Number.NaN }],
    ["graceMs", { graceMs: Number.POSITIVE_INFINITY }],
    ["priority", { priority: 256 }],
    ["maxPayloadBytes", { maxPayloadBytes: 65 * 1024 * 1024 }],
    ["upgrade", { version: 2, upgrade: { 2: (old: unknown) => old } }],
    ["backoff.maxMs", { backoff: { type: "exponential", baseMs: 10, maxMs: 5 } as const }],
    ["backoff.delaysMs", { backoff: { type: "list", delaysMs: [] } as const }],
  ])("refuses a wrong %s", (field, options) => {
    expect(fieldOf(() => defineTask({ name: "x", ...options }))).toEqual(["INVALID_OPTIONS", field]);
  });

  it.each([
    ["queue", { queue: 7 }],
    ["input", { input: {} }],
    ["codec", { codec: {} }],
    ["delivery", { delivery: "exactly-once" }],
    ["speculative", { speculative: true, delivery: "at-most-once" }],
    ["options", { speculative: 3 }],
    ["speculative.afterFactor", { speculative: { afterFactor: 0.5 } }],
    ["speculative.afterFactor", { speculative: { afterFactor: Number.NaN } }],
    ["speculative.afterMs", { speculative: { afterMs: -1 } }],
    ["after", { speculative: { after: 3 } }],
    ["backoff.type", { backoff: { type: "linear" } }],
    ["attemps", { attemps: 5 }],
  ])("refuses what the types forbid: %s", (field, options) => {
    const untyped: object = { name: "x", ...options };
    // A JavaScript caller has no types to stop it.
    expect(fieldOf(() => defineTask(untyped as { name: string }))).toEqual(["INVALID_OPTIONS", field]);
  });

  it.each(["", "a\nb", "\u007f", "x".repeat(257), "é".repeat(129), "\ud800"])(
    "refuses the name %j",
    (name) => {
      expect(isCodeOf(() => defineTask({ name }))).toBe(true);
      expect(isCodeOf(() => defineQueue({ name }))).toBe(true);
    },
  );

  it("infers all types from the schemas", () => {
    const resize = defineTask({
      name: "resize",
      input: z.object({ width: z.string().transform(Number) }),
      output: z.object({ at: z.string().transform((text) => text.length) }),
    });
    expectTypeOf(resize).toEqualTypeOf<
      TaskDefinition<{ width: string }, { at: number }, { width: number }, { at: string }>
    >();
  });

  it("takes types as arguments where there are no schemas", () => {
    expectTypeOf(defineTask<{ host: string }, number>({ name: "ping" })).toEqualTypeOf<
      TaskDefinition<{ host: string }, number, { host: string }, number>
    >();
    expectTypeOf(defineTask({ name: "ping" })).toEqualTypeOf<TaskDefinition<unknown, unknown>>();
  });
});

function isCodeOf(act: () => unknown): boolean {
  try {
    act();
  } catch (error) {
    return isCode(error, "INVALID_NAME");
  }
  return false;
}
