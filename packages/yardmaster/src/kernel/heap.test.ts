import { describe, expect, it } from "vitest";
import fc from "../../test/property.ts";
import { Heap } from "./heap.ts";

interface Item {
  rank: number;
  readonly tie: number;
  slot: number;
}

const before = (a: Item, b: Item): boolean => (a.rank === b.rank ? a.tie < b.tie : a.rank < b.rank);

describe("a heap", () => {
  it("hands out the first of whatever was pushed, moved and not removed", () => {
    const step = fc.record({
      act: fc.constantFrom("push", "pop", "remove", "move"),
      rank: fc.integer({ min: 0, max: 20 }),
      pick: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const heap = new Heap<Item>(before);
        const model: Item[] = [];
        for (const [tie, { act, rank, pick }] of steps.entries()) {
          const chosen = model[pick % Math.max(1, model.length)];
          if (act === "push" || chosen === undefined) {
            const item = { rank, tie, slot: -1 };
            heap.push(item);
            model.push(item);
          } else if (act === "move") {
            chosen.rank = rank;
            heap.moved(chosen);
          } else {
            const gone = act === "pop" ? (heap.peek() ?? chosen) : chosen;
            heap.remove(gone);
            model.splice(model.indexOf(gone), 1);
            expect(gone.slot).toBe(-1);
          }
          expect(heap.size).toBe(model.length);
          expect(heap.peek()).toBe(model.toSorted((a, b) => (before(a, b) ? -1 : 1))[0]);
          for (const item of model) expect(heap.at(item.slot)).toBe(item);
        }
      }),
    );
  });
});
