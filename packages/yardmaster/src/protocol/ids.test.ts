import { describe, expect, it } from "vitest";
import fc from "../../test/property.ts";
import { YardmasterError } from "./errors.ts";
import {
  createTaskIds,
  type IdSource,
  idAfter,
  isTaskId,
  MAX_SHARD,
  placeAfter,
  randomId,
  shardOf,
  submittedAtOf,
} from "./ids.ts";

const NOW = 1_795_468_800_123;

/** The middle of a linear congruential generator: even enough, and the same in each run. */
function sourceAt(clock: { now: number }): IdSource {
  let seed = 1;
  return {
    now: () => clock.now,
    random: () => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
      return seed;
    },
  };
}

describe("task ids", () => {
  it("carry their shard and their time", () => {
    fc.assert(
      fc.property(fc.nat(MAX_SHARD), fc.integer({ min: 0, max: 2 ** 48 - 1 }), (shard, now) => {
        const id = createTaskIds(sourceAt({ now })).next(shard);
        expect(isTaskId(id)).toBe(true);
        expect(shardOf(id)).toBe(shard);
        expect(submittedAtOf(id)).toBe(now);
      }),
    );
  });

  it("rise within a millisecond, whatever their shards, and while the clock is set back a little", () => {
    const clock = { now: NOW };
    const ids = createTaskIds(sourceAt(clock));
    const made = Array.from({ length: 5000 }, (_, index) => {
      clock.now = NOW - (index % 3) * 1000;
      return ids.next((index * 7) % 4096);
    });
    expect(made.toSorted()).toEqual(made);
    expect(new Set(made).size).toBe(made.length);
  });

  it("are made in rows, which no later id is part of", () => {
    const counts = fc.integer({ min: 1, max: 300 });
    const draws = fc.array(fc.nat(2 ** 32 - 1), { maxLength: 4 });
    fc.assert(
      fc.property(fc.nat(MAX_SHARD), counts, draws, (shard, count, drawn) => {
        // Chance that has all bits set for ever would leave no counter with room for a row.
        const left = [...drawn];
        const random = (): number => left.shift() ?? 7;
        const ids = createTaskIds({ now: () => NOW, random });
        const row = ids.series(shard, count);
        const later = ids.next(shard);
        expect(row).toEqual(row.map((_, place) => idAfter(row[0] ?? "", place)));
        expect(row.every((id) => isTaskId(id) && shardOf(id) === shard)).toBe(true);
        expect(row.map((id) => placeAfter(row[0] ?? "", id))).toEqual(row.map((_, place) => place));
        expect([...row, later].toSorted()).toEqual([...row, later]);
        expect(row).toHaveLength(count);
      }),
    );
  });

  it("are made in rows that do not cross the counter's end", () => {
    // All bits set: the counter of a millisecond starts at its last value.
    const draws = [2 ** 32 - 1, 2 ** 32 - 1];
    const ids = createTaskIds({ now: () => NOW, random: () => draws.shift() ?? 7 });
    const row = ids.series(3, 5);
    expect(row.map((id) => placeAfter(row[0] ?? "", id))).toEqual([0, 1, 2, 3, 4]);
    expect(new Set(row).size).toBe(5);
    expect(placeAfter(row[0] ?? "", createTaskIds(sourceAt({ now: NOW - 9 })).next(3))).toBe(null);
  });

  it("take a clock with fractions", () => {
    expect(submittedAtOf(createTaskIds(sourceAt({ now: NOW + 0.7 })).next(0))).toBe(NOW);
  });

  it("refuse a shard that does not fit", () => {
    const ids = createTaskIds(sourceAt({ now: NOW }));
    for (const shard of [-1, 4096, 1.5, Number.NaN]) expect(() => ids.next(shard)).toThrow(YardmasterError);
  });

  it("are told from other texts", () => {
    const id = createTaskIds(sourceAt({ now: NOW })).next(0);
    for (const text of ["", "x", id.toUpperCase(), `${id} `, id.slice(1), id.replace("-7", "-4")]) {
      expect(isTaskId(text)).toBe(false);
    }
  });
});

describe("random ids", () => {
  it("have 26 characters of base 32 and differ", () => {
    const source = sourceAt({ now: NOW });
    const made = Array.from({ length: 1000 }, () => randomId(source));
    expect(made.every((id) => /^[0-9a-hjkmnp-z]{26}$/.test(id))).toBe(true);
    expect(new Set(made).size).toBe(made.length);
  });
});
