import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { defineQueue } from "../definition/queue.ts";
import { defineTask } from "../definition.ts";
import { type Dispatcher, startDispatcherOn } from "../dispatcher/dispatcher.ts";
import { createMemoryWorld, type MemoryEngine, type MemoryWorld } from "../memory/world.ts";
import { shardOf } from "../protocol/ids.ts";
import { createManualHost, type ManualHost } from "../testing/manual-host.ts";
import { createHandlers } from "../worker/handlers.ts";
import { startWorkerOn, type Worker } from "../worker/worker.ts";
import { type Client, startClient } from "./client.ts";
import type { TaskUpdate } from "./handle.ts";

const voices = defineQueue({ name: "voices", order: "priority" });
const repeat = defineTask<{ text: string; times: number }, string>({ name: "repeat", queue: voices });
const break_ = defineTask<string, never>({ name: "break", queue: voices, attempts: 1 });
const wait = defineTask<string, string>({ name: "wait", queue: voices, timeoutMs: 0 });

const { on } = createHandlers();
/** Resolves what `wait` waits for. */
const gates = new Map<string, () => void>();
const handlers = [
  on(repeat, ({ input: { text, times }, progress, log }) => {
    progress(0.5, "half");
    log("repeating");
    return text.repeat(times);
  }),
  on(break_, ({ input }) => {
    throw new Error(`${input} broke`);
  }),
  on(
    wait,
    ({ input, signal }) =>
      new Promise<string>((resolve, reject) => {
        gates.set(input, () => resolve(input));
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      }),
  ),
];

let host: ManualHost;
let world: MemoryWorld;
let dispatcherEngine: MemoryEngine;
let dispatcher: Dispatcher;
let worker: Worker;
let client: Client;

async function open(shards: number): Promise<void> {
  host = createManualHost();
  world = createMemoryWorld(host, { shards });
  dispatcherEngine = world.open();
  dispatcher = await startDispatcherOn({ engine: dispatcherEngine, host });
  worker = await startWorkerOn({ engine: world.open(), host, handlers, slots: 4 });
  client = await startClient({ engine: world.open(), host });
  await host.settle();
}

beforeEach(() => open(1));

afterEach(close);

async function close(): Promise<void> {
  gates.clear();
  await driven(client.close());
  await driven(worker.close({ timeoutMs: 1_000 }));
  await driven(dispatcher.close());
}

/** Moves time until the promise has settled. */
async function driven<T>(promise: Promise<T>): Promise<T> {
  let isSettled = false;
  const watched = promise.finally(() => {
    isSettled = true;
  });
  watched.catch(() => undefined);
  for (await host.settle(); !isSettled; ) await host.advance(100);
  return watched;
}

describe("a client in a yard", () => {
  it("does not list the ids of duplicates, which are no tasks", async () => {
    const input = { text: "a", times: 1 };
    const first = await client.submit(repeat, input, { idempotencyKey: "k" });
    const second = await client.submit(repeat, input, { idempotencyKey: "k" });
    await host.settle();
    expect(await second.accepted()).toEqual({ outcome: "duplicate", id: first.id });
    expect(await second.result()).toBe("a");
    expect((await client.list({})).map(({ id }) => id)).toEqual([first.id]);
  });

  it("gets its results, small and large", async () => {
    const tasks = await Promise.all(
      [1, 10, 10_000].map((times) => client.submit(repeat, { text: "é", times })),
    );
    const results = await driven(Promise.all(tasks.map((task) => task.result())));
    expect(results.map(({ length }) => length)).toEqual([1, 10, 10_000]);
    expect(await tasks[0]?.accepted()).toEqual({ outcome: "created", id: tasks[0]?.id });
  });

  it("gets a handler's error", async () => {
    const task = await client.submit(break_, "it");
    await expect(driven(task.result())).rejects.toMatchObject({
      code: "TASK_FAILED",
      cause: { message: "it broke", stack: expect.stringContaining("client-in-a-yard.test.ts") },
    });
  });

  it("gets the first task's result for a duplicate, and a conflict for other input", async () => {
    const input = { text: "a", times: 2 };
    const options = { idempotencyKey: "once" };
    const first = await client.submit(repeat, input, options);
    expect(await driven(first.result())).toBe("aa");
    const second = await client.submit(repeat, input, options);
    expect(await driven(second.accepted())).toEqual({ outcome: "duplicate", id: first.id });
    expect(await driven(second.result())).toBe("aa");
    const other = await client.submit(repeat, { text: "b", times: 2 }, options);
    await expect(driven(other.accepted())).rejects.toMatchObject({ code: "IDEMPOTENCY_CONFLICT" });
    await expect(driven(other.result())).rejects.toMatchObject({ code: "IDEMPOTENCY_CONFLICT" });
    await expect(driven(client.get(other.id).result())).rejects.toMatchObject({
      code: "IDEMPOTENCY_CONFLICT",
    });
    expect(await driven(client.get(second.id).result())).toBe("aa");
  });

  it("finds the task that an idempotency key stands for, until its window is over", async () => {
    const options = { idempotencyKey: "once", idempotencyWindowMs: 60_000 };
    const task = await client.submit(wait, "gate", options);
    await driven((await client.submit(wait, "gate", options)).accepted());
    await driven((await client.submit(break_, "it", options)).settled());
    await host.advance(1_000);
    const found = (filter = {}) => driven(client.list({ name: "wait", key: "once", ...filter }));
    expect(await found()).toMatchObject([{ id: task.id, state: "running" }]);
    gates.get("gate")?.();
    await driven(task.result());
    await host.advance(40_000);
    expect(await found({ queue: "voices", state: "succeeded" })).toMatchObject([{ id: task.id }]);
    expect(await found({ unfinished: true })).toEqual([]);
    expect(await found({ queue: "other" })).toEqual([]);
    expect(await found({ key: "twice" })).toEqual([]);
    await host.advance(20_000);
    expect(await found()).toEqual([]);
    // The key was free again: whoever uses it now is another task.
    const next = await client.submit(wait, "next", options);
    await driven(next.accepted());
    expect(await found()).toMatchObject([{ id: next.id }]);
    await expect(client.list({ key: "once" })).rejects.toMatchObject({ code: "INVALID_OPTIONS" });
    await expect(client.list({ name: "wait", routingKey: "a" })).rejects.toMatchObject({
      code: "INVALID_OPTIONS",
    });
  });

  it("cancels what runs and what waits", async () => {
    const running = await client.submit(wait, "gate");
    await host.advance(1_000);
    expect(await client.status(running.id)).toMatchObject({ state: "running", worker: worker.id });
    expect(await driven(running.cancel("enough"))).toBe("cancelled");
    await expect(running.result()).rejects.toMatchObject({ code: "TASK_CANCELLED" });
    const waiting = await client.submit(repeat, { text: "a", times: 1 }, { delayMs: 60_000 });
    expect(await driven(client.cancel(waiting.id))).toBe("cancelled");
    expect(await driven(client.cancel(waiting.id))).toBe("cancelled");
    expect(await client.status(waiting.id)).toMatchObject({ state: "cancelled" });
  });

  it("cancels a duplicate's first task", async () => {
    const options = { idempotencyKey: "once" };
    const first = await client.submit(wait, "gate", options);
    const second = await client.submit(wait, "gate", options);
    await driven(second.accepted());
    expect(await driven(client.cancel(second.id))).toBe("cancelled");
    await expect(first.result()).rejects.toMatchObject({ code: "TASK_CANCELLED" });
  });

  it("sees from another process what happens to a task", async () => {
    const task = await client.submit(wait, "gate");
    await host.settle();
    const other = await startClient({ engine: world.open(), host });
    const updates: TaskUpdate[] = [];
    const reading = (async () => {
      for await (const update of other.get(task.id).events()) updates.push(update);
    })();
    await host.settle();
    gates.get("gate")?.();
    await driven(reading);
    expect(updates.map(({ type }) => type)).toEqual(["accepted", "settled"]);
    expect(await driven(other.get(task.id).result())).toBe("gate");
    await expect(driven(other.get(repeatedId(task.id)).result())).rejects.toMatchObject({
      code: "TASK_NOT_FOUND",
    });
    await driven(other.close());
  });

  it("retries an ended task as a new one", async () => {
    const broken = await client.submit(break_, "it");
    await driven(broken.settled());
    const again = await client.retry(broken.id);
    expect(again.id).not.toBe(broken.id);
    expect(await driven(again.settled())).toMatchObject({ ok: false, error: { code: "TASK_FAILED" } });
  });

  it("pauses, resumes and lists", async () => {
    await driven(client.pause("voices"));
    const task = await client.submit(repeat, { text: "a", times: 1 });
    await host.settle();
    expect(await client.list({ queue: "voices" })).toMatchObject([{ id: task.id, state: "ready" }]);
    expect(await client.queues()).toContainEqual(
      expect.objectContaining({ name: "voices", order: "priority", paused: true, ready: 1 }),
    );
    expect(await client.workers()).toMatchObject([{ id: worker.id, credit: 4, registered: true }]);
    await driven(client.resume("voices"));
    expect(await driven(task.result())).toBe("a");
    expect(await client.list({ name: "repeat" })).toMatchObject([{ id: task.id, state: "succeeded" }]);
    await driven(client.apply([defineQueue({ name: "voices", order: "fifo" })]));
    expect(await client.queues()).toContainEqual(expect.objectContaining({ name: "voices", order: "fifo" }));
  });

  it("misses nothing while the dispatcher dies and another takes over", async () => {
    const tasks = await Promise.all(
      Array.from({ length: 20 }, (_, index) => client.submit(repeat, { text: "a", times: index })),
    );
    dispatcherEngine.crash();
    const late = client.submit(repeat, { text: "b", times: 2 });
    dispatcherEngine = world.open();
    dispatcher = await startDispatcherOn({ engine: dispatcherEngine, host });
    const results = await driven(Promise.all([...tasks, await late].map((task) => task.result())));
    expect(results).toEqual([...tasks.map((_, index) => "a".repeat(index)), "bb"]);
  });

  it("spreads queues over shards, and finds every task in its own", async () => {
    await close();
    await open(3);
    const tasks = await Promise.all(
      Array.from({ length: 12 }, (_, index) => {
        const copy = defineTask<{ text: string; times: number }, string>({
          name: "repeat",
          queue: `q${index}`,
        });
        return client.submit(copy, { text: "a", times: index });
      }),
    );
    expect(new Set(tasks.map(({ id }) => shardOf(id)))).toEqual(new Set([0, 1, 2]));
    const results = await driven(Promise.all(tasks.map((task) => task.result())));
    expect(results.map(({ length }) => length)).toEqual(tasks.map((_, index) => index));
    expect(await driven(client.pause("q1"))).toBeUndefined();
    const paused = (await driven(client.queues())).filter(({ paused: isPaused }) => isPaused);
    expect(paused.map(({ name }) => name)).toEqual(["q1"]);
    expect(await driven(client.workers())).toMatchObject([{ id: worker.id, credit: 4 }]);
    expect(await driven(client.list({ state: "succeeded" }))).toHaveLength(12);
  });

  it("carries many", async () => {
    const count = 5_000;
    const inputs = Array.from({ length: count }, () => ({ text: "x", times: 1 }));
    const waits: Promise<string>[] = [];
    for await (const task of client.submitMany(repeat, inputs)) {
      waits.push(task.result());
    }
    expect((await driven(Promise.all(waits))).join("")).toBe("x".repeat(count));
  });
});

/** The id of a task that does not exist. */
function repeatedId(id: string): string {
  return `${id.slice(0, 24)}000000000000`;
}
