import { describe, expect, it } from "vitest";
import fc from "../../test/property.ts";
import { TurnoverMap } from "../protocol/turnover-map.ts";
import { LiveOrder } from "./live-order.ts";

interface Item {
  readonly id: string;
}

const id = fc.nat(999).map((number) => `i${String(number).padStart(3, "0")}`);
const step = fc.oneof(
  fc.record({ come: fc.array(id, { maxLength: 300 }) }),
  fc.record({ end: fc.nat(400) }),
  fc.record({ after: fc.oneof(fc.constant(""), id), limit: fc.integer({ min: 1, max: 400 }) }),
);

function firstOf(order: LiveOrder<Item>, after: string, limit: number): string[] {
  const found: string[] = [];
  for (const item of order.from(after)) {
    if (found.length === limit) break;
    found.push(item.id);
  }
  return found;
}

function filled(count: number): [TurnoverMap<string, Item>, LiveOrder<Item>, (id: string) => void] {
  const items = new TurnoverMap<string, Item>();
  const order = new LiveOrder(items);
  const come = (id: string): void => {
    const item = { id };
    items.set(id, item);
    order.add(item);
  };
  for (let number = 0; number < count; number++) come(`a${String(number).padStart(6, "0")}`);
  return [items, order, come];
}

describe("the order of what is live", () => {
  it("is that of ids, whatever comes, ends and comes again between the looks", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const [items, order, come] = filled(0);
        for (const one of steps) {
          if ("come" in one) for (const id of new Set(one.come)) items.has(id) || come(id);
          else if ("end" in one) for (const id of [...items.keys()].slice(0, one.end)) items.delete(id);
          else {
            const after = [...items.keys()].sort().filter((id) => id > one.after);
            expect(firstOf(order, one.after, one.limit)).toEqual(after.slice(0, one.limit));
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it("holds nothing before somebody looks", () => {
    const [, order] = filled(5_000);
    expect(order.size).toBe(0);
    firstOf(order, "", 1);
    expect(order.size).toBe(5_000);
  });

  it("holds no more than twice what is live, and a little", () => {
    const [items, order, come] = filled(5_000);
    firstOf(order, "", 1);
    for (const id of items.keys()) {
      if (items.size > 100) items.delete(id);
    }
    come("b");
    expect(order.size).toBe(0);
    expect(firstOf(order, "", 500)).toEqual([...items.keys()]);

    const [rest, idle] = filled(5_000);
    firstOf(idle, "", 1);
    for (const key of [...rest.keys()]) rest.delete(key);
    idle.rest();
    expect(idle.size).toBe(0);
  });
});
