import { describe, expect, it } from "vitest";
import fc from "../../test/property.ts";
import { Flows } from "./flows.ts";
import type { InLine, OrderContext } from "./ordering.ts";
import { ORDERINGS } from "./orderings.ts";

interface Item extends InLine {
  readonly id: number;
}

function itemOf(order: number, wish: Partial<Item> = {}): Item {
  const none = { deadline: Number.POSITIVE_INFINITY, fairnessKey: "", weight: 1 };
  return {
    id: order,
    slot: -1,
    order,
    priority: 0,
    since: order,
    expectedMs: 100,
    pathMs: 0,
    ...none,
    ...wish,
  };
}

const context = (agingMs = 10): OrderContext => ({ agingMs, flows: new Flows() });

const step = fc.record({
  act: fc.constantFrom("push", "push", "push", "pop", "remove", "return"),
  priority: fc.integer({ min: 0, max: 3 }),
  deadline: fc.constantFrom(Number.POSITIVE_INFINITY, 3, 50, 500),
  pathMs: fc.constantFrom(0, 0, 1, 10),
  pick: fc.nat(),
});

describe.each(["fifo", "lifo", "priority", "deadline", "shortest", "critical-path"] as const)(
  "the %s order",
  (name) => {
    const policy = ORDERINGS[name];

    it("hands out what a sorted list would", () => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
          const shared = context();
          const ordering = policy.create<Item>(shared);
          const model: Item[] = [];
          const taken: Item[] = [];
          for (const [order, { act, priority, deadline, pathMs, pick }] of steps.entries()) {
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
              const item = itemOf(order, { priority, deadline, pathMs });
              ordering.push(item);
              model.push(item);
            }
            model.sort((a, b) => (policy.before(a, b, shared) ? -1 : 1));
            expect(ordering.size).toBe(model.length);
            expect(ordering.peek()).toBe(model[0]);
            expect(taken.every(({ slot }) => slot === -1)).toBe(true);
          }
        }),
      );
    });

    it("gives back what a long backlog took", () => {
      const ordering = policy.create<Item>(context());
      for (let order = 0; order < 5_000; order++) ordering.push(itemOf(order));
      const orders = Array.from({ length: 5_000 }, () => ordering.pop()?.order);
      expect(orders.sort((a = 0, b = 0) => a - b)).toEqual(
        Array.from({ length: 5_000 }, (_, order) => order),
      );
      ordering.push(itemOf(5_001, { id: 1 }));
      expect([ordering.size, ordering.pop()?.id, ordering.pop()]).toEqual([1, 1, undefined]);
    });
  },
);

describe("the priority order", () => {
  it("lets nobody be overtaken by those who came later than its priority's lag times the aging", () => {
    const task = fc.record({ priority: fc.integer({ min: 0, max: 255 }), gapMs: fc.nat(5_000) });
    fc.assert(
      fc.property(fc.array(task, { maxLength: 100 }), fc.integer({ min: 1, max: 100 }), (tasks, agingMs) => {
        const ordering = ORDERINGS.priority.create<Item>(context(agingMs));
        let since = 0;
        for (const [order, { priority, gapMs }] of tasks.entries()) {
          since += gapMs;
          ordering.push(itemOf(order, { priority, since }));
        }
        const served: Item[] = [];
        for (let item = ordering.pop(); item !== undefined; item = ordering.pop()) {
          const passed = item;
          for (const earlier of served)
            expect(earlier.since - passed.since).toBeLessThanOrEqual((255 - passed.priority) * agingMs);
          served.push(passed);
        }
      }),
    );
  });
});

describe("the shortest order", () => {
  const shared = context();
  const before = (a: Item, b: Item): boolean => ORDERINGS.shortest.before(a, b, shared);

  it("prefers what is expected to take less, but not for ever", () => {
    const long = itemOf(0, { since: 0, expectedMs: 1_000 });
    expect(before(itemOf(1, { since: 5_000, expectedMs: 10 }), long)).toBe(true);
    expect(before(itemOf(2, { since: 10_000, expectedMs: 10 }), long)).toBe(false);
  });
});
