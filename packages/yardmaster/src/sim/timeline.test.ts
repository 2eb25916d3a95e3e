import { describe, expect, it } from "vitest";
import fc from "../../test/property.ts";
import { Timeline } from "./timeline.ts";

describe("the timeline", () => {
  it("runs events in order of time, then of scheduling", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 })), (delays) => {
        const timeline = new Timeline();
        const ran: [number, number][] = [];
        for (const [index, delay] of delays.entries())
          timeline.schedule(delay, null, () => ran.push([timeline.now, index]));
        while (timeline.step());
        const expected = delays.map((delay, index): [number, number] => [delay, index]);
        expect(ran).toEqual(expected.toSorted(([a, i], [b, j]) => a - b || i - j));
      }),
    );
  });

  it("never runs what was cancelled", () => {
    const timeline = new Timeline();
    const ran: string[] = [];
    timeline.schedule(1, null, () => ran.push("first"))();
    timeline.schedule(2, null, () => ran.push("second"));
    expect([timeline.step(), timeline.step(), ran]).toEqual([true, false, ["second"]]);
  });

  it("drops the events of a dead owner", () => {
    const timeline = new Timeline();
    const owner = { alive: true, held: null };
    timeline.schedule(1, owner, () => expect.unreachable("it is dead"));
    owner.alive = false;
    expect(timeline.step()).toBe(false);
  });

  it("hands the events of a paused owner to it when they are due", () => {
    const timeline = new Timeline();
    const held: (() => void)[] = [];
    const ran: string[] = [];
    timeline.schedule(5, { alive: true, held }, () => ran.push("held"));
    timeline.schedule(6, null, () => ran.push("other"));
    expect(timeline.step()).toBe(true);
    expect([ran, held.length, timeline.now]).toEqual([["other"], 1, 6]);
    for (const run of held) run();
    expect(ran).toEqual(["other", "held"]);
  });

  it("does not run what was cancelled while it was held", () => {
    const timeline = new Timeline();
    const held: (() => void)[] = [];
    const cancel = timeline.schedule(5, { alive: true, held }, () => expect.unreachable("it is cancelled"));
    expect(timeline.step()).toBe(false);
    cancel();
    expect(held).toHaveLength(1);
    for (const run of held) run();
  });
});
