import { afterEach, describe, expect, it } from "vitest";
import { controlLane, submitLane } from "../engine.ts";
import { encodeFrame } from "../protocol/frame.ts";
import { Stage } from "../testing/dispatcher-stage.ts";

let stage = new Stage();

afterEach(async () => {
  await stage.close();
  stage = new Stage();
});

describe("a dispatcher", () => {
  it("carries a task from submission to its end", async () => {
    await stage.dispatcher("one");
    const worker = await stage.actor("worker:w");
    const client = await stage.actor("client:c");
    await worker.register("w");
    const submission = stage.submission({ replyTo: "client:c" });
    const sequence = await client.say(submitLane(0), [{ type: "submit", submission }]);
    expect(client.all("answered")).toEqual([{ type: "answered", sequence }]);
    expect(worker.all("assign")).toMatchObject([
      { id: submission.id, attempt: 1, name: "resize", payload: "{}" },
    ]);
    await worker.succeed(submission.id, worker.epoch);
    expect(client.all("settled")).toMatchObject([{ id: submission.id, state: "succeeded", result: "42" }]);
    const { tasks } = await client.engine.store.read({ ids: [submission.id], bytes: true });
    expect(tasks.get(submission.id)).toMatchObject({
      task: { state: "succeeded", attempt: 1 },
      result: "42",
    });
    expect(await client.engine.broker.depth(submitLane(0))).toBe(0);
    expect(await client.engine.broker.depth(controlLane(0))).toBe(0);
  });

  it("answers an outcome that comes twice, and keeps the first", async () => {
    await stage.dispatcher("one");
    const worker = await stage.actor("worker:w");
    await worker.register("w");
    const submission = stage.submission();
    await worker.say(submitLane(0), [{ type: "submit", submission }]);
    const first = await worker.succeed(submission.id, worker.epoch);
    const second = await worker.succeed(submission.id, worker.epoch);
    expect(worker.all("answered").map((one) => one.sequence)).toEqual(
      expect.arrayContaining([first, second]),
    );
  });

  it("takes a submission that is sent again for the one that it is", async () => {
    await stage.dispatcher("one");
    const worker = await stage.actor("worker:w");
    await worker.register("w");
    const submission = stage.submission();
    await worker.say(submitLane(0), [{ type: "submit", submission }]);
    await worker.succeed(submission.id, worker.epoch);
    const again = await worker.say(submitLane(0), [
      { type: "submit", submission: { ...submission, copy: true } },
    ]);
    expect(worker.all("answered").at(-1)).toEqual({ type: "answered", sequence: again });
    expect(worker.all("assign")).toHaveLength(1);
  });

  it("starts again from the store when a fresh submission turns out to exist, and keeps one task", async () => {
    await stage.dispatcher("one");
    const worker = await stage.actor("worker:w");
    await worker.register("w");
    const submission = stage.submission();
    await worker.say(submitLane(0), [{ type: "submit", submission }]);
    await worker.succeed(submission.id, worker.epoch);
    const before = worker.epoch;
    const again = await worker.say(submitLane(0), [{ type: "submit", submission }]);
    await stage.host.advance(1_000);
    expect(worker.all("answered").at(-1)).toEqual({ type: "answered", sequence: again });
    expect(worker.epoch).toBeGreaterThan(before);
    expect(worker.all("assign")).toHaveLength(1);
  });

  it("acknowledges what is no frame, says so, and goes on", async () => {
    await stage.dispatcher("one");
    const client = await stage.actor("client:c");
    await client.engine.broker.send([{ mailbox: submitLane(0), frame: Buffer.from("not a frame") }]);
    const sequence = await client.say(submitLane(0), [{ type: "submit", submission: stage.submission() }]);
    expect(stage.codes).toContain("FRAME_QUARANTINED");
    expect(client.all("answered")).toEqual([{ type: "answered", sequence }]);
    expect(await client.engine.broker.depth(submitLane(0))).toBe(0);
  });

  it("leaves a frame of a newer version in the lane and goes on", async () => {
    await stage.dispatcher("one");
    const client = await stage.actor("client:c");
    const frame = encodeFrame({ from: "client:c", shard: 0, epoch: 0, sequence: 1, envelopes: [] });
    frame[2] = 200;
    await client.engine.broker.send([{ mailbox: submitLane(0), frame }]);
    const sequence = await client.say(submitLane(0), [{ type: "submit", submission: stage.submission() }]);
    expect(stage.codes).toContain("FRAME_SET_ASIDE");
    expect(client.all("answered")).toEqual([{ type: "answered", sequence }]);
    expect(await client.engine.broker.depth(submitLane(0))).toBe(1);
  });

  it("gives its shard up when it closes, so that a standby goes on at once", async () => {
    const { dispatcher } = await stage.dispatcher("one");
    const { dispatcher: standby } = await stage.dispatcher("two");
    expect(standby.owned()).toEqual([]);
    await dispatcher.close();
    await stage.host.advance(500);
    expect(standby.owned()).toMatchObject([{ shard: 0, owner: "two" }]);
  });

  it("is succeeded within seconds when its process dies, and running work is not restarted", async () => {
    const { engine } = await stage.dispatcher("one");
    const { dispatcher: standby } = await stage.dispatcher("two");
    const worker = await stage.actor("worker:w");
    await worker.register("w");
    const submission = stage.submission();
    await worker.say(submitLane(0), [{ type: "submit", submission }]);
    const before = worker.epoch;
    engine.crash();
    await stage.host.advance(3_000);
    expect(standby.owned()).toHaveLength(1);
    expect(worker.all("takeover")).toHaveLength(1);
    expect(worker.epoch).toBeGreaterThan(before);
    await worker.register("w");
    const attempts = [{ id: submission.id, epoch: before, attempt: 1, state: "running" }] as const;
    await worker.say(controlLane(0), [
      { type: "held", worker: "w", epoch: worker.epoch, seen: 1, attempts: [...attempts] },
    ]);
    await worker.succeed(submission.id, before);
    const { tasks } = await worker.engine.store.read({ ids: [submission.id] });
    expect(tasks.get(submission.id)?.task).toMatchObject({ state: "succeeded", attempt: 1 });
    expect(worker.all("assign")).toHaveLength(1);
  });

  it("starts a dead worker's task elsewhere within 1.5 s", async () => {
    await stage.dispatcher("one");
    const doomed = await stage.actor("worker:a");
    await doomed.register("a");
    const submission = stage.submission();
    await doomed.say(submitLane(0), [{ type: "submit", submission }]);
    const other = await stage.actor("worker:b");
    await other.register("b");
    doomed.engine.crash();
    // The retry's own backoff of 1 s comes on top of noticing the death.
    await stage.host.advance(1_500);
    expect(other.all("assign")).toMatchObject([{ id: submission.id, attempt: 2 }]);
  });

  it("loses the shard when it cannot renew its lease", async () => {
    const { engine, dispatcher } = await stage.dispatcher("one");
    const lease = dispatcher.owned()[0];
    if (lease === undefined) throw new Error("the dispatcher owns nothing");
    const thief = await engine.store.acquire(0, "thief", 15_000, { replacing: lease.epoch });
    expect(thief).not.toBeNull();
    await stage.host.advance(6_000);
    expect(dispatcher.owned()).toEqual([]);
    expect(stage.codes).toContain("SHARD_LOST");
  });

  it("is refused by its first commit after another took the shard", async () => {
    const { engine, dispatcher } = await stage.dispatcher("one");
    const client = await stage.actor("client:c");
    const lease = dispatcher.owned()[0];
    if (lease === undefined) throw new Error("the dispatcher owns nothing");
    await engine.store.acquire(0, "thief", 15_000, { replacing: lease.epoch });
    const submission = stage.submission();
    await client.say(submitLane(0), [{ type: "submit", submission }]);
    expect(dispatcher.owned()).toEqual([]);
    expect(client.all("answered")).toEqual([]);
    expect(await client.engine.broker.depth(submitLane(0))).toBe(1);
    expect(stage.codes).toEqual(["SHARD_TAKEN", "COMMIT_FENCED", "SHARD_LOST"]);
  });
});
