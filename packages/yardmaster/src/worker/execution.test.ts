import { describe, expect, expectTypeOf, it } from "vitest";
import { z } from "zod";
import { defineTask, type TaskDefinition } from "../definition.ts";
import { type Ending, execute } from "./execution.ts";
import { type Call, createHandlers, fail, type Handler, retryIn } from "./handlers.ts";

const { on } = createHandlers();

function open(input: unknown): Call<unknown> {
  return {
    input,
    signal: new AbortController().signal,
    attempt: 1,
    taskId: "id",
    progress: () => undefined,
    log: () => undefined,
    submit: () => Promise.reject(new Error("none")),
  };
}

function run(handler: Handler, payload: string, version = 1): Ending | Promise<Ending> {
  return execute(handler, payload, version, open);
}

const plain = defineTask<unknown, unknown>({ name: "plain" });
const strict = defineTask({
  name: "strict",
  input: z.object({ width: z.string().transform(Number) }),
  output: z.object({ area: z.number() }),
});

describe("execute", () => {
  it("makes no promise for a synchronous handler", () => {
    const handler = on(strict, ({ input }) => ({ area: input.width ** 2 }));
    expect(run(handler, '{"width":"3"}')).toEqual({
      kind: "succeeded",
      delayMs: 0,
      result: '{"area":9}',
      error: null,
    });
  });

  it("waits for asynchronous schemas and handlers", async () => {
    const later = defineTask({
      name: "later",
      input: z.number().refine(async () => true),
      output: z.number().refine(async () => true),
    });
    const handler = on(later, async ({ input }) => input + 1);
    expect(await run(handler, "1")).toMatchObject({ kind: "succeeded", result: "2" });
  });

  it("fails for good when the schema rejects the input", () => {
    expect(
      run(
        on(strict, () => ({ area: 1 })),
        '{"width":7}',
      ),
    ).toMatchObject({
      kind: "final",
      error: { code: "INVALID_INPUT", message: expect.stringContaining("$.width") },
    });
    expect(
      run(
        on(plain, () => 1),
        "{",
      ),
    ).toMatchObject({ kind: "final", error: { code: "INVALID_INPUT" } });
    expect(
      run(
        on(plain, () => 1),
        '{"__proto__":1}',
      ),
    ).toMatchObject({ kind: "final" });
  });

  it("fails when the schema rejects the result, or JSON cannot carry it", () => {
    // A handler in JavaScript returns what it likes.
    const wrong = on(strict, () => ({ area: "large" as unknown as number }));
    expect(run(wrong, '{"width":"1"}')).toMatchObject({ kind: "failed", error: { code: "RESULT_INVALID" } });
    expect(
      run(
        on(plain, () => ({ a: [1n] })),
        "1",
      ),
    ).toMatchObject({
      kind: "failed",
      error: { code: "RESULT_INVALID", message: expect.stringContaining("$.a[0]") },
    });
  });

  it("holds results against their limit", () => {
    const small = defineTask<unknown, string>({ name: "small", maxResultBytes: 10 });
    expect(
      run(
        on(small, () => "12345678"),
        "1",
      ),
    ).toMatchObject({ kind: "succeeded" });
    expect(
      run(
        on(small, () => "123456789"),
        "1",
      ),
    ).toMatchObject({ kind: "failed", error: { code: "RESULT_TOO_LARGE" } });
  });

  it("upgrades old input step by step", () => {
    const upgrade = { 1: (old: unknown) => [old], 2: (old: unknown) => ({ list: old }) };
    const grown = defineTask<unknown, unknown>({ name: "grown", version: 3, upgrade });
    const handler = on(grown, ({ input }) => input);
    expect(run(handler, "7", 1)).toMatchObject({ result: '{"list":[7]}' });
    expect(run(handler, "7", 2)).toMatchObject({ result: '{"list":7}' });
    expect(run(handler, "7", 3)).toMatchObject({ result: "7" });
  });

  it("keeps no result apart from null", () => {
    expect(
      run(
        on(plain, () => undefined),
        "",
      ),
    ).toMatchObject({ kind: "succeeded", result: "" });
    expect(
      run(
        on(plain, () => null),
        "",
      ),
    ).toMatchObject({ kind: "succeeded", result: "null" });
  });

  it.each<[string, () => unknown]>([
    ["returned", () => retryIn(500)],
    [
      "thrown",
      () => {
        throw retryIn(500);
      },
    ],
  ])("tries again after a delay that is %s", (_, handler) => {
    expect(run(on(plain, handler), "1")).toEqual({ kind: "retryIn", delayMs: 500, result: "", error: null });
  });

  it("fails for good when the handler says so", async () => {
    const handler = on(plain, async () => fail("no such account"));
    expect(await run(handler, "1")).toMatchObject({
      kind: "final",
      error: { code: "HANDLER_FAILED", message: "no such account" },
    });
  });

  it.each<[string, unknown, string]>([
    ["an error", new TypeError("wrong type"), "wrong type"],
    ["text", "just text", "just text"],
    ["undefined", undefined, "undefined"],
    ["an object", { code: 7 }, "{ code: 7 }"],
    [
      "a trap",
      new Proxy(
        {},
        {
          get: () => {
            throw new Error("trap");
          },
        },
      ),
      "{}",
    ],
  ])("describes %s that is thrown", async (_, thrown, message) => {
    const handler = on(plain, () => Promise.reject(thrown));
    expect(await run(handler, "1")).toMatchObject({
      kind: "failed",
      error: { code: "HANDLER_FAILED", message },
    });
  });

  it("bounds what an error may carry", async () => {
    const error = new Error("é".repeat(10_000), { cause: new Error("the root") });
    error.stack = "s".repeat(10_000);
    const ending = await run(
      on(plain, () => Promise.reject(error)),
      "1",
    );
    expect(Buffer.byteLength(ending.error?.message ?? "")).toBeLessThanOrEqual(8 * 1024);
    expect(ending.error?.stack).toContain("Caused by: Error: the root");
    expect(Buffer.byteLength(ending.error?.stack ?? "")).toBeLessThanOrEqual(16 * 1024);
  });

  it("runs middleware around the handler, the first outermost", async () => {
    const trace: string[] = [];
    const step =
      (name: string) => async (_: unknown, next: () => Promise<unknown>, task: { readonly name: string }) => {
        trace.push(`${name} before ${task.name}`);
        const end = await next();
        trace.push(`${name} after`);
        return end;
      };
    const handlers = createHandlers({ use: [step("outer"), step("inner")] });
    expect(
      await run(
        handlers.on(plain, () => trace.push("handler")),
        "1",
      ),
    ).toMatchObject({ kind: "succeeded" });
    expect(trace).toEqual([
      "outer before plain",
      "inner before plain",
      "handler",
      "inner after",
      "outer after",
    ]);
  });
});

describe("on", () => {
  it("gives the handler the parsed input and its context, and wants the schema's own output", () => {
    const definition = defineTask({
      name: "typed",
      input: z.object({ width: z.string().transform(Number) }),
      output: z.string().transform((text) => text.length),
    });
    expectTypeOf(definition).toEqualTypeOf<
      TaskDefinition<{ width: string }, number, { width: number }, string>
    >();
    const handlers = createHandlers({ context: async () => ({ db: "db" as const }) });
    handlers.on(definition, (call) => {
      expectTypeOf(call.input).toEqualTypeOf<{ width: number }>();
      expectTypeOf(call.db).toEqualTypeOf<"db">();
      expectTypeOf(call.signal).toEqualTypeOf<AbortSignal>();
      return "text";
    });
    handlers.on(definition, async () => retryIn(5));
    // @ts-expect-error the output schema takes text
    handlers.on(definition, () => 5);
    // @ts-expect-error there is no such context
    on(definition, ({ db }) => String(db));
  });

  it.each<[string, () => unknown]>([
    ["module", () => on(plain, () => 1, { isolate: "thread" })],
    ["handler", () => on(plain, JSON.parse("5"))],
    ["definition", () => on(JSON.parse("{}"), () => 1)],
    ["delayMs", () => retryIn(-1)],
    ["use", () => createHandlers({ use: JSON.parse("[1]") })],
  ])("refuses a wrong %s", (field, act) => {
    expect(act).toThrow(expect.objectContaining({ code: "INVALID_OPTIONS", details: { field } }));
  });
});
