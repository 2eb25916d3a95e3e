import { afterEach, describe, expect, it } from "vitest";
import { controlLane, type Engine, submitLane, type Tick } from "../engine.ts";
import type { Envelope } from "../protocol/envelope.ts";
import { InvariantError, YardmasterError } from "../protocol/errors.ts";
import { encodeFrame } from "../protocol/frame.ts";
import { type Actor, SPEC, Stage, succeeded } from "../testing/dispatcher-stage.ts";

let stage = new Stage();

afterEach(async () => {
  await stage.close();
  stage = new Stage();
});

/** A call that is never answered. */
function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}

function withCommit(
  commit: (tick: Tick, real: Engine) => ReturnType<Engine["commit"]>,
): (engine: Engine) => Engine {
  return (engine) => ({ ...engine, commit: (tick) => commit(tick, engine) });
}

async function workerAndClient(credit = 10): Promise<{ worker: Actor; client: Actor }> {
  const worker = await stage.actor("worker:w");
  const client = await stage.actor("client:c");
  await worker.register("w", credit);
  return { worker, client };
}

describe("the tick", () => {
  it("gives out tasks that came back from the store without waiting for anything else", async () => {
    await stage.dispatcher("one", { limits: { maxLive: 1 } });
    const { worker, client } = await workerAndClient(1);
    const submissions = Array.from({ length: 6 }, () => stage.submission({ replyTo: "client:c" }));
    await client.say(
      submitLane(0),
      submissions.map((submission) => ({ type: "submit", submission })),
    );
    for (const [done, { id }] of submissions.entries()) {
      expect(worker.all("assign")[done]).toMatchObject({ id });
      await worker.succeed(id, worker.epoch);
    }
    expect(client.all("settled")).toHaveLength(6);
  });

  it("gives a task that was lost with a mailbox to another worker once its own says so, for free", async () => {
    await stage.dispatcher("one");
    const { worker, client } = await workerAndClient();
    await client.engine.broker.remove("worker:w");
    const submission = stage.submission({ spec: { ...SPEC, delivery: "at-most-once" } });
    await client.say(submitLane(0), [{ type: "submit", submission }]);
    const other = await stage.actor("worker:x");
    await other.register("x");
    await client.say(submitLane(0), [{ type: "submit", submission: stage.submission() }]);
    expect(other.all("assign")).toHaveLength(1);
    await worker.engine.broker.declare("worker:w", { durable: false });
    await worker.beat("w");
    const [answer] = worker.all("heartbeatAnswer");
    expect(answer).toMatchObject({ known: true });
    const { epoch } = worker;
    const held = { type: "held", worker: "w", epoch, seen: answer?.sent ?? 0, attempts: [] } as const;
    await worker.say(controlLane(0), [held], epoch);
    expect([...other.all("assign"), ...worker.all("assign")]).toContainEqual(
      expect.objectContaining({ id: submission.id, attempt: 1 }),
    );
  });

  it("ignores what a stranger puts into a lane, and keeps its ownership", async () => {
    const { dispatcher } = await stage.dispatcher("one");
    const client = await stage.actor("client:c");
    const before = dispatcher.owned();
    const sequence = await client.say(controlLane(0), [{ type: "takeover" }]);
    expect(dispatcher.owned()).toEqual(before);
    expect(client.all("answered")).toEqual([{ type: "answered", sequence }]);
  });

  it("answers a client again whose mailbox was gone and is back", async () => {
    await stage.dispatcher("one");
    const client = await stage.actor("client:c");
    await client.engine.broker.remove("client:c");
    await client.say(controlLane(0), [{ type: "query", request: 1, query: { type: "queues" } }]);
    client.engine.crash();
    const again = await stage.actor("client:c");
    await again.say(controlLane(0), [{ type: "query", request: 2, query: { type: "queues" } }]);
    expect(again.all("reply")).toMatchObject([{ request: 2, ok: true }]);
  });

  it("cancels the first task through the id of a duplicate, wherever the first one is", async () => {
    await stage.dispatcher("one", { limits: { maxLive: 1 } });
    const client = await stage.actor("client:c");
    const key = { key: "k", windowMs: 60_000, inputHash: "h" };
    const filler = stage.submission();
    const first = stage.submission({ key, replyTo: "client:c" });
    const alias = stage.submission({ key });
    for (const submission of [filler, first, alias]) {
      await client.say(submitLane(0), [{ type: "submit", submission }]);
    }
    const cancel = (id: string, request: number): Envelope => ({ type: "cancel", id, reason: "", request });
    await client.say(controlLane(0), [cancel(alias.id, 1), cancel(first.id, 2), cancel(alias.id, 3)]);
    await client.say(controlLane(0), [cancel(alias.id, 4)]);
    const state = "cancelled";
    expect(client.all("cancelDone")).toMatchObject([1, 2, 3, 4].map((request) => ({ request, state })));
    expect(client.all("settled")).toMatchObject([{ id: first.id, state }]);
    expect(stage.codes).toEqual(["SHARD_TAKEN"]);
  });
});

describe("an engine that fails", () => {
  it("does not cost the workers' lives that spoke all the time", async () => {
    let isAway = false;
    const wrap = withCommit((tick, engine) => {
      if (isAway) throw new YardmasterError("STORE_UNAVAILABLE", "away");
      return engine.commit(tick);
    });
    await stage.dispatcher("one", { wrap });
    const { worker, client } = await workerAndClient();
    const submission = stage.submission({ spec: { ...SPEC, delivery: "at-most-once" }, replyTo: "client:c" });
    await client.say(submitLane(0), [{ type: "submit", submission }]);
    expect(worker.all("assign")).toHaveLength(1);
    await stage.host.advance(100);
    isAway = true;
    // The first keeps the tick busy, the second is all that the lane takes ahead: heartbeats stay in the broker.
    await client.say(controlLane(0), [{ type: "watch", id: submission.id }]);
    await client.say(controlLane(0), [{ type: "watch", id: submission.id }]);
    for (let second = 0; second < 11; second += 1) {
      await worker.beat("w");
      await stage.host.advance(1_000);
    }
    isAway = false;
    await stage.host.advance(3_000);
    expect(client.all("settled")).toEqual([]);
    await worker.succeed(submission.id, worker.all("assign").length);
    expect(client.all("settled")).toMatchObject([{ state: "succeeded" }]);
  });

  it("is asked in vain ever more seldom when nothing of a shard can be loaded", async () => {
    let loads = 0;
    const wrap = (engine: Engine): Engine => ({
      ...engine,
      store: {
        ...engine.store,
        // biome-ignore lint/correctness/useYield: it fails before it could.
        async *load() {
          loads += 1;
          if (loads > 100) await never();
          throw new InvariantError("unreadable");
        },
      },
    });
    await stage.dispatcher("one", { wrap });
    await stage.host.advance(10_000);
    expect(loads).toBeGreaterThan(2);
    expect(loads).toBeLessThan(20);
  });

  it("does not hold up a standby when it answers the owner nothing any more", async () => {
    let isStuck = false;
    const wrap = withCommit((tick, engine) => (isStuck ? never() : engine.commit(tick)));
    const { dispatcher } = await stage.dispatcher("one", { wrap });
    const client = await stage.actor("client:c");
    isStuck = true;
    await client.say(submitLane(0), [{ type: "submit", submission: stage.submission() }]);
    isStuck = false;
    await stage.host.advance(20_000);
    expect(dispatcher.owned()).toMatchObject([{ epoch: 2 }]);
    expect(client.all("answered")).toHaveLength(1);
    expect(await client.engine.broker.depth(submitLane(0))).toBe(0);
  });

  it("does not keep a closed dispatcher's shard from a standby", async () => {
    const wrap = withCommit(() => never());
    const { dispatcher } = await stage.dispatcher("one", { wrap });
    const client = await stage.actor("client:c");
    await client.say(submitLane(0), [{ type: "submit", submission: stage.submission() }]);
    const { dispatcher: standby } = await stage.dispatcher("two");
    const closed = expect(dispatcher.close({ timeoutMs: 1_000 })).rejects.toMatchObject({
      code: "TIMED_OUT_CLOSING",
    });
    await stage.host.advance(1_000);
    await closed;
    await stage.host.advance(1_000);
    expect(standby.owned()).toHaveLength(1);
    expect(client.all("answered")).toHaveLength(1);
  });

  it("leaves no lease behind when a standby is closed while it acquires", async () => {
    let acquired: () => void = () => undefined;
    const wrap = (engine: Engine): Engine => ({
      ...engine,
      store: {
        ...engine.store,
        acquire: async (...call) => {
          const lease = await engine.store.acquire(...call);
          if (lease !== null) await new Promise<void>((resolve) => (acquired = resolve));
          return lease;
        },
      },
    });
    const owner = await stage.dispatcher("one");
    const { dispatcher: standby } = await stage.dispatcher("two", { wrap });
    await owner.dispatcher.close();
    await stage.host.advance(500);
    const closing = standby.close();
    acquired();
    await closing;
    expect(await owner.engine.store.holder(0)).toMatchObject({ owner: "two", expired: true });
    const { dispatcher: third } = await stage.dispatcher("three");
    expect(third.owned()).toHaveLength(1);
  });
});

describe("a deaf dispatcher", () => {
  it("is not taken for one that hears because of an older owner's echo", async () => {
    let isDeaf = true;
    const wrap = (engine: Engine): Engine => ({
      ...engine,
      broker: {
        ...engine.broker,
        receive: async (mailbox) => {
          const real = await engine.broker.receive(mailbox);
          return isDeaf ? { ...real, take: async (limits) => afterFirst(await real.take(limits)) } : real;
        },
      },
    });
    let taken = 0;
    const afterFirst = <T>(batch: T): T | Promise<T> => (++taken > 1 ? never() : batch);
    const client = await stage.actor("client:c");
    await client.engine.broker.declare(controlLane(0), { durable: false });
    const envelopes = [{ type: "echo", nonce: 1_000_000 }] as const;
    const frame = encodeFrame({ from: "", shard: 0, epoch: 0, sequence: 0, envelopes });
    await client.engine.broker.send([{ mailbox: controlLane(0), frame }]);
    const { dispatcher } = await stage.dispatcher("deaf", { wrap });
    // It has opened its lanes by then; the next ownership hears.
    await stage.host.settle();
    isDeaf = false;
    const before = dispatcher.owned()[0]?.epoch ?? 0;
    await stage.host.advance(30_000);
    expect(stage.codes).toContain("SHARD_LOST");
    expect(dispatcher.owned()[0]?.epoch).toBeGreaterThan(before);
  });

  it("is not one whose commit takes a few seconds", async () => {
    let delayMs = 0;
    const wrap = withCommit(async (tick, engine) => {
      if (delayMs > 0) await new Promise<void>((resolve) => stage.host.after(delayMs, resolve));
      return engine.commit(tick);
    });
    const { dispatcher } = await stage.dispatcher("one", { wrap });
    const client = await stage.actor("client:c");
    await stage.host.advance(4_900);
    delayMs = 7_000;
    const sequence = await client.say(submitLane(0), [{ type: "submit", submission: stage.submission() }]);
    await stage.host.advance(7_000);
    delayMs = 0;
    await stage.host.advance(7_000);
    expect(client.all("answered")).toEqual([{ type: "answered", sequence }]);
    expect(dispatcher.owned()).toMatchObject([{ epoch: 1 }]);
  });
});

describe("a frame that no commit takes", () => {
  const poisoned = (text: string): ((engine: Engine) => Engine) =>
    withCommit((tick, engine) => {
      if (JSON.stringify(tick.changes).includes(text)) throw new InvariantError("unacceptable content");
      return engine.commit(tick);
    });

  it("loses only the submission that is to blame, and says so", async () => {
    const { dispatcher } = await stage.dispatcher("one", { wrap: poisoned("POISON") });
    const { worker, client } = await workerAndClient();
    const replyTo = "client:c";
    const good = [stage.submission({ replyTo }), stage.submission({ replyTo })];
    const bad = stage.submission({ replyTo, payload: "POISON" });
    const sequence = await client.say(
      submitLane(0),
      [good[0], bad, good[1]].flatMap((submission) =>
        submission === undefined ? [] : [{ type: "submit", submission } as const],
      ),
    );
    await stage.host.advance(5_000);
    await worker.register("w");
    expect(client.all("accepted")).toMatchObject([{ id: bad.id, outcome: "refused" }]);
    expect(client.all("answered")).toEqual([{ type: "answered", sequence }]);
    expect(worker.all("assign").map(({ id }) => id)).toEqual(good.map(({ id }) => id));
    expect(stage.codes).toContain("FRAME_QUARANTINED");
    expect(await client.engine.broker.depth(submitLane(0))).toBe(0);
    const epoch = dispatcher.owned()[0]?.epoch;
    await stage.host.advance(5_000);
    expect(dispatcher.owned()[0]?.epoch).toBe(epoch);
  });

  it("ends a task whose outcome is to blame, and answers its worker", async () => {
    await stage.dispatcher("one", { wrap: poisoned("POISON") });
    const { worker, client } = await workerAndClient();
    const submission = stage.submission({ replyTo: "client:c" });
    await client.say(submitLane(0), [{ type: "submit", submission }]);
    const epoch = worker.epoch;
    const sequence = await worker.succeed(submission.id, epoch, 1, "POISON");
    await stage.host.advance(5_000);
    expect(worker.all("answered")).toContainEqual({ type: "answered", sequence });
    expect(client.all("settled")).toMatchObject([{ id: submission.id, state: "failed" }]);
  });

  it("is found although other frames keep coming", async () => {
    const { dispatcher } = await stage.dispatcher("one", { wrap: poisoned("POISON") });
    const { worker, client } = await workerAndClient();
    const bad = stage.submission({ payload: "POISON" });
    const good = stage.submission();
    const send = (submission: typeof bad): Promise<unknown> =>
      client.say(submitLane(0), [{ type: "submit", submission }]);
    await Promise.all([send(good), send(bad), worker.beat("w"), worker.beat("w")]);
    for (let turn = 0; turn < 40; turn += 1) {
      await Promise.all([worker.beat("w"), worker.beat("w"), stage.host.advance(100)]);
    }
    expect(await client.engine.broker.depth(submitLane(0))).toBe(0);
    expect(dispatcher.owned()).toHaveLength(1);
  });

  it("is none of those that were there when the store took nothing at all", async () => {
    let isReadOnly = false;
    const wrap = withCommit((tick, engine) => {
      if (isReadOnly) throw new YardmasterError("STORE_READ_ONLY", "read-only");
      return engine.commit(tick);
    });
    await stage.dispatcher("one", { wrap });
    const { client } = await workerAndClient();
    isReadOnly = true;
    const submission = stage.submission();
    await client.say(submitLane(0), [{ type: "submit", submission }]);
    await stage.host.advance(30_000);
    isReadOnly = false;
    await stage.host.advance(30_000);
    const { tasks } = await client.engine.store.read({ ids: [submission.id] });
    expect(tasks.get(submission.id)?.task.state).toBe("ready");
    expect(client.all("answered")).toHaveLength(1);
  });

  it("is none of the outcomes and submissions that a broken tick shared with it", async () => {
    await stage.dispatcher("one", { wrap: poisoned("POISON") });
    const { worker, client } = await workerAndClient();
    const submission = stage.submission({ replyTo: "client:c" });
    await client.say(submitLane(0), [{ type: "submit", submission }]);
    const epoch = worker.epoch;
    const bad = stage.submission({ payload: "POISON" });
    await Promise.all([
      worker.say(controlLane(0), [succeeded(submission.id, epoch, 1, "7")], epoch),
      client.say(submitLane(0), [{ type: "submit", submission: bad }]),
    ]);
    await stage.host.advance(5_000);
    expect(client.all("settled")).toMatchObject([{ id: submission.id, state: "succeeded", result: "7" }]);
  });
});
