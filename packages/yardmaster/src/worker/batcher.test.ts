import { afterEach, describe, expect, it } from "vitest";
import { defineTask } from "../definition.ts";
import { createManualHost } from "../testing/manual-host.ts";
import { startYard, type Yard } from "../yard.ts";
import { Batcher } from "./batcher.ts";
import { type BatchEnds, type Call, createHandlers, fail, type Handler, retryIn } from "./handlers.ts";

const double = defineTask<number, number>({
  name: "double",
  attempts: 2,
  backoff: { type: "fixed", baseMs: 1 },
});

let yards = 0;
let yard: Yard | null = null;
/** What came in each call. */
let batches: number[][] = [];

async function open(handler: Handler, slots = 8): Promise<Yard> {
  batches = [];
  yard = await startYard({ url: `memory:batches-${++yards}`, handlers: [handler], slots });
  return yard;
}

function doubling(end: (call: Call<number>) => BatchEnds<number>[number]): Handler {
  return createHandlers().onBatch(double, { size: 4, withinMs: 30 }, async (calls) => {
    batches.push(calls.map(({ input }) => input));
    return calls.map(end);
  });
}

afterEach(async () => {
  await yard?.close({ timeoutMs: 5_000 });
  yard = null;
});

async function resultsOf(of: Yard, inputs: readonly number[]): Promise<unknown[]> {
  const tasks = await Promise.all(inputs.map((input) => of.submit(double, input)));
  return Promise.all(
    tasks.map(async (task) => {
      const end = await task.settled();
      return end.ok ? end.value : String((end.error.cause as Error).message);
    }),
  );
}

it("is not called after a standstill before a dispatcher has said that its tasks still count", async () => {
  const host = createManualHost();
  const called: string[] = [];
  const handler = createHandlers().onBatch(double, { size: 4, withinMs: 30 }, (calls) => {
    called.push(...calls.map(({ taskId }) => taskId));
    return calls.map(({ input }) => 2 * input);
  });
  let inContact = false;
  const batch = handler.batch ?? expect.fail("no handler of batches");
  const batcher = new Batcher(handler, batch, host, {
    slots: () => 4,
    mayStart: () => inContact,
    starts: () => undefined,
  });
  const cancelled = new AbortController();
  const ends = [
    batcher.handler.run(callOf("cancelled", cancelled.signal)),
    batcher.handler.run(callOf("wanted", new AbortController().signal)),
  ];
  const settled = Promise.allSettled(ends);
  await host.advance(1_000);
  expect(called).toEqual([]);
  cancelled.abort(new Error("cancelled"));
  inContact = true;
  await host.advance(1_000);
  expect(called).toEqual(["wanted"]);
  expect((await settled).map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
});

function callOf(taskId: string, signal: AbortSignal): Call<unknown> {
  const submit = () => Promise.reject(new Error("nothing is submitted here"));
  return { input: 1, signal, attempt: 1, taskId, progress: () => undefined, log: () => undefined, submit };
}

describe("a handler of batches", () => {
  it("gets as many as its size says, and the rest after a while", async () => {
    const of = await open(doubling(({ input }) => 2 * input));
    expect(await resultsOf(of, [1, 2, 3, 4, 5, 6])).toEqual([2, 4, 6, 8, 10, 12]);
    expect(batches).toEqual([
      [1, 2, 3, 4],
      [5, 6],
    ]);
  });

  it("waits for no more than there are slots", async () => {
    const of = await open(
      createHandlers().onBatch(double, { size: 100, withinMs: 60_000 }, (calls) => {
        batches.push(calls.map(({ input }) => input));
        return calls.map(({ input }) => 2 * input);
      }),
      2,
    );
    expect(await resultsOf(of, [1, 2])).toEqual([2, 4]);
    expect(batches).toEqual([[1, 2]]);
  });

  it("goes by the slots of now, not by those that the worker began with", async () => {
    const host = createManualHost();
    const sizes: number[] = [];
    const handler = createHandlers().onBatch(double, { size: 4, withinMs: 60_000 }, (calls) => {
      sizes.push(calls.length);
      return calls.map(({ input }) => 2 * input);
    });
    let slots = 1;
    const batch = handler.batch ?? expect.fail("no handler of batches");
    const batcher = new Batcher(handler, batch, host, {
      slots: () => slots,
      mayStart: () => true,
      starts: () => undefined,
    });
    const run = (id: string) => batcher.handler.run(callOf(id, new AbortController().signal));
    await run("alone");
    slots = 3;
    await Promise.all([run("one"), run("two"), run("three")]);
    slots = 2;
    await Promise.all([run("four"), run("five")]);
    expect(sizes).toEqual([1, 3, 2]);
  });

  it("ends each in its own way", async () => {
    const of = await open(
      doubling(({ input, attempt }) => {
        if (input === 1) return new Error("one broke");
        if (input === 2) return fail("two is wrong");
        if (input === 3 && attempt === 1) return retryIn(1);
        return 2 * input;
      }),
    );
    expect(await resultsOf(of, [1, 2, 3, 4])).toEqual(["one broke", "two is wrong", 6, 8]);
    expect(batches.flat().filter((input) => input === 2)).toHaveLength(1);
    expect(batches.flat().filter((input) => input === 1)).toHaveLength(2);
  });

  it("that throws, or answers with too few ends, fails all", async () => {
    const thrower = createHandlers().onBatch(double, { size: 2, withinMs: 30 }, () => {
      throw new Error("all broke");
    });
    expect(await resultsOf(await open(thrower), [1, 2])).toEqual(["all broke", "all broke"]);
    await yard?.close();
    const short = createHandlers().onBatch(double, { size: 2, withinMs: 30 }, () => [1]);
    const message = "A handler of a batch must answer with one end for each of its 2 tasks, not 1 ends.";
    expect(await resultsOf(await open(short), [1, 2])).toEqual([message, message]);
  });

  it("does not see what was cancelled before, and has its middleware and context", async () => {
    const around: string[] = [];
    const bothCame = Promise.withResolvers<void>();
    const { onBatch } = createHandlers({
      context: () => ({ factor: 3 }),
      use: [
        async (call, next) => {
          if (around.push(`before ${call.input}`) === 2) bothCame.resolve();
          return next();
        },
      ],
    });
    const handler = onBatch(double, { size: 3, withinMs: 400 }, (calls) => {
      batches.push(calls.map(({ input }) => input));
      return calls.map(({ input, factor }) => factor * input);
    });
    const of = await open(handler);
    const [first, second] = await Promise.all([of.submit(double, 1), of.submit(double, 2)]);
    await bothCame.promise;
    const cancelled = first.cancel();
    expect(await second.result()).toBe(6);
    expect(await cancelled).toBe("cancelled");
    expect(batches).toEqual([[2]]);
    expect(around.sort()).toEqual(["before 1", "before 2"]);
  });

  it.each([
    ["size", { withinMs: 1 }],
    ["size", { size: 1, withinMs: 1 }],
    ["withinMs", { size: 2 }],
    ["withinMs", { size: 2, withinMs: 0 }],
    ["isolate", { size: 2, withinMs: 1, isolate: "thread" }],
  ])("is refused for a wrong %s", (field, options) => {
    expect(() => createHandlers().onBatch(double, options as never, () => [])).toThrow(
      expect.objectContaining({ code: "INVALID_OPTIONS", details: { field } }),
    );
  });
});
