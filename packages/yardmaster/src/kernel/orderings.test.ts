import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { InLine } from "./ordering.ts";
import { ORDERINGS } from "./orderings.ts";

interface Item extends InLine {
  readonly id: number;
}

const step = fc.record({
  act: fc.constantFrom("push", "push", "push", "pop", "remove", "return"),
  priority: fc.integer({ min: 0, max: 3 }),
  pick: fc.nat(),
});

describe.each(["fifo", "priority"] as const)("the %s order", (name) => {
  const policy = ORDERINGS[name];

  it("hands out what a sorted list would", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const ordering = policy.create<Item>();
        const model: Item[] = [];
        const taken: Item[] = [];
        for (const [order, { act, priority, pick }] of steps.entries()) {
          const chosen = model[pick % Math.max(1, model.length)];
          const back = taken[pick % Math.max(1, taken.length)];
          if (act === "return" && back !== undefined) {
            taken.splice(taken.indexOf(back), 1);
            ordering.push(back);
            model.push(back);
          } else if (act === "remove" && chosen !== undefined) {
            ordering.remove(chosen);
            model.splice(model.indexOf(chosen), 1);
          } else if (act === "pop") {
            const first = ordering.pop();
            expect(first).toBe(model[0]);
            if (first !== undefined) taken.push(...model.splice(0, 1));
          } else {
            const item = { id: order, order, priority, slot: -1 };
            ordering.push(item);
            model.push(item);
          }
          model.sort((a, b) => (policy.before(a, b) ? -1 : 1));
          expect(ordering.size).toBe(model.length);
          expect(ordering.peek()).toBe(model[0]);
          expect(taken.every(({ slot }) => slot === -1)).toBe(true);
        }
      }),
    );
  });

  it("gives back what a long backlog took", () => {
    const ordering = policy.create<Item>();
    for (let order = 0; order < 5_000; order++) ordering.push({ id: order, order, priority: 0, slot: -1 });
    for (let order = 0; order < 5_000; order++) expect(ordering.pop()?.order).toBe(order);
    ordering.push({ id: 1, order: 5_001, priority: 0, slot: -1 });
    expect([ordering.size, ordering.pop()?.id, ordering.pop()]).toEqual([1, 1, undefined]);
  });
});
