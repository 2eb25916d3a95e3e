import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chance, Pairs, ROWS, rowOf } from "../../test/mix-case.ts";
import { MixPlay } from "../../test/mix-play.ts";

const LEAST = 100;
/** More than the least, as not all that a case is made of takes effect in it. */
const RUNS = 125;

describe("any mix of order, placement, limit, time, dependency, cancel and failover", () => {
  it(`keeps all promises, and each pair of values takes effect in ${LEAST} cases or more`, {
    timeout: 300_000,
  }, () => {
    const pairs = new Pairs();
    for (let row = 0; row < ROWS; row++) {
      fc.assert(
        fc.property(fc.constant(rowOf(row)), chance, (mix, drawn) => {
          pairs.add(mix, new MixPlay(mix, drawn).run());
        }),
        { numRuns: RUNS },
      );
    }
    expect(pairs.size).toBe(826);
    expect(pairs.below(LEAST)).toEqual([]);
  });
});
