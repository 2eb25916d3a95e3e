import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PlayedDispatcher } from "../../test/played-dispatcher.ts";
import type { Broker, Receiver } from "../brokers/broker.ts";
import { defineTask } from "../definition.ts";
import { createMemoryWorld, type MemoryEngine, type MemoryWorld } from "../memory/world.ts";
import type { Submission } from "../protocol/task.ts";
import { createManualHost, type ManualHost } from "../testing/manual-host.ts";
import { type Client, startClient } from "./client.ts";
import type { TaskHandle } from "./handle.ts";

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

  it("hears the answer although its client's mailbox was swept away", async () => {
    await client.submit(double, 1);
    const { replyTo } = await submission();
    const result = expect(client.get(ID).result()).rejects.toMatchObject({ code: "TASK_NOT_FOUND" });
    await host.settle();
    await engine.broker.remove(replyTo);
    await host.advance(30_000);
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

  it("throws TASK_NOT_FOUND for a shard that the yard does not have", async () => {
    const elsewhere = `${ID.slice(0, -3)}fff`;
    await expect(client.get(elsewhere).result()).rejects.toMatchObject({ code: "TASK_NOT_FOUND" });
    await expect(client.cancel(elsewhere)).rejects.toMatchObject({ code: "TASK_NOT_FOUND" });
    expect(await client.status(elsewhere)).toBeNull();
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

  it("tells of a task that has ended that it was accepted and how it ended", async () => {
    const task = await client.submit(double, 1);
    await dispatcher.keepTask(await submission(), "succeeded", { result: "2" });
    const types = async (handle: TaskHandle) => {
      const seen: string[] = [];
      for await (const { type } of handle.events()) seen.push(type);
      return seen;
    };
    const opened = client.get(task.id);
    expect(await types(opened)).toEqual(["accepted", "settled"]);
    expect(await types(opened)).toEqual(["accepted", "settled"]);
  });

  it("keeps the latest 1,000 updates for a slow reader", async () => {
    const task = await client.submit(double, 1);
    const { replyTo } = await submission();
    await dispatcher.answerAll();
    await task.accepted();
    const events = task.events();
    for (let attempt = 1; attempt <= 1_500; attempt += 1) {
      const event = { type: "started", attempt, worker: "w", at: 0 } as const;
      await dispatcher.tell(replyTo, { type: "event", id: task.id, event });
    }
    await dispatcher.settle(await submission(), { result: "2" });
    await host.settle();
    const seen: unknown[] = [];
    for await (const update of events) seen.push(update);
    expect(seen).toHaveLength(1_000);
    expect(seen.slice(-2)).toMatchObject([{ type: "started", attempt: 1_500 }, { type: "settled" }]);
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

  it("waits to hear whether a submission with a key is a duplicate, so as not to go before it", async () => {
    const first = await client.submit(double, 1, { idempotencyKey: "a" });
    const second = await client.submit(double, 1, { idempotencyKey: "a" });
    const cancelled = second.cancel();
    const { replyTo } = await submission(1);
    expect(dispatcher.of("cancel")).toEqual([]);
    const accepted = { type: "accepted", id: second.id, outcome: "duplicate", of: first.id } as const;
    await dispatcher.tell(replyTo, { ...accepted, code: "", message: "" });
    await host.settle();
    expect(dispatcher.of("cancel")).toMatchObject([{ id: first.id }]);
    await dispatcher.tell(replyTo, { type: "cancelDone", request: 1, id: first.id, state: "cancelled" });
    expect(await cancelled).toBe("cancelled");
  });

  it("goes to the id of a submission that was refused", async () => {
    const task = await client.submit(double, 1, { idempotencyKey: "a" });
    const cancelled = task.cancel();
    const { replyTo } = await submission();
    const refused = { type: "accepted", id: task.id, outcome: "refused", of: "" } as const;
    await dispatcher.tell(replyTo, { ...refused, code: "IDEMPOTENCY_CONFLICT", message: "no" });
    await host.settle();
    expect(dispatcher.of("cancel")).toMatchObject([{ id: task.id }]);
    await dispatcher.tell(replyTo, { type: "cancelDone", request: 1, id: task.id, state: "cancelled" });
    expect(await cancelled).toBe("cancelled");
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

describe("the mailbox", () => {
  it("is opened anew when the receiver ends, and what may be lost is asked for", async () => {
    const task = await client.submit(double, 1);
    const result = task.result();
    const sent = await submission();
    await dispatcher.keepTask(sent, "succeeded", { result: "2" });
    await client.close();
    await expect(result).rejects.toMatchObject({ code: "CLOSED" });
    const receivers: Receiver[] = [];
    const receive: Broker["receive"] = async (mailbox) => {
      const receiver = await engine.broker.receive(mailbox);
      receivers.push(receiver);
      return receiver;
    };
    const breaking = { ...engine, broker: { ...engine.broker, receive } };
    client = await startClient({ engine: breaking, host });
    const later = await client.submit(double, 2);
    const again = later.result();
    await dispatcher.keepTask(await submission(1), "succeeded", { result: "4" });
    await receivers[0]?.close();
    expect(await again).toBe(4);
    expect(receivers).toHaveLength(2);
  });

  it("is made again when it was swept away under a client that asks", async () => {
    await client.submit(double, 1);
    const { replyTo } = await submission();
    await engine.broker.remove(replyTo);
    const paused = client.pause("default");
    await host.advance(10_000);
    expect(await engine.broker.mailboxes("client:")).toEqual([replyTo]);
    await dispatcher.tell(replyTo, { type: "reply", request: 1, ok: true, value: {} });
    await paused;
  });

  it("is made again once, however many ask and hear nothing", async () => {
    await client.close();
    let opened = 0;
    const receive: Broker["receive"] = (mailbox) => {
      opened += 1;
      return engine.broker.receive(mailbox);
    };
    client = await startClient({ engine: { ...engine, broker: { ...engine.broker, receive } }, host });
    const handles = await Promise.all(
      Array.from({ length: 1_000 }, (_, input) => client.submit(double, input)),
    );
    const results = handles.map(({ id }) =>
      client
        .get(id)
        .result()
        .catch(() => null),
    );
    await host.advance(35_000);
    expect(opened).toBe(2);
    await client.close();
    await Promise.all(results);
  });

  it("is given up with the engine, and nothing goes on in the background", async () => {
    await client.close();
    let calls = 0;
    const declare: Broker["declare"] = (mailbox, options) => {
      calls += 1;
      return engine.broker.declare(mailbox, options);
    };
    client = await startClient({ engine: { ...engine, broker: { ...engine.broker, declare } }, host });
    await engine.close({ timeoutMs: 100 });
    await host.advance(60_000);
    expect(calls).toBe(2);
    await expect(client.submit(double, 1)).rejects.toMatchObject({ code: "CLOSED" });
  });
});
