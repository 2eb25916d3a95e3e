import { describe, expect, expectTypeOf, it } from "vitest";
import { defineTask } from "../definition.ts";
import { defineQueue, type QueueDefinition } from "./queue.ts";
import { checkQueueRouting, checkTaskRouting, routeOf } from "./routing.ts";

const byTenant = ({ tenant }: { tenant: string }): string => tenant;
const mails = defineQueue({ name: "mails", routeBy: byTenant });

function thrownBy(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return null;
}

describe("routeBy", () => {
  it("gives the key of a parsed input, and nothing where a queue has none", () => {
    expect(routeOf(mails as QueueDefinition, { tenant: "acme" })).toBe("acme");
    expect(routeOf(defineQueue({ name: "plain" }), { tenant: "acme" })).toBeNull();
    expect(routeOf(undefined, { tenant: "acme" })).toBeNull();
    expectTypeOf(mails).toEqualTypeOf<QueueDefinition<{ tenant: string }>>();
  });

  it.each<[string, unknown]>([
    ["a number", 5],
    ["nothing", undefined],
    ["empty text", ""],
    ["a line break", "a\nb"],
    ["too much", "x".repeat(257)],
  ])("refuses %s as a key, naming the field", (_, key) => {
    // What JavaScript callers may do.
    const queue = defineQueue({ name: "q", routeBy: () => key as string });
    const error = thrownBy(() => routeOf(queue, {}));
    expect(error).toMatchObject({ code: "INVALID_ROUTING", details: { field: "routeBy" } });
  });

  it("says what a key function threw", () => {
    const error = thrownBy(() => routeOf(mails as QueueDefinition, null));
    expect(error).toMatchObject({ code: "INVALID_ROUTING", details: { field: "routeBy" } });
    expect(error).toHaveProperty("cause", expect.any(TypeError));
  });

  it("is a function", () => {
    // What JavaScript callers may do.
    const routeBy = "tenant" as unknown as () => string;
    expect(() => defineQueue({ name: "q", routeBy })).toThrow(/no function/);
  });

  it.each(["concurrency", "rate"])("excludes a queue's own %s", (field) => {
    const error = thrownBy(() => checkQueueRouting("q", { routeBy: byTenant, [field]: 5 }));
    expect(error).toMatchObject({ code: "INVALID_ROUTING", details: { field } });
    expect(() => checkQueueRouting("q", { [field]: 5 })).not.toThrow();
  });

  it.each(["concurrency", "rate"])("excludes a definition's %s, but by the same key", (field) => {
    const other = (): string => "x";
    for (const limit of [5, { limit: 5 }, { limit: 5, key: other }]) {
      const error = thrownBy(() => checkTaskRouting("t", mails, { [field]: limit }));
      expect(error).toMatchObject({ code: "INVALID_ROUTING", details: { field } });
    }
    expect(() => checkTaskRouting("t", mails, { [field]: { limit: 5, key: byTenant } })).not.toThrow();
    expect(() => checkTaskRouting("t", "mails", { [field]: 5 })).not.toThrow();
  });

  it("fits the inputs of the definitions that use the queue", () => {
    defineTask<{ tenant: string; to: string }, void>({ name: "mail", queue: mails });
    // @ts-expect-error: its input has no tenant.
    defineTask<{ to: string }, void>({ name: "mail", queue: mails });
  });
});
