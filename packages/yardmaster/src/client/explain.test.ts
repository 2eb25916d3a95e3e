import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { defineTask } from "../definition.ts";
import { type Dispatcher, startDispatcherOn } from "../dispatcher/dispatcher.ts";
import { createMemoryWorld, type MemoryWorld } from "../memory/world.ts";
import { createManualHost, type ManualHost } from "../testing/manual-host.ts";
import { createHandlers } from "../worker/handlers.ts";
import { startWorkerOn, type Worker } from "../worker/worker.ts";
import { type Client, startClient } from "./client.ts";

const UNKNOWN = "01990000-0000-7000-8000-000000000000";
const fail = defineTask<string, never>({
  name: "fail",
  attempts: 2,
  backoff: { type: "fixed", baseMs: 60_000 },
});
const { on } = createHandlers();
const handlers = [
  on(fail, ({ input }) => {
    throw new Error(input);
  }),
];

let host: ManualHost;
let world: MemoryWorld;
let dispatcher: Dispatcher;
let client: Client;
let worker: Worker | null = null;

beforeEach(async () => {
  host = createManualHost();
  world = createMemoryWorld(host, { shards: 1 });
  dispatcher = await startDispatcherOn({ engine: world.open(), host, limits: { maxLive: 2 } });
  client = await startClient({ engine: world.open(), host });
  await host.settle();
});

afterEach(async () => {
  await driven(client.close());
  if (worker !== null) await driven(worker.close({ timeoutMs: 1_000 }));
  worker = null;
  await driven(dispatcher.close());
});

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

async function submitted(): Promise<string> {
  const task = await driven(client.submit(fail, "no"));
  await driven(task.accepted());
  return task.id;
}

async function whyOf(id: string): Promise<unknown> {
  return driven(client.explain(id));
}

describe("explain and story", () => {
  it("tell of a task from its submission to its end", async () => {
    const id = await submitted();
    expect(await whyOf(id)).toMatchObject({ id, reason: "no-worker", state: "ready" });
    worker = await startWorkerOn({ engine: world.open(), host, handlers, slots: 1 });
    await host.advance(100);
    expect(await whyOf(id)).toMatchObject({ reason: "retry", data: { error: { message: "no" } } });
    await host.advance(60_000);
    expect(await whyOf(id)).toEqual({
      id,
      state: "failed",
      reason: "ended",
      sentence: "The task has ended as failed (HANDLER_FAILED: no).",
      data: { code: "HANDLER_FAILED", error: expect.objectContaining({ message: "no" }) },
    });
    const attempts = [
      { state: "running", attempt: 1, worker: worker.id },
      { state: "scheduled", attempt: 1, code: "HANDLER_FAILED", until: expect.any(String) },
      { state: "ready", attempt: 1, code: null },
      { state: "running", attempt: 2, worker: worker.id, message: null },
      { state: "failed", attempt: 2, code: "HANDLER_FAILED", message: "no", until: null },
    ];
    const story = await driven(client.story(id));
    expect(story).toMatchObject([{ state: "submitted", attempt: 0 }, { state: "ready" }, ...attempts]);
  });

  it("tell of a task that the dispatcher has no room for", async () => {
    const [first, , third] = [await submitted(), await submitted(), await submitted()];
    expect(await whyOf(first)).toMatchObject({ reason: "no-worker" });
    expect(await whyOf(third)).toEqual({
      id: third,
      state: "ready",
      reason: "parked",
      sentence:
        "The dispatcher's memory is full: the task waits in the store until there is room, with others of queue default.",
      data: { queue: "default" },
    });
    expect(await driven(client.story(third))).toMatchObject([{ state: "submitted" }, { state: "ready" }]);
  });

  it("tell that no dispatcher answers", async () => {
    const id = await submitted();
    await driven(dispatcher.close());
    expect(await whyOf(id)).toEqual({
      id,
      state: "ready",
      reason: "no-dispatcher",
      sentence: "No dispatcher answers for shard 0: nothing of it starts until one does.",
      data: { shard: 0 },
    });
    const fresh = await driven(client.submit(fail, "later"));
    expect(await whyOf(fresh.id)).toEqual({
      id: fresh.id,
      state: "submitted",
      reason: "no-dispatcher",
      sentence:
        "No dispatcher answers for shard 0: nothing of it starts until one does. What was submitted waits in the shard's lane.",
      data: { shard: 0 },
    });
    expect(await driven(client.story(id))).toMatchObject([{ state: "submitted" }, { state: "ready" }]);
  });

  it("know nothing of a task that never was", async () => {
    expect(await whyOf(UNKNOWN)).toBeNull();
    expect(await driven(client.story(UNKNOWN))).toBeNull();
    await expect(client.explain("x")).rejects.toMatchObject({ code: "INVALID_OPTIONS" });
  });
});
