import { afterEach, beforeEach, describe, expect, expectTypeOf, it } from "vitest";
import { z } from "zod";
import { PlayedDispatcher } from "../../test/played-dispatcher.ts";
import { defineTask } from "../definition.ts";
import { createMemoryWorld, type MemoryEngine, type MemoryWorld } from "../memory/world.ts";
import type { Submission } from "../protocol/task.ts";
import { createManualHost, type ManualHost } from "../testing/manual-host.ts";
import { type Client, startClient } from "./client.ts";
import type { Acceptance, Outcome, TaskHandle } from "./handle.ts";

const double = defineTask<number, number>({ name: "double" });
const ID = "01890a5d-ac96-774b-bcce-b302099a8000";

let host: ManualHost;
let world: MemoryWorld;
let engine: MemoryEngine;
let client: Client;
let dispatcher: PlayedDispatcher;

beforeEach(async () => {
  host = createManualHost();
  world = createMemoryWorld(host);
  engine = world.open();
  client = await startClient({ engine, host });
  dispatcher = await PlayedDispatcher.start(world.open());
});

afterEach(async () => {
  const closing = client.close({ timeoutMs: 1_000 });
  await host.advance(2_000);
  await closing;
  await dispatcher.close();
});

/** The submission that the dispatcher got `index`th. */
async function submission(index = 0): Promise<Submission> {
  await host.settle();
  const found = dispatcher.submissions[index];
  if (found === undefined) throw new Error(`no submission ${index}`);
  return found;
}

describe("submit", () => {
  it("resolves once the broker has the task, and says where to answer", async () => {
    const task = await client.submit(double, 21, { priority: 7 });
    const sent = await submission();
    expect(sent).toMatchObject({ id: task.id, spec: double.spec, priority: 7, payload: "21", copy: false });
    expect(await engine.broker.mailboxes("client:")).toEqual([sent.replyTo]);
    expect(dispatcher.frames).toMatchObject([{ from: sent.replyTo, shard: 0, epoch: 0, sequence: 1 }]);
  });

  it("puts what one turn submits into one frame, in order", async () => {
    const tasks = await Promise.all([1, 2, 3].map((input) => client.submit(double, input)));
    await host.settle();
    expect(dispatcher.frames).toHaveLength(1);
    expect(dispatcher.submissions.map(({ id }) => id)).toEqual(tasks.map(({ id }) => id));
  });

  it("cuts frames at 500 tasks and numbers them", async () => {
    await Promise.all(Array.from({ length: 1_100 }, (_, input) => client.submit(double, input)));
    await host.settle();
    expect(dispatcher.frames.map(({ sequence, envelopes }) => [sequence, envelopes.length])).toEqual([
      [1, 500],
      [2, 500],
      [3, 100],
    ]);
  });

  it("cuts them at 250 where a server commits, so that the first is under way while the second is made", async () => {
    const aside = await startClient({ engine: { ...world.open(), commitsAside: true }, host });
    await Promise.all(Array.from({ length: 500 }, (_, input) => aside.submit(double, input)));
    await host.settle();
    expect(dispatcher.frames.map(({ envelopes }) => envelopes.length)).toEqual([250, 250]);
    await aside.close({ timeoutMs: 0 });
  });

  it("cuts frames at 512 KiB", async () => {
    const text = defineTask<string, number>({ name: "text" });
    const input = "x".repeat(200 * 1024);
    await Promise.all(Array.from({ length: 4 }, () => client.submit(text, input)));
    await host.settle();
    expect(dispatcher.frames.map(({ envelopes }) => envelopes.length)).toEqual([3, 1]);
  });

  it("sends the original input of a schema that transforms", async () => {
    const width = defineTask({ name: "width", input: z.object({ width: z.string().transform(Number) }) });
    await client.submit(width, { width: "12" });
    expect((await submission()).payload).toBe('{"width":"12"}');
  });

  it("waits for an asynchronous schema", async () => {
    const input = z.string().refine(async (text) => text.length < 4);
    const short = defineTask({ name: "short", input });
    await client.submit(short, "abc");
    await expect(client.submit(short, "abcd")).rejects.toMatchObject({ code: "INVALID_INPUT" });
    await host.settle();
    expect(dispatcher.submissions).toHaveLength(1);
  });
});

describe("accepted", () => {
  it("is created once the frame is answered, for all who ask and whenever", async () => {
    const task = await client.submit(double, 1);
    const early = task.accepted();
    await host.settle();
    await dispatcher.answerAll();
    expect(await early).toEqual({ outcome: "created", id: task.id });
    expect(await task.accepted()).toEqual({ outcome: "created", id: task.id });
  });

  it("names the first task for a duplicate, and all waiting moves there", async () => {
    const first = await client.submit(double, 1, { idempotencyKey: "k" });
    const second = await client.submit(double, 1, { idempotencyKey: "k" });
    const result = second.result();
    const { replyTo } = await submission();
    await dispatcher.tell(
      replyTo,
      { type: "accepted", id: second.id, outcome: "duplicate", of: first.id, code: "", message: "" },
      { type: "answered", sequence: 2 },
    );
    expect(await second.accepted()).toEqual({ outcome: "duplicate", id: first.id });
    await dispatcher.settle(await submission(), { result: "2" });
    expect(await result).toBe(2);
    expect(await second.result()).toBe(2);
    expect(await first.result()).toBe(2);
  });

  it("moves to the first task's end though it came before anybody waited", async () => {
    const first = await client.submit(double, 1);
    const second = await client.submit(double, 1);
    await dispatcher.keepTask(await submission(), "succeeded", { result: "2" });
    const { replyTo } = await submission();
    const told = { id: second.id, outcome: "duplicate", of: first.id, code: "", message: "" } as const;
    await dispatcher.tell(replyTo, { type: "accepted", ...told });
    await host.settle();
    expect(await second.result()).toBe(2);
  });

  it.each([
    ["ADMISSION", "TASK_REFUSED"],
    ["IDEMPOTENCY_CONFLICT", "IDEMPOTENCY_CONFLICT"],
  ])("throws a refusal with code %s as %s, to those who wait for the result too", async (code, thrown) => {
    const task = await client.submit(double, 1);
    const waits = [task.accepted(), task.result(), task.settled().then((end) => !end.ok && end.error.code)];
    const ends = Promise.allSettled(waits);
    const { id, replyTo } = await submission();
    await dispatcher.tell(replyTo, { type: "accepted", id, outcome: "refused", of: "", code, message: "no" });
    expect(await ends).toMatchObject([
      { reason: { code: thrown, details: { id, code } } },
      { reason: { code: thrown, message: `Task ${id} was refused: no` } },
      { value: thrown },
    ]);
    await expect(task.accepted()).rejects.toMatchObject({ code: thrown });
    await expect(task.result()).rejects.toMatchObject({ code: thrown });
  });

  it("is learnt from the store when the answer was lost", async () => {
    const task = await client.submit(double, 1);
    const accepted = task.accepted();
    await dispatcher.keepTask(await submission(), "ready");
    await host.advance(30_000);
    expect(await accepted).toEqual({ outcome: "created", id: task.id });
  });
});

describe("result", () => {
  it("decodes what the worker returned, for all who wait", async () => {
    const task = await client.submit(double, 21);
    const waits = [task.result(), task.result(), task.settled()];
    await dispatcher.settle(await submission(), { result: "42" });
    expect(await Promise.all(waits)).toEqual([42, 42, { ok: true, value: 42 }]);
    expect(await task.result()).toBe(42);
  });

  it("finds a result that came before anybody waited", async () => {
    const task = await client.submit(double, 21);
    await dispatcher.settle(await submission(), { result: "42" });
    await host.settle();
    expect(await task.result()).toBe(42);
    expect(dispatcher.control).toEqual([]);
  });

  it("is undefined for a handler that returned nothing", async () => {
    const task = await client.submit(double, 21);
    await dispatcher.settle(await submission(), {});
    expect(await task.result()).toBeUndefined();
  });

  it("uses the definition's codec", async () => {
    const codec = {
      encode: (value: unknown) => `<${String(value)}>`,
      decode: (bytes: Uint8Array) => `got ${Buffer.from(bytes).toString()}`,
    };
    const task = await client.submit(defineTask<string, string>({ name: "coded", codec }), "é");
    const sent = await submission();
    expect(sent.payload).toBe(Buffer.from("<é>").toString("latin1"));
    await dispatcher.settle(sent, { result: Buffer.from("ü").toString("latin1") });
    expect(await task.result()).toBe("got ü");
  });

  it("throws the handler's error as the cause of TASK_FAILED", async () => {
    const task = await client.submit(double, 1);
    const error = {
      code: "HANDLER_FAILED",
      message: "out of paper",
      stack: "Error: out of paper\n    at tray",
    };
    const sent = await submission();
    await dispatcher.settle(sent, { state: "failed", code: "HANDLER_FAILED", attempt: 3, error });
    await expect(task.result()).rejects.toMatchObject({
      code: "TASK_FAILED",
      message: `Task double ${task.id} failed in attempt 3 (HANDLER_FAILED): out of paper`,
      details: { id: task.id, code: "HANDLER_FAILED", attempt: 3 },
      cause: { message: "out of paper", stack: error.stack },
    });
    expect(await task.settled()).toMatchObject({ ok: false, error: { code: "TASK_FAILED" } });
  });

  it.each([
    ["cancelled", "TASK_CANCELLED"],
    ["expired", "TASK_EXPIRED"],
    ["failed", "TASK_FAILED"],
  ] as const)("throws %s as %s", async (state, code) => {
    const task = await client.submit(double, 1);
    await dispatcher.settle(await submission(), { state });
    await expect(task.result()).rejects.toMatchObject({ code });
  });

  it("reads a large result from the store, in one batch for all that came together", async () => {
    const text = defineTask<number, string>({ name: "text" });
    const tasks = await Promise.all([1, 2].map((input) => client.submit(text, input)));
    const results = Promise.all(tasks.map((task) => task.result()));
    const large = JSON.stringify("x".repeat(10_000));
    await host.settle();
    for (const sent of dispatcher.submissions) {
      await dispatcher.keepTask(sent, "succeeded", { result: large });
      await dispatcher.settle(sent, { result: null, resultBytes: large.length });
    }
    expect((await results).map((result) => result.length)).toEqual([10_000, 10_000]);
  });

  it("reads a large result that came before anybody waited", async () => {
    const task = await client.submit(double, 1);
    const sent = await submission();
    await dispatcher.keepTask(sent, "succeeded", { result: "7" });
    await dispatcher.settle(sent, { result: null, resultBytes: 1 });
    await host.settle();
    expect(await task.result()).toBe(7);
  });

  it("gives up after timeoutMs, and can wait again", async () => {
    const task = await client.submit(double, 1);
    const early = task.result({ timeoutMs: 1_000 });
    const caught = expect(early).rejects.toMatchObject({ code: "WAIT_TIMED_OUT", retryable: true });
    await host.advance(1_000);
    await caught;
    const late = task.result({ timeoutMs: 1_000 });
    await dispatcher.settle(await submission(), { result: "2" });
    expect(await late).toBe(2);
  });

  it("throws the signal's reason", async () => {
    const task = await client.submit(double, 1);
    const controller = new AbortController();
    const waiting = expect(task.settled({ signal: controller.signal })).rejects.toThrow("enough");
    controller.abort(new Error("enough"));
    await waiting;
    await expect(task.result({ signal: controller.signal })).rejects.toThrow("enough");
    await expect(task.result({ timeoutMs: -1 })).rejects.toMatchObject({ code: "INVALID_OPTIONS" });
  });
});

describe("types", () => {
  it("follow from the definition", async () => {
    const resize = defineTask({
      name: "resize",
      input: z.object({ width: z.string().transform(Number) }),
      output: z.object({ at: z.string().transform((text) => text.length) }),
    });
    const submit = () => client.submit(resize, { width: "1" });
    expectTypeOf(submit).returns.resolves.toEqualTypeOf<TaskHandle<{ at: number }>>();
    const many = () => client.submitMany(resize, [{ width: "1" }]);
    expectTypeOf(many).returns.toEqualTypeOf<AsyncGenerator<TaskHandle<{ at: number }>, void, undefined>>();
    const handle = client.handle(resize, ID);
    expectTypeOf(handle.result).returns.resolves.toEqualTypeOf<{ at: number }>();
    expectTypeOf(handle.settled).returns.resolves.toEqualTypeOf<Outcome<{ at: number }>>();
    expectTypeOf(handle.accepted).returns.resolves.toEqualTypeOf<Acceptance>();
    expectTypeOf(client.get(ID).result).returns.resolves.toEqualTypeOf<unknown>();
    // @ts-expect-error: the input's schema wants a string.
    const wrong = client.submit(resize, { width: 1 });
    await expect(wrong).rejects.toMatchObject({ code: "INVALID_INPUT" });
  });
});
