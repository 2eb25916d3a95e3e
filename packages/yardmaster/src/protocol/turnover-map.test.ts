import { describe, expect, it } from "vitest";
import fc from "../../test/property.ts";
import { TurnoverMap } from "./turnover-map.ts";

interface Item {
  readonly n: number;
}

const key = fc.nat(9).map(String);
const step = fc.oneof(
  fc.record({ set: key, n: fc.nat(99) }),
  fc.record({ delete: key }),
  fc.constant({ walk: true } as const),
);

describe("a map for what comes and goes", () => {
  it("is a Map, whatever is set, deleted and set again, also while it is walked", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const map = new TurnoverMap<string, Item>();
        const model = new Map<string, Item>();
        let walk = map[Symbol.iterator]();
        let modelWalk = model[Symbol.iterator]();
        for (const one of steps) {
          if ("set" in one) {
            const item = { n: one.n };
            map.set(one.set, item);
            model.set(one.set, item);
          } else if ("delete" in one) expect(map.delete(one.delete)).toBe(model.delete(one.delete));
          else {
            const [next, expected] = [walk.next(), modelWalk.next()];
            expect(next).toEqual(expected);
            if (next.done) [walk, modelWalk] = [map[Symbol.iterator](), model[Symbol.iterator]()];
          }
          expect([...map]).toEqual([...model]);
          expect([...map.values()]).toEqual([...model.values()]);
          expect([...map.keys()]).toEqual([...model.keys()]);
          expect(map.size).toBe(model.size);
          for (let n = 0; n < 10; n++) {
            expect(map.get(String(n))).toBe(model.get(String(n)));
            expect(map.has(String(n))).toBe(model.has(String(n)));
          }
        }
      }),
    );
  });
});
