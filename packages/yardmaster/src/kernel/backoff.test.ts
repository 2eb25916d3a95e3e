import { describe, expect, it } from "vitest";
import type { Backoff } from "../protocol/task.ts";
import { backoffMs } from "./backoff.ts";
import { Random } from "./random.ts";

function delays(backoff: Backoff, count = 5): number[] {
  const random = new Random(1);
  return Array.from({ length: count }, (_, index) => backoffMs(backoff, index + 1, random));
}

describe("a backoff", () => {
  it("stays, doubles up to its limit, or follows its list", () => {
    expect(delays({ type: "fixed", baseMs: 7, jitter: "none" })).toEqual([7, 7, 7, 7, 7]);
    expect(delays({ type: "exponential", baseMs: 10, maxMs: 70, jitter: "none" })).toEqual([
      10, 20, 40, 70, 70,
    ]);
    expect(delays({ type: "list", delaysMs: [1, 5, 2], jitter: "none" })).toEqual([1, 5, 2, 2, 2]);
    expect(delays({ type: "list", delaysMs: [], jitter: "none" }, 1)).toEqual([0]);
  });

  it("with full jitter is anything up to that, the same for the same seed", () => {
    const jittered: Backoff = { type: "fixed", baseMs: 9, jitter: "full" };
    const drawn = delays(jittered, 2_000);
    expect([...new Set(drawn)].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(delays(jittered, 2_000)).toEqual(drawn);
  });
});

describe("the generator", () => {
  it("draws evenly and differently for each seed", () => {
    const random = new Random(42);
    const even = new Array<number>(8).fill(0);
    for (let draw = 0; draw < 80_000; draw++) {
      const value = random.below(8);
      even[value] = (even[value] ?? 0) + 1;
    }
    for (const count of even) expect(Math.abs(count - 10_000)).toBeLessThan(500);
    const firsts = Array.from({ length: 1_000 }, (_, seed) => new Random(seed).next());
    expect(new Set(firsts).size).toBe(1_000);
  });
});
