import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { assign, taskId, WorkerDesk } from "../../test/worker-desk.ts";
import { defineQueue } from "../definition/queue.ts";
import { defineTask } from "../definition.ts";
import { createMemoryWorld, type MemoryEngine, type MemoryWorld } from "../memory/world.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { createManualHost, type ManualHost } from "../testing/manual-host.ts";
import { type Call, createHandlers, type Handler } from "./handlers.ts";
import { startWorkerOn, type Worker, type WorkerOptions } from "./worker.ts";

const { on } = createHandlers();
const media = defineQueue({ name: "media", order: "priority" });
const double = defineTask<number, number>({ name: "double", queue: media });
const held = defineTask<unknown, unknown>({ name: "held" });

/** What the calls of `held` were given, and how to end them. */
interface HeldCall {
  readonly call: Call<unknown>;
  readonly end: (value?: unknown) => void;
  readonly fail: (error: unknown) => void;
}

let host: ManualHost;
let world: MemoryWorld;
let engine: MemoryEngine;
let desk: WorkerDesk;
let worker: Worker | null;
let calls: HeldCall[];
let problems: string[];

const handlers: Handler[] = [
  on(double, ({ input }) => 2 * input),
  on(held, (call) => new Promise((resolve, reject) => calls.push({ call, end: resolve, fail: reject }))),
];

beforeEach(async () => {
  host = createManualHost();
  world = createMemoryWorld(host);
  engine = world.open();
  desk = new WorkerDesk(world.open(), "w");
  worker = null;
  calls = [];
  problems = [];
});

afterEach(async () => {
  for (const { end } of calls) end();
  const closing = worker?.close({ timeoutMs: 1_000 });
  await host.advance(10_000);
  await closing;
  await desk.close();
});

async function start(options: Partial<WorkerOptions> = {}): Promise<Worker> {
  await desk.open();
  const report = (what: string): void => void problems.push(what);
  worker = await startWorkerOn({ engine, host, handlers, id: "w", slots: 2, report, ...options });
  await host.settle();
  return worker;
}

async function tell(...envelopes: Parameters<WorkerDesk["tell"]>): Promise<void> {
  await desk.tell(...envelopes);
  await host.settle();
}

function callOf(index: number): HeldCall {
  const call = calls[index];
  if (call === undefined) throw new Error(`held was not called ${index + 1} times`);
  return call;
}

/** Resolves with what is to be seen when the promise has settled, and never waits for it. */
async function seen<T>(promise: Promise<T>): Promise<T | "still waiting"> {
  await host.settle();
  return Promise.race([promise, Promise.resolve("still waiting" as const)]);
}

describe("a starting worker", () => {
  it("holds its presence and presents itself", async () => {
    await start({ labels: { zone: "eu" } });
    const [register] = desk.of("register");
    expect(register).toEqual({
      type: "register",
      worker: "w",
      mailbox: "worker:w",
      credit: 2,
      tasks: [
        { name: "double", version: 1 },
        { name: "held", version: 1 },
      ],
      queues: [{ name: "media", order: "priority", placement: "two-choices", paused: false, revision: 1 }],
      labels: { zone: "eu" },
      resources: {},
    });
    expect(await engine.broker.mailboxes("worker:")).toEqual(["worker:w"]);
    engine.crash();
    expect(await world.open().broker.presence.absent(["worker:w"])).toEqual(["worker:w"]);
    worker = null;
  });

  it("offers every version that it can upgrade", async () => {
    const upgrade = { 2: (old: unknown) => old, 3: (old: unknown) => old };
    const grown = defineTask<number, number>({ name: "grown", version: 4, upgrade });
    await start({ handlers: [on(grown, ({ input }) => input)] });
    expect(desk.of("register")[0]?.tasks.map(({ version }) => version)).toEqual([2, 3, 4]);
  });

  it("waits for a dispatcher that comes later", async () => {
    worker = await startWorkerOn({ engine, host, handlers, id: "w" });
    await host.advance(3_000);
    await desk.open();
    await host.advance(5_000);
    expect(desk.of("register")).toHaveLength(1);
    await tell(assign(1, "double"));
    expect(desk.outcomes).toMatchObject([{ kind: "succeeded", result: "2" }]);
  });

  it.each<[string, Partial<WorkerOptions>]>([
    ["slots", { slots: 0 }],
    ["labels.zone", { labels: { zone: JSON.parse("5") } }],
    ["handlers", { handlers: [] }],
    ["handlers", { handlers: [on(double, () => 1), on(double, () => 2)] }],
    ["context", { handlers: [createHandlers({ context: () => ({ input: 1 }) }).on(double, () => 1)] }],
  ])("refuses wrong %s", async (field, options) => {
    const starting = startWorkerOn({ engine, host, handlers, ...options });
    await expect(starting).rejects.toMatchObject({ code: "INVALID_OPTIONS", details: { field } });
  });

  it("builds a context once and ends it with itself", async () => {
    const log: string[] = [];
    const context = async () => ({
      add: (a: number, b: number) => a + b,
      close: () => void log.push("closed"),
    });
    const shared = createHandlers({
      context: () => {
        log.push("built");
        return context();
      },
    });
    const adds = [shared.on(double, ({ input, add }) => add(input, input)), shared.on(held, () => 0)];
    const { close } = await start({ handlers: adds }).then((started) => ({ close: () => started.close() }));
    await tell(assign(1, "double", { payload: "5" }), assign(2, "double", { payload: "6" }));
    expect(desk.outcomes.map(({ result }) => result)).toEqual(["10", "12"]);
    const closing = close();
    await host.advance(5_000);
    await closing;
    expect(log).toEqual(["built", "closed"]);
  });
});

describe("an assigned task", () => {
  it("runs, and its outcome is kept until it is answered", async () => {
    await start();
    await tell(assign(1, "double", { payload: "21" }));
    expect(desk.outcomes).toEqual([
      {
        type: "outcome",
        id: taskId(1),
        epoch: 1,
        attempt: 1,
        kind: "succeeded",
        delayMs: 0,
        result: "42",
        error: null,
        startedAt: 1_700_000_000_000,
      },
    ]);
    await host.advance(60_000);
    expect(desk.outcomes).toHaveLength(1);
  });

  it("is told of with the others that ended in the same turn", async () => {
    await start();
    await tell(...[1, 2, 3, 4, 5].map((number) => assign(number, "double")));
    const frames = desk.frames.filter(({ sequence }) => sequence > 0);
    expect(frames.map(({ sequence, envelopes }) => [sequence, envelopes.length])).toEqual([[1, 5]]);
  });

  it("waits for a slot", async () => {
    const { running } = await start().then((started) => ({ running: () => started.running }));
    await tell(assign(1, "held"), assign(2, "held"), assign(3, "held"));
    expect([running(), calls.length]).toEqual([2, 2]);
    callOf(0).end("done");
    await host.settle();
    expect(calls.map(({ call }) => call.taskId)).toEqual([taskId(1), taskId(2), taskId(3)]);
    expect(desk.outcomes).toMatchObject([{ id: taskId(1), result: '"done"' }]);
  });

  it("runs once though its frame came twice", async () => {
    await start();
    await tell(assign(1, "held"));
    await desk.tellAs(1, desk.sent, assign(1, "held"));
    await tell(assign(1, "held"));
    expect(calls).toHaveLength(1);
  });

  it("reads a large payload from the store, many at once", async () => {
    const reads: unknown[] = [];
    const read: typeof engine.store.read = (query) => {
      reads.push(query);
      return engine.store.read(query);
    };
    await start({ engine: { ...engine, store: { ...engine.store, read } } });
    await tell(assign(1, "double", { payload: null }), assign(2, "double", { payload: null }));
    expect(reads).toEqual([{ ids: [taskId(1), taskId(2)], bytes: true }]);
    expect(desk.outcomes).toMatchObject([
      { kind: "failed", error: { code: "STORE_UNAVAILABLE" } },
      { kind: "failed", error: { code: "STORE_UNAVAILABLE" } },
    ]);
  });

  it("waits for a store that is away", async () => {
    let isAway = true;
    const read: typeof engine.store.read = (query) => {
      if (isAway) return Promise.reject(new YardmasterError("STORE_UNAVAILABLE", "away"));
      return engine.store.read(query);
    };
    await start({ engine: { ...engine, store: { ...engine.store, read } } });
    await tell(assign(1, "double", { payload: null }));
    await host.advance(5_000);
    expect([desk.outcomes, problems.length > 0]).toEqual([[], true]);
    isAway = false;
    await host.advance(2_000);
    expect(desk.outcomes).toHaveLength(1);
  });

  it("fails for good when nobody here knows it", async () => {
    await start();
    await tell(assign(1, "treble"), assign(2, "double", { version: 2 }));
    expect(desk.outcomes).toMatchObject([
      { kind: "final", error: { code: "TASK_UNKNOWN", message: expect.stringContaining("double, held") } },
      { kind: "final", error: { code: "TASK_UNKNOWN", message: expect.stringContaining("version 2") } },
    ]);
  });

  it("goes back when its time seems over after a wait", async () => {
    await start();
    const expiresAt = host.now() + 2_000;
    await tell(assign(1, "held"), assign(2, "held"), assign(3, "held", { expiresAt }));
    await host.advance(3_000);
    callOf(0).end();
    await host.settle();
    expect(desk.outcomes).toMatchObject([
      { id: taskId(1), kind: "succeeded" },
      { id: taskId(3), kind: "returned" },
    ]);
  });
});

describe("a silent dispatcher", () => {
  it("keeps everything from starting 7 s after the last answered heartbeat was sent", async () => {
    await start();
    desk.known = null;
    await host.advance(6_900);
    await tell(assign(1, "held"));
    expect(calls).toHaveLength(1);
    await host.advance(200);
    await tell(assign(2, "held"));
    expect(calls).toHaveLength(1);
    desk.known = true;
    await host.advance(6_000);
    expect(calls).toHaveLength(2);
  });

  it("gets unanswered outcomes again, with the same number", async () => {
    await start();
    desk.answers = false;
    await tell(assign(1, "double"));
    await host.advance(9_000);
    expect(desk.outcomes).toHaveLength(1);
    await host.advance(1_500);
    expect(desk.outcomes).toHaveLength(2);
    await host.advance(15_000);
    expect(desk.outcomes).toHaveLength(2);
    await host.advance(6_000);
    expect(desk.frames.filter(({ sequence }) => sequence > 0).map(({ sequence }) => sequence)).toEqual([
      1, 1, 1,
    ]);
  });

  it("keeps at most one unanswered heartbeat in the lane for 6 s", async () => {
    await start();
    const before = desk.of("heartbeat").length;
    desk.known = null;
    await host.advance(13_900);
    expect(desk.of("heartbeat").length - before).toBe(2);
  });
});

describe("a dispatcher that does not know the worker", () => {
  it("is told everything, and nothing starts until it knows", async () => {
    await start();
    await tell(assign(1, "held"));
    desk.known = false;
    const before = desk.of("register").length;
    await host.advance(2_000);
    expect(desk.of("register").length).toBeGreaterThan(before);
    expect(desk.of("held").at(-1)).toMatchObject({
      worker: "w",
      epoch: 1,
      attempts: [{ id: taskId(1), state: "running" }],
    });
    await host.advance(8_000);
    await tell(assign(2, "held"));
    expect(calls).toHaveLength(1);
    desk.known = true;
    await host.advance(2_000);
    expect(calls).toHaveLength(2);
  });
});

describe("a new owner", () => {
  it("is told what is held, and gets unanswered outcomes again", async () => {
    await start();
    desk.answers = false;
    await tell(assign(1, "double"), assign(2, "held"), assign(3, "held"), assign(4, "held"));
    const before = desk.frames.length;
    await desk.takeOver();
    await host.settle();
    const frames = desk.frames.slice(before).filter(({ envelopes }) => envelopes[0]?.type !== "heartbeat");
    expect(
      frames.map(({ epoch, sequence, envelopes }) => [epoch, sequence, envelopes.map(({ type }) => type)]),
    ).toEqual([
      [2, 2, ["register", "held"]],
      [2, 1, ["outcome"]],
    ]);
    expect(desk.of("held")).toEqual([
      {
        type: "held",
        worker: "w",
        epoch: 2,
        seen: 1,
        attempts: [
          { id: taskId(1), epoch: 1, attempt: 1, state: "finished" },
          { id: taskId(2), epoch: 1, attempt: 1, state: "running" },
          { id: taskId(3), epoch: 1, attempt: 1, state: "running" },
          { id: taskId(4), epoch: 1, attempt: 1, state: "waiting" },
        ],
      },
    ]);
  });

  it("is heeded, and the old one is not", async () => {
    await start();
    await desk.takeOver();
    await desk.tellAs(1, 99, assign(1, "held"));
    await host.settle();
    expect(calls).toHaveLength(0);
    await tell(assign(2, "held"));
    expect(calls).toHaveLength(1);
    callOf(0).end();
    await host.settle();
    expect(desk.outcomes).toMatchObject([{ id: taskId(2), epoch: 2 }]);
  });
});

describe("a lost frame", () => {
  it("shows with the next one", async () => {
    await start();
    desk.sent += 1;
    const seen = desk.sent + 1;
    await tell(assign(1, "held"));
    expect(desk.of("held")).toMatchObject([{ epoch: 1, seen, attempts: [{ id: taskId(1) }] }]);
  });

  it("shows with the answer to a heartbeat", async () => {
    await start();
    const seen = desk.sent + 1;
    await tell({
      type: "heartbeatAnswer",
      number: 1,
      sent: desk.sent + 5,
      known: true,
      credit: 10,
      ready: 0,
    });
    expect(desk.of("held")).toMatchObject([{ seen, attempts: [] }]);
  });

  it("is told of again until somebody answers", async () => {
    await start();
    desk.answers = false;
    desk.sent += 1;
    await tell(assign(1, "held"));
    expect(desk.of("held")).toHaveLength(1);
    await host.advance(10_500);
    expect(desk.of("held")).toHaveLength(2);
    expect(desk.of("held").at(-1)?.attempts).toMatchObject([{ id: taskId(1), state: "waiting" }]);
    desk.answers = true;
    await host.advance(25_000);
    expect(desk.of("held")).toHaveLength(3);
    await host.advance(100_000);
    expect(desk.of("held")).toHaveLength(3);
  });
});

describe("a received frame", () => {
  it("that cannot be read is reported and does not stop the others", async () => {
    await start();
    await engine.broker.send([{ mailbox: "worker:w", frame: Buffer.from("noise") }]);
    await tell(assign(1, "double"));
    expect(problems).toEqual(["The worker cannot read a frame"]);
    expect(desk.outcomes).toHaveLength(1);
  });

  it("is acknowledged alone when there is nothing to send", async () => {
    await start();
    await tell(assign(1, "held"));
    expect(await engine.broker.depth("worker:w")).toBeGreaterThan(0);
    await host.advance(20);
    expect(await engine.broker.depth("worker:w")).toBe(0);
  });
});

describe("a drained worker", () => {
  it("hands back what waits, says goodbye and ends with its last handler", async () => {
    const { drained } = await start();
    await tell(assign(1, "held"), assign(2, "held"), assign(3, "held"));
    const mark = desk.frames.length;
    await tell({ type: "drain" });
    expect(desk.frames.slice(mark).flatMap(({ envelopes }) => envelopes)).toMatchObject([
      { type: "goodbye", worker: "w" },
      { type: "outcome", id: taskId(3), kind: "returned", startedAt: 0 },
    ]);
    const again = desk.frames.length;
    await tell(assign(4, "double"));
    // The first goodbye may have been lost: without another one the two would pass tasks to and fro.
    expect(desk.frames.slice(again).flatMap(({ envelopes }) => envelopes)).toMatchObject([
      { type: "goodbye", worker: "w" },
      { type: "outcome", id: taskId(4), kind: "returned" },
    ]);
    callOf(0).end();
    expect(await seen(drained)).toBe("still waiting");
    callOf(1).end();
    await host.settle();
    expect(await seen(drained)).toEqual({ left: [], unconfirmed: 0 });
    expect(await engine.broker.mailboxes("worker:")).toEqual([]);
    expect(await engine.broker.presence.absent(["worker:w"])).toEqual(["worker:w"]);
  });
});

describe("a closing worker", () => {
  it("aborts running handlers in time for their grace", async () => {
    const closing = (await start()).close;
    await tell(assign(1, "held"));
    const { call, fail } = callOf(0);
    call.signal.addEventListener("abort", () => fail(call.signal.reason));
    const closed = closing.call(worker, { timeoutMs: 10_000 });
    await host.advance(3_900);
    expect(call.signal.aborted).toBe(false);
    await host.advance(200);
    expect(desk.outcomes).toMatchObject([{ kind: "failed", error: { code: "CLOSED" } }]);
    expect(await seen(closed)).toEqual({ left: [], unconfirmed: 0 });
  });

  it("settles in time though a handler goes on, and names it", async () => {
    const started = await start();
    await tell(assign(1, "held"));
    const closed = started.close({ timeoutMs: 10_000 });
    await host.advance(9_100);
    expect(desk.outcomes).toMatchObject([{ kind: "failed", error: { code: "CLOSED" } }]);
    expect(await seen(closed)).toEqual({
      left: [{ id: taskId(1), name: "held", attempt: 1 }],
      unconfirmed: 0,
    });
  });

  it("settles in time without a dispatcher, and counts what is not confirmed", async () => {
    const started = await start();
    desk.answers = false;
    await tell(assign(1, "double"));
    const closed = started.close({ timeoutMs: 3_000 });
    await host.advance(2_900);
    expect(await seen(closed)).toBe("still waiting");
    await host.advance(200);
    expect(await seen(closed)).toEqual({ left: [], unconfirmed: 1 });
  });

  it("settles though the engine never answers", async () => {
    const started = await start();
    await tell(assign(1, "held"));
    engine.crash();
    const closed = started.close({ timeoutMs: 2_000 });
    await host.advance(2_000 + 2_000);
    expect(await seen(closed)).toMatchObject({ left: [{ name: "held" }], unconfirmed: 1 });
  });
});
