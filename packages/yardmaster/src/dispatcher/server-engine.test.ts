import { afterEach, describe, expect, it } from "vitest";
import { controlLane, type Engine, submitLane } from "../engine.ts";
import { decodeFrame, encodeFrame } from "../protocol/frame.ts";
import type { TaskRecord } from "../protocol/task.ts";
import { type Actor, SPEC, Stage, withoutProof } from "../testing/dispatcher-stage.ts";

let stage = new Stage();

afterEach(async () => {
  await stage.close();
  stage = new Stage();
});

const wrap = withoutProof;
const MANY = { ...SPEC, attempts: 9 };

async function registered(id: string): Promise<Actor> {
  const actor = await stage.actor(`worker:${id}`);
  await actor.register(id);
  await actor.beat(id);
  return actor;
}

async function submitted(actor: Actor, spec = SPEC): Promise<string> {
  const submission = stage.submission({ spec });
  await actor.say(submitLane(0), [{ type: "submit", submission }]);
  return submission.id;
}

async function recordOf({ engine }: Actor, id: string): Promise<TaskRecord | undefined> {
  return (await engine.store.read({ ids: [id] })).tasks.get(id)?.task;
}

describe("a presence that goes with a connection", () => {
  it("starts a dead worker's task elsewhere within 1.5 s", async () => {
    await stage.dispatcher("one", { wrap });
    const doomed = await registered("a");
    const id = await submitted(doomed);
    const other = await registered("b");
    doomed.engine.crash();
    await stage.host.advance(1_500);
    expect(other.all("assign")).toMatchObject([{ id, attempt: 2 }]);
  });

  it("costs a worker nothing that lost it and is heard", async () => {
    await stage.dispatcher("one", { wrap });
    const flapping = await registered("a");
    const id = await submitted(flapping);
    const other = await registered("b");
    await flapping.losePresence();
    for (let beats = 0; beats < 20; beats += 1) {
      await stage.host.advance(500);
      await flapping.beat("a");
    }
    expect(other.all("assign")).toEqual([]);
    await flapping.succeed(id, flapping.epoch);
    expect(await recordOf(other, id)).toMatchObject({ state: "succeeded", attempt: 1, deaths: 0 });
  });

  it("is awaited by the tasks: a worker without it is given nothing until it has it again", async () => {
    await stage.dispatcher("one", { wrap });
    const flapping = await registered("a");
    await flapping.losePresence();
    await stage.host.advance(300);
    const id = await submitted(flapping);
    expect(flapping.all("assign")).toEqual([]);
    await flapping.engine.broker.presence.hold("worker:a");
    await stage.host.advance(300);
    expect(flapping.all("assign")).toMatchObject([{ id }]);
  });

  it("may be lost by all at once for longer than it is waited for, and no task suffers", async () => {
    await stage.dispatcher("one", { wrap });
    const workers = await Promise.all(["a", "b", "c", "d"].map(registered));
    const [first] = workers;
    if (first === undefined) throw new Error("there is no worker");
    const id = await submitted(first, MANY);
    for (const worker of workers) {
      await worker.losePresence();
      await stage.host.advance(200);
    }
    await stage.host.advance(4_000);
    expect(await recordOf(first, id)).toMatchObject({ state: "ready", attempt: 1, deaths: 1 });
    for (const worker of workers) await worker.engine.broker.presence.hold(worker.mailbox);
    for (const name of ["a", "b", "c", "d"]) await workers["abcd".indexOf(name)]?.beat(name);
    expect(await recordOf(first, id)).toMatchObject({ deaths: 0 });
  });

  it("does not protect a task that kills its workers", async () => {
    await stage.dispatcher("one", { wrap });
    const client = await stage.actor("client:c");
    const id = await submitted(client, MANY);
    for (let deaths = 1; deaths <= 3; deaths += 1) {
      const worker = await registered(`w${deaths}`);
      expect(worker.all("assign")).toMatchObject([{ id, attempt: deaths }]);
      worker.engine.crash();
      await stage.host.advance(1_500);
    }
    const spared = await registered("spared");
    await stage.host.advance(10_000);
    expect(spared.all("assign")).toEqual([]);
    expect(await recordOf(client, id)).toMatchObject({ state: "failed", code: "QUARANTINED", deaths: 3 });
  });

  it("lets a task go on that was suspected because its workers were out of sight", async () => {
    await stage.dispatcher("one", { wrap });
    const client = await stage.actor("client:c");
    const id = await submitted(client, MANY);
    const workers: Actor[] = [];
    for (const name of ["a", "b", "c"]) {
      const worker = await registered(name);
      workers.push(worker);
      await worker.losePresence();
      await stage.host.advance(1_500);
    }
    expect(await recordOf(client, id)).toMatchObject({ state: "scheduled", deaths: 3 });
    const [back] = workers;
    await back?.engine.broker.presence.hold("worker:a");
    await back?.beat("a");
    expect(await recordOf(client, id)).toMatchObject({ state: "ready", deaths: 2 });
    await back?.register("a");
    expect(back?.all("assign").map(({ attempt }) => attempt)).toEqual([1, 4]);
  });

  it("is not held against a worker by a marker that comes after news of it", async () => {
    await stage.dispatcher("one", { wrap });
    const worker = await registered("a");
    const id = await submitted(worker);
    const envelopes = [{ type: "marker", worker: "a", boot: "a", heardAt: stage.host.now() }] as const;
    const frame = encodeFrame({ from: "", shard: 0, epoch: 0, sequence: 0, envelopes });
    await stage.host.advance(1);
    await worker.beat("a");
    await worker.engine.broker.send([{ mailbox: controlLane(0), frame }]);
    await stage.host.settle();
    await worker.succeed(id, worker.epoch);
    expect(await recordOf(worker, id)).toMatchObject({ state: "succeeded", attempt: 1 });
  });

  it("leaves a client its mailbox for a while", async () => {
    await stage.dispatcher("one", { wrap });
    const client = await stage.actor("client:c");
    await stage.host.advance(9_000);
    await client.losePresence();
    await stage.host.advance(3_000);
    await client.engine.broker.presence.hold("client:c");
    await stage.host.advance(20_000);
    expect(await client.engine.broker.mailboxes("client:")).toEqual(["client:c"]);
    await client.losePresence();
    await stage.host.advance(30_000);
    expect(await client.engine.broker.mailboxes("client:")).toEqual([]);
  });
});

describe("a marker", () => {
  it("is sent again when it was lost with its lane", async () => {
    let lost = 0;
    const losing = (engine: Engine): Engine => ({
      ...engine,
      broker: {
        ...engine.broker,
        send: async (sends, acks) => {
          const isMarker = sends.some(({ frame }) => decodeFrame(frame).envelopes[0]?.type === "marker");
          if (!isMarker || lost === 2) return await engine.broker.send(sends, acks);
          lost += 1;
          return sends.map(() => "confirmed");
        },
      },
    });
    await stage.dispatcher("one", { wrap: losing });
    const doomed = await registered("a");
    const id = await submitted(doomed);
    const other = await registered("b");
    doomed.engine.crash();
    await stage.host.advance(5_000);
    expect(lost).toBe(2);
    expect(other.all("assign")).toMatchObject([{ id, attempt: 2 }]);
  });
});
