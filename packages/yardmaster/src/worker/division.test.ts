import { describe, expect, it } from "vitest";
import fc from "../../test/property.ts";
import { assign } from "../../test/worker-desk.ts";
import { createManualHost, type ManualHost } from "../testing/manual-host.ts";
import { Attempt } from "./attempt.ts";
import { Division, divide } from "./division.ts";
import { ended } from "./execution.ts";
import type { Heartbeats } from "./heartbeats.ts";
import { Pulse } from "./pulse.ts";
import { ShardLink } from "./shard-link.ts";

/** Dispatchers as a division sees them: they take the latest credit with each heartbeat that arrives, and use all of it. */
class Played {
  readonly host: ManualHost = createManualHost();
  readonly links: readonly ShardLink[];
  readonly pulse: Pulse;
  readonly division: Division;
  /** By shard: heartbeats on their way, and what the dispatcher counts with. */
  readonly beats: { number: number; credit: number }[][];
  readonly credit: number[];
  readonly held: Attempt[][];
  readonly #lost = new Set<number>();
  #tasks = 0;

  constructor(slots: number, shards: number) {
    const bytes = Pulse.bytes(shards, slots);
    const pulse = new Pulse(shards, slots, new ArrayBuffer(bytes));
    this.pulse = pulse;
    this.links = Array.from({ length: shards }, (_, shard) => new ShardLink(shard, "w", "worker:w"));
    this.beats = this.links.map(() => []);
    this.held = this.links.map(() => []);
    const beat = (shard: number): void => {
      const number = pulse.sent(shard) + 1;
      pulse.setSent(shard, number, this.host.monotonic());
      this.beats[shard]?.push({ number, credit: pulse.credit(shard) });
    };
    const heartbeats: Heartbeats = { pulse, beat, start: () => undefined, close: async () => undefined };
    this.division = new Division({
      host: this.host,
      slots,
      links: this.links,
      heartbeats,
      isLost: (shard) => this.#lost.has(shard),
    });
    this.credit = this.links.map((_, shard) => this.division.credit(shard));
    for (const shard of this.links.keys()) beat(shard);
  }

  /** The next heartbeat of a shard arrives and is answered. */
  answer(shard: number, ready: number): void {
    const beat = this.beats[shard]?.shift();
    if (beat !== undefined) this.credit[shard] = beat.credit;
    const number = beat?.number ?? this.pulse.sent(shard);
    const credit = this.credit[shard] ?? 0;
    const isCurrent = beat !== undefined || (this.beats[shard]?.length ?? 0) === 0;
    if (!isCurrent) return;
    this.division.heard(shard, { type: "heartbeatAnswer", number, sent: 0, known: true, credit, ready });
  }

  /** The dispatcher gives as much as it may. */
  fill(shard: number): void {
    const link = this.links[shard];
    const held = this.held[shard];
    if (link === undefined || held === undefined) return;
    while (held.length < (this.credit[shard] ?? 0)) {
      this.#tasks += 1;
      const attempt = new Attempt(shard, 1, assign(this.#tasks, "x"), 0, null);
      link.hold(attempt);
      held.push(attempt);
    }
  }

  end(shard: number): void {
    const attempt = this.held[shard]?.shift();
    if (attempt === undefined) return;
    const { id, attempt: number } = attempt.assign;
    const outcome = { type: "outcome", id, epoch: 1, attempt: number, startedAt: 0 } as const;
    this.links[shard]?.finish(attempt, { ...outcome, ...ended("succeeded", null) });
  }

  /** Everything on its way arrives, until nothing moves. */
  calm(ready: readonly number[]): void {
    for (let round = 0; round < 10; round += 1) {
      for (const shard of this.links.keys()) this.answer(shard, ready[shard] ?? 0);
      this.division.settle();
    }
  }

  get unfinished(): number {
    return this.links.reduce((sum, { unfinished }) => sum + unfinished, 0);
  }

  lose(shard: number): void {
    this.#lost.add(shard);
  }
}

describe("a division of slots", () => {
  it("is the whole for one shard, whatever happens", () => {
    const played = new Played(10, 1);
    played.fill(0);
    played.calm([1024]);
    expect(played.division.credit(0)).toBe(10);
    expect(played.pulse.sent(0)).toBe(1);
    played.division.resize(7);
    expect(played.division.credit(0)).toBe(7);
    played.division.resize(10);
    expect(played.division.credit(0)).toBe(10);
  });

  it("gives a shard alone with work everything, and half of it back when another has work", () => {
    const played = new Played(10, 2);
    expect([played.division.credit(0), played.division.credit(1)]).toEqual([5, 5]);
    played.fill(0);
    played.calm([100, 0]);
    expect(played.credit).toEqual([10, 0]);
    played.fill(0);
    played.calm([100, 100]);
    expect(played.credit).toEqual([5, 0]);
    for (let ended = 0; ended < 5; ended += 1) played.end(0);
    played.calm([100, 100]);
    expect(played.credit).toEqual([5, 5]);
  });

  it("counts a shard out whose dispatcher is lost", async () => {
    const played = new Played(10, 2);
    played.fill(0);
    played.calm([100, 0]);
    await played.host.advance(10_000);
    const other = new Played(10, 2);
    other.fill(0);
    other.answer(0, 100);
    other.division.settle();
    expect(other.division.credit(0)).toBe(5);
    other.lose(1);
    await other.host.advance(8_000);
    other.answer(0, 100);
    other.division.settle();
    expect(other.division.credit(0)).toBe(10);
  });

  it("never lets dispatchers give more than the slots, whatever order messages come in", () => {
    const shard = fc.nat({ max: 3 });
    const step = fc.oneof(
      fc.record({ act: fc.constant("answer" as const), shard, ready: fc.constantFrom(0, 1, 4, 1024) }),
      fc.record({
        act: fc.constantFrom("fill" as const, "end" as const, "settle" as const),
        shard,
        ready: fc.constant(0),
      }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.array(step, { maxLength: 200 }), (slots, steps) => {
        const played = new Played(slots, 4);
        for (const { act, shard: at, ready } of steps) {
          if (act === "answer") played.answer(at, ready);
          else if (act === "settle") played.division.settle();
          else played[act](at);
          expect(played.unfinished).toBeLessThanOrEqual(slots);
        }
        played.division.close();
      }),
    );
  });
});

describe("divide", () => {
  it.each<[number, number[], number, number[]]>([
    [10, [0, 0], 0, [5, 5]],
    [10, [8, 0], 0, [9, 1]],
    [10, [100, 2], 0, [8, 2]],
    [10, [100, 100, 100], 1, [3, 4, 3]],
    [1, [1, 1, 1], 2, [0, 0, 1]],
    [2, [0, 5, 5, 5], 3, [0, 1, 0, 1]],
  ])("gives of %d slots to demands of %j from shard %d on: %j", (slots, demands, turn, expected) => {
    expect(divide(slots, [demands], turn)).toEqual(expected);
  });

  it("gives all slots, and nobody less than is fair", () => {
    const demands = fc.array(fc.nat({ max: 30 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), demands, fc.nat({ max: 7 }), (slots, wanted, turn) => {
        const shares = divide(slots, [wanted], turn % wanted.length);
        expect(shares.reduce((sum, share) => sum + share, 0)).toBe(slots);
        const fair = Math.floor(slots / wanted.length);
        for (const [shard, share] of shares.entries())
          expect(share).toBeGreaterThanOrEqual(Math.min(fair, wanted[shard] ?? 0));
      }),
    );
  });
});
