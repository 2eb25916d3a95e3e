import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Outage } from "../../test/flaky-engine.ts";
import { controlLane, type Engine, submitLane } from "../engine.ts";
import type { TaskRecord } from "../protocol/task.ts";
import { type Actor, SPEC, Stage, withoutProof } from "../testing/dispatcher-stage.ts";

let stage = new Stage();
let outage = new Outage();

beforeEach(() => {
  outage = new Outage();
});

afterEach(async () => {
  outage.end();
  await stage.close();
  stage = new Stage();
});

const wrap = (engine: Engine): Engine => withoutProof(outage.wrap(engine));

async function staged(timeoutMs = 10_000): Promise<{ worker: Actor; other: Actor; id: string }> {
  const worker = await stage.actor("worker:a");
  await worker.register("a");
  await worker.beat("a");
  const submission = stage.submission({ spec: { ...SPEC, timeoutMs } });
  await worker.say(submitLane(0), [{ type: "submit", submission }]);
  const other = await stage.actor("worker:b");
  await other.register("b");
  return { worker, other, id: submission.id };
}

/** Both workers live: as long as the engine is there they show it. */
async function pass(ms: number, { worker, other }: { worker: Actor; other: Actor }): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1_000) {
    if (outage.mode === "up") await Promise.all([worker.beat("a"), other.beat("b")]);
    await stage.host.advance(1_000);
  }
}

async function recordOf({ engine }: Actor, id: string): Promise<TaskRecord | undefined> {
  return (await engine.store.read({ ids: [id] })).tasks.get(id)?.task;
}

describe.each(["refuses", "hangs"] as const)("an engine that %s everything for a while", (mode) => {
  it("costs neither the lease nor a worker nor an attempt, when it is back in time", async () => {
    const { dispatcher } = await stage.dispatcher("one", { wrap });
    const stagedNow = await staged();
    await pass(6_000, stagedNow);
    outage.begin(mode);
    await pass(10_000, stagedNow);
    outage.end();
    await pass(4_000, stagedNow);
    expect(dispatcher.owned()).toMatchObject([{ epoch: 1 }]);
    const { worker, other, id } = stagedNow;
    await worker.succeed(id, 1);
    expect(await recordOf(worker, id)).toMatchObject({ state: "succeeded", attempt: 1 });
    expect(other.all("assign")).toEqual([]);
  });

  it("is given up after the lease, competed for anew, and healthy work goes on", async () => {
    const { dispatcher } = await stage.dispatcher("one", { wrap });
    const stagedNow = await staged();
    const { worker, other, id } = stagedNow;
    outage.begin(mode);
    await pass(20_000, stagedNow);
    expect(dispatcher.owned()).toEqual([]);
    outage.end();
    await pass(2_000, stagedNow);
    expect(dispatcher.owned()).toHaveLength(1);
    const { epoch } = worker;
    expect(epoch).toBeGreaterThan(1);
    await Promise.all([worker.register("a"), other.register("b")]);
    const attempts = [{ id, epoch: 1, attempt: 1, state: "running" }] as const;
    await worker.say(controlLane(0), [
      { type: "held", worker: "a", epoch, seen: 1, attempts: [...attempts] },
    ]);
    await pass(12_000, stagedNow);
    await worker.succeed(id, 1);
    expect(await recordOf(worker, id)).toMatchObject({ state: "succeeded", attempt: 1 });
    expect(other.all("assign")).toEqual([]);
  });
});

describe("a broker that is away while the store is there", () => {
  it("makes nobody silent and lets no attempt run out of time", async () => {
    const brokerOnly = (engine: Engine): Engine => {
      const flaky = outage.wrap(engine);
      return withoutProof({ ...flaky, store: engine.store, commit: (tick) => engine.commit(tick) });
    };
    await stage.dispatcher("one", { wrap: brokerOnly });
    const stagedNow = await staged();
    await pass(6_000, stagedNow);
    for (const mode of ["refuses", "hangs"] as const) {
      outage.begin(mode);
      await pass(25_000, stagedNow);
      outage.end();
      await pass(6_000, stagedNow);
    }
    const { worker, other, id } = stagedNow;
    await worker.succeed(id, 1);
    expect(await recordOf(worker, id)).toMatchObject({ state: "succeeded", attempt: 1, deaths: 0 });
    expect(other.all("assign")).toEqual([]);
  });
});

describe("a broker that starts again without its transient mailboxes", () => {
  it("costs neither the shard nor an attempt", async () => {
    const { dispatcher } = await stage.dispatcher("one", { wrap });
    const stagedNow = await staged(60_000);
    const { worker, other, id } = stagedNow;
    const { broker } = worker.engine;
    await stage.host.advance(4_990);
    // The echo of this renewal is confirmed and lost.
    await stage.host.advance(11);
    for (const mailbox of ["worker:a", "worker:b", controlLane(0)]) await broker.remove(mailbox);
    await stage.host.advance(1_000);
    for (const mailbox of ["worker:a", "worker:b", controlLane(0)]) {
      await broker.declare(mailbox, { durable: false });
    }
    await pass(20_000, stagedNow);
    expect(dispatcher.owned()).toMatchObject([{ epoch: 1 }]);
    await worker.succeed(id, 1);
    expect(await recordOf(worker, id)).toMatchObject({ state: "succeeded", attempt: 1 });
    expect(other.all("assign")).toEqual([]);
  });

  it("has its owner make the control lane again", async () => {
    await stage.dispatcher("one", { wrap });
    const { worker } = await staged();
    await worker.engine.broker.remove(controlLane(0));
    await stage.host.advance(6_000);
    expect(await worker.engine.broker.mailboxes(controlLane(0))).toEqual([controlLane(0)]);
    await worker.beat("a");
    expect(worker.all("heartbeatAnswer").length).toBeGreaterThan(1);
  });
});

describe("a store that lost its last commits", () => {
  it("is noticed by the next commit, and the shard starts again from what is left", async () => {
    let losing = false;
    const forgetful = (engine: Engine): Engine => ({
      ...engine,
      commit: async (tick) => {
        if (!losing) return await engine.commit(tick);
        return await engine.broker.send(tick.sends, tick.acks);
      },
    });
    const { dispatcher } = await stage.dispatcher("one", { wrap: forgetful });
    const { worker, other, id } = await staged();
    losing = true;
    await worker.succeed(id, worker.epoch);
    losing = false;
    await other.beat("b");
    expect(stage.codes).toContain("SHARD_LOST");
    await stage.host.advance(1_000);
    expect(dispatcher.owned()).toHaveLength(1);
    expect(worker.all("takeover")).toHaveLength(1);
    const { epoch } = worker;
    expect(epoch).toBeGreaterThan(1);
    await Promise.all([worker.register("a"), other.register("b")]);
    await worker.say(controlLane(0), [{ type: "held", worker: "a", epoch, seen: 1, attempts: [] }]);
    expect([...worker.all("assign"), ...other.all("assign")].filter((one) => one.id === id)).toHaveLength(2);
  });
});

describe("an engine that starts again as it was before its dispatcher came", () => {
  it("has the owner make the lanes again, and serves the shard", async () => {
    const restore = stage.world.snapshot();
    const { engine } = await stage.dispatcher("one", { wrap });
    await staged();
    restore();
    // Until the lease is renewed, which is the first that it hears of it.
    await stage.host.advance(8_000);
    const lanes = await engine.broker.mailboxes("lane:");
    expect(lanes.sort()).toEqual([controlLane(0), submitLane(0)]);
    const { worker, id } = await staged();
    await worker.succeed(id, worker.epoch);
    expect(await recordOf(worker, id)).toMatchObject({ state: "succeeded", attempt: 1 });
  });
});

describe("a dispatcher without a presence for a moment", () => {
  it("keeps its shard", async () => {
    const { engine, dispatcher } = await stage.dispatcher("one", { wrap });
    await stage.dispatcher("two", { wrap });
    const release = await engine.broker.presence.hold("dispatcher:one");
    await release();
    await stage.host.advance(600);
    await engine.broker.presence.hold("dispatcher:one");
    await stage.host.advance(2_000);
    expect(dispatcher.owned()).toMatchObject([{ epoch: 1 }]);
  });
});
