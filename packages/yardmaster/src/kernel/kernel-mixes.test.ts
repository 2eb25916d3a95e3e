import { describe, expect, it } from "vitest";
import { chance, type Mix, Pairs, ROWS, rowOf } from "../../test/mix-case.ts";
import { MixPlay } from "../../test/mix-play.ts";
import fc from "../../test/property.ts";

const LEAST = 100;
/** More than the least, as not all that a case is made of takes effect in it. */
const RUNS = 150;

describe("any mix of order, placement, limit, time, dependency, cancel and failover", () => {
  it(`keeps all promises, and each pair of values takes effect in ${LEAST} cases or more`, {
    timeout: 1_200_000,
  }, () => {
    const pairs = new Pairs();
    const decided: Partial<Record<Mix["order"], number>> = {};
    for (let row = 0; row < ROWS; row++) {
      fc.assert(
        fc.property(fc.constant(rowOf(row)), chance, (mix, drawn) => {
          const play = new MixPlay(mix, drawn);
          pairs.add(mix, play.run());
          decided[mix.order] = (decided[mix.order] ?? 0) + play.decided;
        }),
        { numRuns: RUNS },
      );
    }
    expect(pairs.size).toBe(826);
    expect(pairs.below(LEAST)).toEqual([]);
    for (const order of ["fifo", "lifo", "priority"] as const)
      expect(decided[order], `decisions by ${order}`).toBeGreaterThan(10 * LEAST);
  });
});
