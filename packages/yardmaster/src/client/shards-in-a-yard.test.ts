import { afterEach, describe, expect, it } from "vitest";
import { defineQueue } from "../definition/queue.ts";
import { defineTask } from "../definition.ts";
import { type Dispatcher, startDispatcherOn } from "../dispatcher/dispatcher.ts";
import { createMemoryWorld, type MemoryEngine, type MemoryWorld } from "../memory/world.ts";
import { shardOf } from "../protocol/ids.ts";
import { shardOfQueue } from "../protocol/shards.ts";
import { createManualHost, type ManualHost } from "../testing/manual-host.ts";
import { createHandlers } from "../worker/handlers.ts";
import { startWorkerOn, type Worker } from "../worker/worker.ts";
import { type Client, startClient } from "./client.ts";
import type { TaskHandle } from "./handle.ts";

const SHARDS = 4;

interface Input {
  readonly tenant: string;
  readonly ms: number;
}

const byTenant = defineQueue({ name: "tenants", routeBy: ({ tenant }: Input) => tenant });
const spread = defineTask<Input, string>({ name: "work", queue: byTenant });
/** Each shard's own queue. */
const queues = Array.from({ length: SHARDS }, (_, shard) => {
  const names = Array.from({ length: 100 }, (__, number) => `queue-${number}`);
  return names.find((name) => shardOfQueue(name, SHARDS) === shard) ?? "";
});
const tasks = queues.map((queue) => defineTask<Input, string>({ name: "work", queue }));

let host: ManualHost;
let world: MemoryWorld;
let dispatchers: { engine: MemoryEngine; dispatcher: Dispatcher }[];
let worker: Worker;
let client: Client;
/** Now, and the most at any time. */
let running: number;
let most: number;
let started: string[];

async function open(slots: number, dispatcherCount = 2): Promise<void> {
  host = createManualHost();
  world = createMemoryWorld(host, { shards: SHARDS });
  running = 0;
  most = 0;
  started = [];
  dispatchers = [];
  for (let n = 0; n < dispatcherCount; n += 1) {
    const engine = world.open();
    dispatchers.push({ engine, dispatcher: await startDispatcherOn({ engine, host }) });
  }
  const { on } = createHandlers();
  const work = on(spread, async ({ input: { tenant, ms } }) => {
    running += 1;
    most = Math.max(most, running);
    started.push(tenant);
    await new Promise<void>((resolve) => host.after(ms, resolve));
    running -= 1;
    return tenant;
  });
  worker = await startWorkerOn({ engine: world.open(), host, handlers: [work], slots });
  client = await startClient({ engine: world.open(), host });
  await host.advance(6_000);
}

afterEach(async () => {
  await driven(client.close());
  await driven(worker.close({ timeoutMs: 1_000 }));
  for (const { dispatcher } of dispatchers) await driven(dispatcher.close().catch(() => undefined));
});

/** Moves time until the promise has settled. */
async function driven<T>(promise: Promise<T>): Promise<T> {
  let isSettled = false;
  const watched = promise.finally(() => {
    isSettled = true;
  });
  watched.catch(() => undefined);
  for (await host.settle(); !isSettled; ) await host.advance(20);
  return watched;
}

function submit(shard: number, count: number, ms: number): Promise<TaskHandle<string>[]> {
  const task = tasks[shard] ?? spread;
  const input = { tenant: `s${shard}`, ms };
  return Promise.all(Array.from({ length: count }, () => client.submit(task, input)));
}

/** How many attempts the dispatchers have given to the worker. */
async function used(): Promise<number> {
  const workers = await driven(client.workers());
  return workers.reduce((sum, one) => sum + one.used, 0);
}

async function results(handles: readonly TaskHandle<string>[]): Promise<void> {
  await driven(Promise.all(handles.map((handle) => handle.result())));
}

describe("a worker of a yard with several shards", () => {
  it("gives all its slots to the only shard with work, within 100 ms", async () => {
    await open(10);
    const handles = await driven(submit(1, 30, 1_000));
    await host.advance(100);
    expect(running).toBe(10);
    expect(await used()).toBe(10);
    await results(handles);
    expect(most).toBe(10);
  });

  it("divides its slots evenly when all shards have work, and holds no more than it has slots", async () => {
    await open(10);
    const first = await driven(submit(0, 60, 500));
    await host.advance(100);
    const rest = await driven(Promise.all([1, 2, 3].map((shard) => submit(shard, 40, 500))));
    for (let ms = 0; ms < 2_000; ms += 100) {
      await host.advance(100);
      expect(await used()).toBeLessThanOrEqual(10);
    }
    const since = started.length;
    await host.advance(2_000);
    const lately = started.slice(since);
    for (let shard = 0; shard < SHARDS; shard += 1) {
      const share = lately.filter((tenant) => tenant === `s${shard}`).length / lately.length;
      expect(share).toBeGreaterThan(0.15);
      expect(share).toBeLessThan(0.35);
    }
    await results([...first, ...rest.flat()]);
    expect(most).toBe(10);
  });

  it("lets no shard starve where it has fewer slots than shards have work", async () => {
    await open(1);
    const handles = await driven(Promise.all([0, 1, 2, 3].map((shard) => submit(shard, 100, 10))));
    await host.advance(2_500);
    expect(new Set(started)).toEqual(new Set(["s0", "s1", "s2", "s3"]));
    expect(most).toBe(1);
    await results(handles.flat());
    expect(started).toHaveLength(400);
  });

  it("starts a task of any idle shard at once, though its slots are elsewhere", async () => {
    await open(1);
    for (const shard of [3, 0, 2, 1]) {
      const handles = await driven(submit(shard, 1, 1));
      await host.advance(10);
      expect(started.at(-1)).toBe(`s${shard}`);
      await results(handles);
    }
  });

  it("takes back what a shard without a dispatcher had", async () => {
    await open(4, 1);
    const [only] = dispatchers;
    const handles = await driven(submit(2, 20, 1_000));
    await host.advance(50);
    only?.engine.crash();
    const engine = world.open();
    dispatchers.push({ engine, dispatcher: await startDispatcherOn({ engine, host }) });
    await results(handles);
    expect(started).toHaveLength(20);
    expect(most).toBe(4);
  });
});

describe("a queue with routeBy", () => {
  it("is spread over the shards, keeps each key together, and is one queue to its users", async () => {
    await open(10);
    const handles = await driven(
      Promise.all(
        Array.from({ length: 40 }, (_, n) => client.submit(spread, { tenant: `t${n % 20}`, ms: 60_000 })),
      ),
    );
    const shards = handles.map(({ id }) => shardOf(id));
    expect(new Set(shards)).toEqual(new Set([0, 1, 2, 3]));
    expect(shards.slice(0, 20)).toEqual(shards.slice(20));
    await host.advance(200);
    const [queue, ...others] = (await driven(client.queues())).filter(({ name }) => name === "tenants");
    expect(others).toEqual([]);
    expect(queue).toMatchObject({ active: 10, ready: 30, paused: false });
    expect(await driven(client.list({ queue: "tenants" }))).toHaveLength(40);
    expect(await driven(client.list({ queue: "tenants", limit: 7 }))).toMatchObject(
      handles
        .map(({ id }) => ({ id }))
        .sort((a, b) => (a.id < b.id ? -1 : 1))
        .slice(0, 7),
    );
    for (const handle of handles) handle.cancel().catch(() => undefined);
  });

  it("is paused and resumed in all shards", async () => {
    await open(10);
    await driven(client.pause("tenants"));
    const handles = await driven(
      Promise.all(Array.from({ length: 12 }, (_, n) => client.submit(spread, { tenant: `t${n}`, ms: 1 }))),
    );
    await host.advance(5_000);
    expect(started).toEqual([]);
    expect((await driven(client.queues())).filter(({ paused }) => paused).map(({ name }) => name)).toEqual([
      "tenants",
    ]);
    await driven(client.resume("tenants"));
    await results(handles);
    expect(started).toHaveLength(12);
  });

  it("scopes idempotency keys to the routing key, exactly", async () => {
    await open(10);
    const outcomes: string[] = [];
    // More keys than shards: some share one.
    for (const tenant of ["a", "b", "c", "d", "e", "f", "a"]) {
      const handle = await driven(client.submit(spread, { tenant, ms: 1 }, { idempotencyKey: "once" }));
      outcomes.push((await driven(handle.accepted())).outcome);
    }
    expect(outcomes).toEqual([...Array.from({ length: 6 }, () => "created"), "duplicate"]);
    const ofKey = (routingKey?: string) =>
      driven(client.list({ name: "work", key: "once", ...(routingKey === undefined ? {} : { routingKey }) }));
    for (const tenant of ["a", "f"]) {
      const [found, ...others] = await ofKey(tenant);
      expect(others).toEqual([]);
      expect(await driven(client.input(found?.id ?? ""))).toEqual({ tenant, ms: 1 });
    }
    expect(await ofKey("g")).toEqual([]);
    expect(await ofKey()).toEqual([]);
  });

  it("finds by a key the task of each shard that the definition was sent to", async () => {
    await open(10);
    const ids: string[] = [];
    for (const task of tasks) {
      const handle = await driven(client.submit(task, { tenant: "a", ms: 1 }, { idempotencyKey: "once" }));
      ids.push((await driven(handle.accepted())).id);
    }
    const found = await driven(client.list({ name: "work", key: "once" }));
    expect(new Set(found.map(({ id }) => id))).toEqual(new Set(ids));
    expect(await driven(client.list({ name: "work", key: "once", queue: queues[2] ?? "" }))).toMatchObject([
      { id: ids[2] },
    ]);
  });

  it("keeps a task that is run again in its shard", async () => {
    await open(10);
    for (const tenant of ["a", "b", "c", "d", "e"]) {
      const handle = await driven(client.submit(spread, { tenant, ms: 1 }));
      await results([handle]);
      const again = await driven(client.retry(handle.id));
      expect(shardOf(again.id)).toBe(shardOf(handle.id));
      expect(await driven(again.result())).toBe(tenant);
    }
  });
});
