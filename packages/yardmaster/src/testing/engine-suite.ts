import type { Engine, Tick } from "../engine.ts";
import type { Lease } from "../stores/store.ts";
import {
  codeOf,
  type EngineUnderTest,
  frameOf,
  type TestApi,
  takeCount,
  textsOf,
  withYards,
} from "./conformance.ts";
import { inserted, loadedIds, sampleTask, taskId } from "./sample-tasks.ts";

/** Tests that an engine commits a tick as a whole, and that it can be closed and opened. */
export function engineSuite(under: EngineUnderTest, api: TestApi): void {
  api.describe(`the engine of ${under.name}`, () => {
    commitTests(under, api);
    lifeTests(under, api);
  });
}

/** An engine that owns shard 0, with a mailbox "in" that holds "a" and "b", and a mailbox "out". */
async function prepared(engine: Engine): Promise<{ lease: Lease; tick: Tick }> {
  const { broker, store } = engine;
  await broker.declare("in", { durable: true });
  await broker.declare("out", { durable: false });
  await broker.send(["a", "b"].map((text) => ({ mailbox: "in", frame: frameOf(text) })));
  const acks = await takeCount(await broker.receive("in"), 2);
  const lease = await store.acquire(0, "owner", 60_000);
  if (lease === null) throw new Error("A new yard's shard has an owner.");
  const sends = ["out", "nobody", "out"].map((mailbox, index) => ({
    mailbox,
    frame: frameOf(`frame ${index}`),
  }));
  return { lease, tick: { lease, sequence: 1, changes: [inserted(sampleTask(1))], sends, acks } };
}

async function depths({ broker }: Engine): Promise<number[]> {
  return [await broker.depth("in"), await broker.depth("out")];
}

function commitTests(under: EngineUnderTest, api: TestApi): void {
  const test = withYards(api, under);
  const { expect } = api;

  test("commits, sends and acknowledges", async (yard) => {
    const engine = await yard.engine();
    const { tick } = await prepared(engine);
    const receiver = await engine.broker.receive("out");
    const taken = takeCount(receiver, 2);
    expect(await engine.commit(tick)).toEqual(["confirmed", "gone", "confirmed"]);
    expect(textsOf(await taken)).toEqual(["frame 0", "frame 2"]);
    expect([await loadedIds(engine.store), await depths(engine)]).toEqual([[taskId(1)], [0, 2]]);
  });

  test("answers a tick that comes again as it did before, and changes nothing by it", async (yard) => {
    const engine = await yard.engine();
    const { tick } = await prepared(engine);
    await engine.commit(tick);
    expect(await engine.commit(tick)).toEqual(["confirmed", "gone", "confirmed"]);
    expect([await loadedIds(engine.store), (await depths(engine))[0]]).toEqual([[taskId(1)], 0]);
  });

  test("does nothing at all behind the fence", async (yard) => {
    const engine = await yard.engine();
    const { lease, tick } = await prepared(engine);
    const other = await yard.engine();
    const next = await other.store.acquire(0, "other", 60_000, { replacing: lease.epoch });
    expect(await codeOf(engine.commit(tick))).toEqual("FENCED");
    expect([await loadedIds(engine.store), await depths(engine)]).toEqual([[], [2, 0]]);
    expect(await other.commit({ ...tick, lease: next ?? lease })).toEqual(["confirmed", "gone", "confirmed"]);
    expect([await loadedIds(engine.store), await depths(engine)]).toEqual([[taskId(1)], [0, 2]]);
  });

  test("does nothing at all after a conflict, and then the same sequence anew", async (yard) => {
    const engine = await yard.engine();
    const { tick } = await prepared(engine);
    await engine.commit({ ...tick, sends: [], acks: [] });
    expect(await codeOf(engine.commit({ ...tick, sequence: 2 }))).toEqual("CONFLICT");
    expect(await depths(engine)).toEqual([2, 0]);
    await engine.commit({ ...tick, sequence: 2, changes: [] });
    expect(await depths(engine)).toEqual([0, 2]);
  });

  test("commits ticks without changes, sends or acknowledgements", async (yard) => {
    const engine = await yard.engine();
    const { tick } = await prepared(engine);
    expect(await engine.commit({ ...tick, changes: [], sends: [], acks: [] })).toEqual([]);
    expect(await codeOf(engine.commit({ ...tick, sequence: 3, changes: [] }))).toEqual("FENCED");
    expect(await depths(engine)).toEqual([2, 0]);
  });
}

function lifeTests(under: EngineUnderTest, api: TestApi): void {
  const test = withYards(api, under);
  const { expect } = api;

  test("knows how many shards the yard was created with", async (yard) => {
    expect([(await yard.engine()).shards, (await yard.engine()).shards]).toEqual([2, 2]);
  });

  test("shares the yard with every engine that is open on it, and keeps it when one goes", async (yard) => {
    const first = await yard.engine();
    const second = await yard.engine();
    const { tick } = await prepared(first);
    await first.commit(tick);
    await first.close({ timeoutMs: 1_000 });
    expect([await loadedIds(second.store), await depths(second)]).toEqual([[taskId(1)], [0, 2]]);
  });

  test("closes as often as it is told, and refuses everything afterwards", async (yard) => {
    const engine = await yard.engine();
    const { lease, tick } = await prepared(engine);
    await engine.close({ timeoutMs: 1_000 });
    await engine.close({ timeoutMs: 1_000 });
    expect(await codeOf(engine.commit(tick))).toEqual("CLOSED");
    expect(await codeOf(engine.store.read({ ids: [taskId(1)] }))).toEqual("CLOSED");
    expect(await codeOf(engine.store.renew(lease, 1))).toEqual("CLOSED");
    expect(await codeOf(loadedIds(engine.store))).toEqual("CLOSED");
  });
}
