import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from "vitest";
import { defineTask } from "./definition.ts";
import { createHandlers } from "./worker/handlers.ts";
import { connect, startDispatcher, startWorker, startYard, type Yard } from "./yard.ts";

const double = defineTask<number, number>({ name: "double" });
const chain = defineTask<number, string>({ name: "chain" });
const { on } = createHandlers();
const handlers = [
  on(double, ({ input }) => input * 2),
  on(chain, async ({ input, submit }) => (await submit(double, input)).id),
];

let folder: string;
let yards = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "yardmaster-yard-"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** A yard that nobody else uses. */
function fresh(engine: "memory" | "sqlite"): string {
  yards += 1;
  return engine === "memory" ? `memory:yard-test-${yards}` : `sqlite:${join(folder, `yard-${yards}.db`)}`;
}

describe.each(["memory", "sqlite"] as const)("on %s", (engine) => {
  it("says how it is", async () => {
    const url = fresh(engine);
    const idle = await connect(url);
    expect(await idle.health()).toMatchObject({
      isUp: true,
      engines: [{ isUp: true, trouble: null, durability: expect.stringMatching(/\.$/), warnings: [] }],
      broker: { isUp: true, trouble: null },
      store: { isUp: true, trouble: null },
      shards: [{ shard: 0, owner: null, epoch: 0, lease: "none" }],
      node: process.versions.node,
    });
    const dispatcher = await startDispatcher({ url });
    const [owned] = dispatcher.owned();
    const held = { shard: 0, owner: dispatcher.owner, epoch: owned?.epoch, lease: "held" };
    expect((await idle.health()).shards).toEqual([held]);
    await dispatcher.close();
    expect((await idle.health()).shards).toEqual([{ ...held, lease: "over" }]);
    await idle.close();
    expect(await idle.health()).toMatchObject(engine === "sqlite" ? { isUp: false, shards: [] } : {});
  });

  it("runs a whole yard in one process", async () => {
    const yard = await startYard({ url: fresh(engine), handlers, slots: 2 });
    const task = await yard.submit(double, 21);
    expect(await task.result()).toBe(42);
    const child = await (await yard.submit(chain, 4)).result();
    expect(await yard.handle(double, child).result()).toBe(8);
    await yard.close();
    await expect(yard.submit(double, 1)).rejects.toMatchObject({ code: "CLOSED" });
  });

  it("joins parts that were started apart", async () => {
    const url = fresh(engine);
    const dispatcher = await startDispatcher({ url });
    const yard = await connect({ url });
    const worker = await startWorker({ url, handlers, labels: { zone: "eu" } });
    const task = await yard.submit(chain, 21);
    expect(await yard.handle(double, await task.result()).result()).toBe(42);
    expect(await yard.workers()).toMatchObject([{ id: worker.id, labels: { zone: "eu" } }]);
    expect(dispatcher.owned()).toHaveLength(1);
    await yard.drain(worker.id);
    expect(await worker.drained).toEqual({ left: [], unconfirmed: 0 });
    expect(await worker.close()).toEqual({ left: [], unconfirmed: 0 });
    await yard.close();
    await dispatcher.close();
  });

  it("keeps what was submitted before anybody could run it", async () => {
    const url = fresh(engine);
    const early = await connect(url);
    const { id } = await early.submit(double, 21);
    const yard = await startYard({ url, handlers });
    await early.close();
    expect(await yard.handle(double, id).result()).toBe(42);
    await yard.close();
  });
});

describe("starting", () => {
  it("closes what it had opened when something is wrong", async () => {
    const url = fresh("sqlite");
    await expect(startYard({ url, handlers: [] })).rejects.toMatchObject({ code: "INVALID_OPTIONS" });
    await expect(startWorker({ url, handlers, slots: 0 })).rejects.toMatchObject({ code: "INVALID_OPTIONS" });
    await expect(startDispatcher({ url, keepIdsMs: -1 })).rejects.toMatchObject({
      code: "INVALID_OPTIONS",
      details: { field: "keepIdsMs" },
    });
    await expect(startDispatcher({ url, maxLive: 0 })).rejects.toMatchObject({ code: "INVALID_OPTIONS" });
    await expect(connect("nowhere")).rejects.toMatchObject({ code: "INVALID_URL" });
  });

  it("refuses options that there are not, as a misspelt one would be a default in disguise", async () => {
    const url = fresh("memory");
    const wrong = { url, concurrency: 20 };
    const field = "concurrency";
    for (const start of [startYard, startWorker])
      await expect(start({ ...wrong, handlers })).rejects.toMatchObject({
        code: "INVALID_OPTIONS",
        message: expect.stringContaining("slots"),
        details: { field },
      });
    await expect(startDispatcher(wrong)).rejects.toMatchObject({
      code: "INVALID_OPTIONS",
      details: { field },
    });
    const stray: object = { concurrency: 20 };
    await expect(connect(url, stray)).rejects.toMatchObject({ code: "INVALID_OPTIONS" });
    const yard = await startYard({ url, handlers });
    const task = await yard.submit(double, 1);
    const late: object = { timeout: 3 };
    await expect(task.result(late)).rejects.toMatchObject({
      code: "INVALID_OPTIONS",
      details: { field: "timeout" },
    });
    await yard.close();
  });

  it("is typed", () => {
    expectTypeOf(connect).returns.resolves.toEqualTypeOf<Yard>();
    expectTypeOf(startYard).returns.resolves.toEqualTypeOf<Yard>();
    // @ts-expect-error: a broker needs a store.
    expectTypeOf(connect).toBeCallableWith({ broker: "memory:a" });
  });
});
