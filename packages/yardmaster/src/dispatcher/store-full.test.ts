import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Engine, submitLane, type Tick } from "../engine.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { type Actor, Stage } from "../testing/dispatcher-stage.ts";

let stage = new Stage();
let room: "plenty" | "reserve" | "sweeps" | "a sweep unheard" | "no sweep" | "none" = "plenty";
let refusals = 0;

beforeEach(() => {
  room = "plenty";
  refusals = 0;
});

afterEach(async () => {
  room = "plenty";
  await stage.close();
  stage = new Stage();
});

/** The reserve takes how tasks end, but no more of them; once it is used up, a sweep makes room for those again. */
function isRefused({ changes }: Tick): boolean {
  if (room === "plenty") return false;
  if (room === "sweeps") {
    if (changes.some(({ type }) => type !== "sweep")) return true;
    if (changes.length > 0) room = "reserve";
    return false;
  }
  return room !== "reserve" ? changes.length > 0 : changes.some(({ type }) => type === "insert");
}

const wrap = (engine: Engine): Engine => ({
  ...engine,
  commit: async (tick) => {
    const isSweep = tick.changes.length > 0 && tick.changes.every(({ type }) => type === "sweep");
    if (room === "a sweep unheard" && isSweep) {
      room = "no sweep";
      await engine.commit(tick);
      throw new YardmasterError("STORE_UNAVAILABLE", "The answer was lost.");
    }
    if (!isRefused(tick)) return await engine.commit(tick);
    if (room === "no sweep" && isSweep) room = "reserve";
    refusals += 1;
    throw new YardmasterError("STORE_FULL", "There is no room.");
  },
});

async function staged(): Promise<{ worker: Actor; client: Actor }> {
  const worker = await stage.actor("worker:w");
  await worker.register("w");
  return { worker, client: await stage.actor("client:c") };
}

async function submitted(client: Actor): Promise<string> {
  const submission = stage.submission({ replyTo: "client:c" });
  await client.say(submitLane(0), [{ type: "submit", submission }]);
  return submission.id;
}

describe("a full store", () => {
  it("takes outcomes while submissions wait, and those when it has room, without anybody's help", async () => {
    const { dispatcher } = await stage.dispatcher("one", { wrap });
    const { worker, client } = await staged();
    const ids = [await submitted(client), await submitted(client)];
    const { epoch } = worker;
    room = "reserve";
    const waiting = await submitted(client);
    await Promise.all(ids.map((id) => worker.succeed(id, epoch)));
    await stage.host.advance(100);
    expect(client.all("settled").map(({ id }) => id)).toEqual(ids);
    expect(client.all("answered")).toHaveLength(2);
    expect(stage.codes.filter((code) => code === "STORE_FULL")).toHaveLength(1);
    await stage.host.advance(60_000);
    expect(dispatcher.owned()).toHaveLength(1);
    // Each refusal costs a reload: they become rare.
    expect(refusals).toBeLessThanOrEqual(8);
    expect(stage.codes).not.toContain("STORE_HAS_ROOM");
    room = "plenty";
    await stage.host.advance(16_000);
    await worker.register("w");
    expect(worker.all("assign").map(({ id }) => id)).toContain(waiting);
    expect(client.all("answered")).toHaveLength(3);
    expect(stage.codes.filter((code) => code.startsWith("STORE_"))).toEqual(["STORE_FULL", "STORE_HAS_ROOM"]);
  });

  it("takes submissions a second later when it was full for a moment", async () => {
    await stage.dispatcher("one", { wrap });
    const { worker, client } = await staged();
    room = "reserve";
    await submitted(client);
    room = "plenty";
    await stage.host.advance(1_100);
    expect(client.all("answered")).toHaveLength(1);
    expect(stage.codes).toContain("STORE_HAS_ROOM");
    await worker.register("w");
    expect(worker.all("assign")).toHaveLength(1);
  });

  it("that does not even take outcomes is swept first by its next owner", async () => {
    await stage.dispatcher("one", { wrap });
    const { worker, client } = await staged();
    const id = await submitted(client);
    room = "sweeps";
    await worker.succeed(id, worker.epoch);
    await stage.host.advance(5_000);
    expect(client.all("settled")).toMatchObject([{ id, state: "succeeded" }]);
  });

  it("never takes an outcome for the sweep of which nobody heard", async () => {
    await stage.dispatcher("one", { wrap });
    const { worker, client } = await staged();
    const id = await submitted(client);
    room = "a sweep unheard";
    await worker.succeed(id, worker.epoch);
    await stage.host.advance(10_000);
    expect(room).toBe("reserve");
    // The first commit of the last owner is not taken for its sweep either: what it says reaches the worker.
    const epoch = Math.max(...worker.heard.map((frame) => frame.epoch));
    expect(epoch).toBe(stage.codes.filter((code) => code === "SHARD_TAKEN").length);
    expect(worker.heard.filter((frame) => frame.epoch === epoch)[0]?.sequence).toBe(1);
    expect(client.all("settled")).toMatchObject([{ id, state: "succeeded" }]);
  });

  it("that does not even take outcomes loses none", async () => {
    await stage.dispatcher("one", { wrap });
    const { worker, client } = await staged();
    const id = await submitted(client);
    room = "none";
    await worker.succeed(id, worker.epoch);
    await stage.host.advance(5_000);
    expect(client.all("settled")).toEqual([]);
    room = "plenty";
    await stage.host.advance(2_000);
    expect(client.all("settled")).toMatchObject([{ id, state: "succeeded" }]);
  });
});
