import { afterEach, describe, expect, it } from "vitest";
import { Stage, type StagedDispatcher } from "../testing/dispatcher-stage.ts";

let stage = new Stage();

afterEach(() => stage.close());

function countsOf(...staged: StagedDispatcher[]): number[] {
  return staged.map(({ dispatcher }) => dispatcher.owned().length);
}

describe("dispatchers with several shards", () => {
  it("share them with one that comes later, and stop moving", async () => {
    stage = new Stage({ shards: 4 });
    const first = await stage.dispatcher("one");
    expect(countsOf(first)).toEqual([4]);
    const second = await stage.dispatcher("two");
    expect(countsOf(first, second)).toEqual([4, 0]);
    await stage.host.advance(5_000);
    expect(countsOf(first, second)).toEqual([2, 2]);
    const third = await stage.dispatcher("three");
    await stage.host.advance(10_000);
    expect(countsOf(first, second, third).sort()).toEqual([1, 1, 2]);
    const taken = stage.codes.filter((code) => code === "SHARD_TAKEN").length;
    await stage.host.advance(120_000);
    expect(countsOf(first, second, third).sort()).toEqual([1, 1, 2]);
    expect(stage.codes.filter((code) => code === "SHARD_TAKEN")).toHaveLength(taken);
    expect(stage.codes).not.toContain("SHARD_LOST");
  });

  it("leave a single shard where it is", async () => {
    stage = new Stage({ shards: 3 });
    const staged = [await stage.dispatcher("one"), await stage.dispatcher("two")];
    await stage.host.advance(10_000);
    expect(countsOf(...staged).sort()).toEqual([1, 2]);
    staged.push(await stage.dispatcher("three"), await stage.dispatcher("four"));
    await stage.host.advance(20_000);
    expect(countsOf(...staged).sort()).toEqual([0, 1, 1, 1]);
  });

  it("take over from one that dies, and from one that closes", async () => {
    stage = new Stage({ shards: 4 });
    const first = await stage.dispatcher("one");
    const second = await stage.dispatcher("two");
    const third = await stage.dispatcher("three");
    await stage.host.advance(10_000);
    first.engine.crash();
    await stage.host.advance(5_000);
    expect(countsOf(second, third)).toEqual([2, 2]);
    await second.dispatcher.close();
    await stage.host.advance(1_000);
    expect(countsOf(third)).toEqual([4]);
  });

  it("take a shard back that was asked for by one that then died", async () => {
    stage = new Stage({ shards: 2 });
    const first = await stage.dispatcher("one");
    const second = await stage.dispatcher("two");
    while (!stage.codes.includes("SHARD_HANDED_OVER")) await stage.host.advance(10);
    second.engine.crash();
    expect(countsOf(first)).toEqual([1]);
    await stage.host.advance(4_000);
    expect(countsOf(first)).toEqual([2]);
  });

  it("give nothing to one that asked an earlier owner", async () => {
    stage = new Stage({ shards: 2 });
    const { dispatcher } = await stage.dispatcher("one");
    const stranger = await stage.actor("client:c");
    const [lease] = dispatcher.owned();
    const epoch = (lease?.epoch ?? 0) - 1;
    await stranger.say("lane:0:control", [{ type: "handover", owner: "gone", epoch, shards: 0 }]);
    await stage.host.advance(1_000);
    expect(dispatcher.owned()).toHaveLength(2);
  });
});
