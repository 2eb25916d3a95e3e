import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { defineTask } from "../definition.ts";
import { createHandlers } from "../worker/handlers.ts";
import { startYard, type Yard } from "../yard.ts";

const double = defineTask<number, number>({ name: "double" });
let ran: number[] = [];
const { on } = createHandlers();
const handlers = [
  on(double, ({ input }) => {
    ran.push(input);
    return 2 * input;
  }),
];
let yard: Yard;
let yards = 0;

beforeEach(async () => {
  ran = [];
  yard = await startYard({ url: `memory:collapsing-${++yards}`, handlers });
});

afterEach(() => yard.close({ timeoutMs: 5_000 }));

describe("tasks that stand for each other", () => {
  it("are debounced: the last wins", async () => {
    const debounce = { key: "k", waitMs: 50, maxWaitMs: 10_000 };
    const tasks = await Promise.all([1, 2, 3].map((input) => yard.submit(double, input, { debounce })));
    expect(await tasks[2]?.result()).toBe(6);
    expect(await tasks[0]?.settled()).toMatchObject({ ok: false, error: { code: "TASK_CANCELLED" } });
    expect(ran).toEqual([3]);
  });

  it("are throttled: the first wins, for all", async () => {
    const throttle = { key: "k", perMs: 60_000 };
    const tasks = await Promise.all([1, 2, 3].map((input) => yard.submit(double, input, { throttle })));
    expect(await Promise.all(tasks.map((task) => task.result()))).toEqual([2, 2, 2]);
    expect((await tasks[1]?.accepted())?.outcome).toBe("duplicate");
    expect(ran).toEqual([1]);
  });

  it("are replaced while their queue is paused", async () => {
    await yard.pause("default");
    const tasks = await Promise.all(
      [1, 2].map((input) => yard.submit(double, input, { replace: { key: "k" } })),
    );
    await yard.resume("default");
    expect(await tasks[1]?.result()).toBe(4);
    expect(ran).toEqual([2]);
  });

  it.each([
    ["debounce.waitMs", { debounce: { key: "k" } }],
    ["debounce.waitMs", { debounce: { key: "k", waitMs: -1 } }],
    ["delayMs", { debounce: { key: "k", waitMs: 1 }, delayMs: 1 }],
    ["replace", { debounce: { key: "k", waitMs: 1 }, replace: { key: "k" } }],
    ["throttle.perMs", { throttle: { key: "k" } }],
    ["throttle", { throttle: { key: "k", perMs: 1 }, idempotencyKey: "k" }],
    ["until", { replace: { key: "k", until: 3 } }],
  ])("are refused for a wrong %s", async (field, options) => {
    await expect(yard.submit(double, 1, options as never)).rejects.toMatchObject({
      code: "INVALID_OPTIONS",
      details: { field },
    });
  });

  it("have keys that are keys", async () => {
    for (const options of [{ replace: { key: "" } }, { throttle: { key: "\n", perMs: 1 } }])
      await expect(yard.submit(double, 1, options)).rejects.toMatchObject({ code: "INVALID_NAME" });
  });
});
