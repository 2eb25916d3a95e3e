import { describe, expect, it } from "vitest";
import { assign } from "../../test/worker-desk.ts";
import type { Send } from "../brokers/broker.ts";
import type { Outcome } from "../protocol/envelope.ts";
import { decodeFrame } from "../protocol/frame.ts";
import { Attempt } from "./attempt.ts";
import { type Parcel, ShardLink, SILENCE_MS } from "./shard-link.ts";

function link(): ShardLink {
  const shard = new ShardLink(0, "w", "worker:w");
  shard.wantsRegister = false;
  return shard;
}

function finish(shard: ShardLink, number: number, resultBytes = 1): void {
  const attempt = new Attempt(0, 1, assign(number, "x"), 0, null);
  const { id } = attempt.assign;
  const result = "1".repeat(resultBytes);
  shard.hold(attempt);
  const outcome: Outcome = {
    type: "outcome",
    id,
    epoch: 1,
    attempt: 1,
    kind: "succeeded",
    delayMs: 0,
    result,
    error: null,
    startedAt: 1,
  };
  shard.finish(attempt, outcome);
}

function collect(shard: ShardLink, now = 0): { parcel: Parcel; frames: [number, string[]][] } {
  const sends: Send[] = [];
  const parcel = shard.collect(sends, () => ({ type: "takeover" }), now);
  const frames = sends.map(({ frame }) => decodeFrame(frame));
  return {
    parcel,
    frames: frames.map(({ sequence, envelopes }) => [sequence, envelopes.map(({ type }) => type)]),
  };
}

describe("ShardLink", () => {
  it("cuts outcomes at 1 MiB and at 1,000", () => {
    const large = link();
    for (let number = 1; number <= 5; number += 1) finish(large, number, 400_000);
    expect(collect(large).frames.map(([sequence, types]) => [sequence, types.length])).toEqual([
      [1, 2],
      [2, 2],
      [3, 1],
    ]);
    const many = link();
    for (let number = 1; number <= 2_500; number += 1) finish(many, number);
    expect(collect(many).frames.map(([, types]) => types.length)).toEqual([1_000, 1_000, 500]);
  });

  it("sends a frame that failed again under its number, before what came later", () => {
    const shard = link();
    finish(shard, 1);
    const { parcel } = collect(shard);
    shard.restore(parcel);
    finish(shard, 2);
    expect(collect(shard).frames).toEqual([
      [1, ["outcome"]],
      [2, ["outcome"]],
    ]);
    expect(collect(shard).frames).toEqual([]);
  });

  it("puts back what was to be told", () => {
    const shard = link();
    shard.wantsRegister = true;
    shard.wantsHeld = true;
    const { parcel, frames } = collect(shard);
    expect(frames).toEqual([[1, ["takeover", "held"]]]);
    shard.restore(parcel);
    expect(collect(shard).frames).toEqual([[2, ["takeover", "held"]]]);
  });

  it("takes inventory anew until one is answered", () => {
    const shard = link();
    shard.wantsHeld = true;
    expect(collect(shard).frames).toEqual([[1, ["held"]]]);
    expect(shard.markSilent(SILENCE_MS - 1)).toBeGreaterThanOrEqual(SILENCE_MS);
    expect(collect(shard, SILENCE_MS - 1).frames).toEqual([]);
    shard.markSilent(SILENCE_MS);
    expect(collect(shard, SILENCE_MS).frames).toEqual([[2, ["held"]]]);
    // The answer to the lost one would not do: it told of another time.
    shard.answered(1);
    shard.markSilent(3 * SILENCE_MS);
    expect(collect(shard, 3 * SILENCE_MS).frames).toEqual([[3, ["held"]]]);
    shard.answered(3);
    expect(shard.markSilent(99 * SILENCE_MS)).toBe(Number.POSITIVE_INFINITY);
    expect(collect(shard).frames).toEqual([]);
  });

  it("forgets an attempt when its outcome is answered, and not the other attempt of its task", () => {
    const shard = link();
    finish(shard, 1);
    collect(shard);
    const older = shard.find(assign(1, "x").id, 1, 1);
    const newer = new Attempt(0, 1, assign(1, "x", { attempt: 2 }), 0, older);
    shard.hold(newer);
    expect([shard.isSettled, shard.unansweredOutcomes]).toEqual([false, 1]);
    shard.answered(1);
    shard.answered(1);
    expect([shard.isSettled, shard.unansweredOutcomes]).toEqual([true, 0]);
    expect(shard.find(assign(1, "x").id, 1, 1)).toBe(null);
    expect(shard.latest(assign(1, "x").id)).toBe(newer);
  });

  it("says goodbye before what it hands back, and until that is answered it is not settled", () => {
    const shard = link();
    shard.wantsGoodbye = true;
    finish(shard, 1);
    expect(collect(shard).frames).toEqual([[1, ["goodbye", "outcome"]]]);
    expect(shard.isSettled).toBe(false);
    shard.answered(1);
    expect(shard.isSettled).toBe(true);
  });

  it("starts nothing after a gap until an inventory from then on is answered", () => {
    const shard = link();
    shard.enter(1);
    shard.wantsHeld = true;
    collect(shard);
    shard.hold(new Attempt(0, 1, assign(1, "x"), 0, null));
    shard.framesLost();
    // What was asked before the gap says nothing of it.
    shard.answered(1);
    expect(shard.takeWaiting()).toBe(null);
    expect(collect(shard).frames).toEqual([[2, ["held"]]]);
    expect(shard.takeWaiting()).toBe(null);
    shard.answered(2);
    expect(shard.takeWaiting()?.assign.id).toBe(assign(1, "x").id);
  });
});
