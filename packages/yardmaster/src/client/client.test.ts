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

  it("cuts frames at 2,000 tasks and numbers them", async () => {
    await Promise.all(Array.from({ length: 4_500 }, (_, input) => client.submit(double, input)));
    await host.settle();
    expect(dispatcher.frames.map(({ sequence, envelopes }) => [sequence, envelopes.length])).toEqual([
      [1, 2_000],
      [2, 2_000],
      [3, 500],
    ]);
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

describe("a result that nobody told", () => {
  it("is asked for within 30 s", async () => {
    const task = await client.submit(double, 1);
    const result = task.result();
    await dispatcher.keepTask(await submission(), "succeeded", { result: "2" });
    await host.advance(30_000);
    expect(await result).toBe(2);
  });

  it("is asked for at once when a new owner speaks", async () => {
    const waiting = await client.submit(double, 1);
    const other = await client.submit(double, 2);
    const results = Promise.all([waiting.result(), other.result()]);
    const first = await submission();
    await dispatcher.answerAll();
    await host.settle();
    const successor = await PlayedDispatcher.start(world.open(), dispatcher.lease);
    await successor.keepTask(first, "succeeded", { result: "2" });
    await successor.settle(await submission(1), { result: "4" });
    expect(await results).toEqual([2, 4]);
    await successor.close();
  });

  it("is reported by a watch where the store has no end of it yet", async () => {
    const task = await client.submit(double, 1);
    const result = task.result();
    const sent = await submission();
    await dispatcher.keepTask(sent, "ready");
    await host.advance(30_000);
    expect(dispatcher.of("watch")).toEqual([{ type: "watch", id: task.id }]);
    await dispatcher.settle(sent, { result: "2" });
    expect(await result).toBe(2);
  });

  it("costs no question while nobody waits", async () => {
    await client.submit(double, 1);
    await host.advance(120_000);
    expect(dispatcher.control).toEqual([]);
  });
});

describe("a handle opened by id", () => {
  it("finds an end in the store without a dispatcher", async () => {
    const { id } = await client.submit(double, 1);
    await dispatcher.keepTask(await submission(), "succeeded", { result: "2" });
    expect(await client.handle(double, id).result()).toBe(2);
    expect(await client.get(id).settled()).toEqual({ ok: true, value: 2 });
    expect(await client.get(id).accepted()).toEqual({ outcome: "created", id });
    expect(dispatcher.control).toEqual([]);
  });

  it("watches a task that goes on", async () => {
    const { id } = await client.submit(double, 1);
    const sent = await submission();
    await dispatcher.keepTask(sent, "ready");
    const result = client.handle(double, id).result();
    await host.settle();
    expect(dispatcher.of("watch")).toEqual([{ type: "watch", id }]);
    await dispatcher.settle(sent, { result: "2" });
    expect(await result).toBe(2);
  });

  it("throws TASK_NOT_FOUND once neither store nor dispatcher know it", async () => {
    await client.submit(double, 1);
    const { replyTo } = await submission();
    const result = expect(client.get(ID).result()).rejects.toMatchObject({ code: "TASK_NOT_FOUND" });
    await host.settle();
    await dispatcher.tell(replyTo, { type: "unknown", id: ID });
    await result;
  });

  it("follows an alias to the first task", async () => {
    const first = await client.submit(double, 1);
    const second = await client.submit(double, 1);
    await dispatcher.keepTask(await submission(0), "succeeded", { result: "2" });
    await dispatcher.keepTask(await submission(1), "submitted", { aliasOf: first.id });
    const handle = client.handle(double, second.id);
    expect(await handle.result()).toBe(2);
    expect(await handle.accepted()).toEqual({ outcome: "duplicate", id: first.id });
  });

  it("refuses what is no id", () => {
    expect(() => client.get("42")).toThrow(expect.objectContaining({ code: "INVALID_OPTIONS" }));
  });
});

describe("events", () => {
  it("tells what happens from acceptance to the end", async () => {
    const task = await client.submit(double, 1);
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const update of task.events()) seen.push(update);
    })();
    const sent = await submission();
    await dispatcher.answerAll();
    await host.settle();
    await dispatcher.keepTask(sent, "ready");
    expect(dispatcher.of("watch")).toEqual([{ type: "watch", id: task.id }]);
    const progress = { type: "progress", attempt: 1, fraction: 0.5, note: "half" } as const;
    await dispatcher.tell(sent.replyTo, { type: "event", id: task.id, event: progress });
    await dispatcher.settle(sent, { result: "2" });
    await reading;
    expect(seen).toEqual([
      { type: "accepted", outcome: "created", id: task.id },
      progress,
      { type: "settled", state: "succeeded", code: "", attempt: 1 },
    ]);
  });

  it("ends when the signal aborts, and throws when the yard closes", async () => {
    const task = await client.submit(double, 1);
    const controller = new AbortController();
    const aborted = task.events({ signal: controller.signal }).next();
    controller.abort();
    expect(await aborted).toEqual({ done: true, value: undefined });
    const open = expect(task.events().next()).rejects.toMatchObject({ code: "CLOSED" });
    await client.close();
    await open;
  });
});

describe("cancel", () => {
  it("resolves with how the task ended, and is repeated until answered", async () => {
    const task = await client.submit(double, 1);
    const cancelled = task.cancel("too late");
    const { replyTo } = await submission();
    await host.advance(5_000);
    const [first, again] = dispatcher.of("cancel");
    expect(first).toEqual({ type: "cancel", id: task.id, reason: "too late", request: 1 });
    expect(again).toEqual(first);
    await dispatcher.tell(replyTo, { type: "cancelDone", request: 1, id: task.id, state: "cancelled" });
    expect(await cancelled).toBe("cancelled");
    await host.advance(30_000);
    expect(dispatcher.of("cancel")).toHaveLength(2);
  });

  it("says what is missing when nobody answers", async () => {
    const task = await client.submit(double, 1);
    const cancelled = expect(task.cancel()).rejects.toMatchObject({
      code: "BROKER_UNAVAILABLE",
      message: expect.stringContaining("is one running?"),
    });
    await host.advance(30_000);
    await cancelled;
  });

  it("goes to the first task for a duplicate, and needs no dispatcher for what has ended", async () => {
    const first = await client.submit(double, 1);
    const second = await client.submit(double, 1);
    await dispatcher.keepTask(await submission(1), "submitted", { aliasOf: first.id });
    await dispatcher.keepTask(await submission(0), "succeeded", { result: "2" });
    expect(await second.cancel()).toBe("succeeded");
    expect(dispatcher.of("cancel")).toEqual([]);
  });
});

describe("close", () => {
  it("rejects what waits with CLOSED, removes the mailbox and takes no more", async () => {
    const task = await client.submit(double, 1);
    const waits = Promise.allSettled([task.result(), task.accepted(), task.cancel(), client.queues()]);
    await client.close();
    const closed = { status: "rejected", reason: { code: "CLOSED" } };
    expect(await waits).toMatchObject([closed, closed, closed, closed]);
    await expect(client.submit(double, 1)).rejects.toMatchObject({ code: "CLOSED" });
    await expect(task.result()).rejects.toMatchObject({ code: "CLOSED" });
    expect(await engine.broker.mailboxes("client:")).toEqual([]);
  });

  it("lets the broker have what was submitted first", async () => {
    const submitted = client.submit(double, 1);
    await client.close();
    const { id } = await submitted;
    expect((await submission()).id).toBe(id);
  });

  it("is called as often as one likes", async () => {
    expect(client.close()).toBe(client.close());
    await client[Symbol.asyncDispose]();
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
