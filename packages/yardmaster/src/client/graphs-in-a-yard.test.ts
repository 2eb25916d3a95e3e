import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, expectTypeOf, it } from "vitest";
import { defineQueue } from "../definition/queue.ts";
import { defineTask } from "../definition.ts";
import { isCode } from "../protocol/errors.ts";
import { createHandlers } from "../worker/handlers.ts";
import { startYard, type Yard } from "../yard.ts";
import type { GraphHandle } from "./graph-handle.ts";
import { call, chain, chord, fanOut, group, map, type Plan, step } from "./plan.ts";

const double = defineTask<number, number>({ name: "double" });
const text = defineTask<number, string>({ name: "text" });
const sum = defineTask<readonly (number | null)[], number>({ name: "sum" });
const nested = defineTask<unknown, unknown>({ name: "nested" });
const broken = defineTask<number, number>({ name: "broken", attempts: 1 });
const nothing = defineTask<number, undefined>({ name: "nothing" });
const keyed = defineTask<number, number>({ name: "keyed", concurrency: { key: String, limit: 1 } });
const coded = defineTask<number, number>({
  name: "coded",
  codec: { encode: String, decode: (bytes) => Number(bytes.toString()) },
});

const { on } = createHandlers();
const ran: string[] = [];
/** What `double` of a negative number waits for. */
let gate = Promise.withResolvers<void>();
const handlers = [
  on(double, async ({ input }) => {
    if (input < 0) await gate.promise;
    ran.push(`double ${input}`);
    return 2 * input;
  }),
  on(text, ({ input }) => `<${input}>`),
  on(sum, ({ input }) => input.reduce<number>((total, one) => total + (one ?? 1_000), 0)),
  on(nested, ({ input }) => input),
  on(broken, () => {
    throw new Error("broke");
  }),
  on(nothing, () => undefined),
  on(keyed, ({ input }) => input),
  on(coded, ({ input }) => input),
];

const folder = mkdtempSync(join(tmpdir(), "yard-graphs-"));
let yard: Yard;
let yards = 0;

beforeEach(async () => {
  ran.length = 0;
  gate = Promise.withResolvers();
  yards += 1;
  yard = await startYard({
    url: `sqlite:${join(folder, `${yards}.db`)}?durability=os`,
    handlers,
    slots: 200,
  });
});

afterEach(async () => {
  gate.resolve();
  await yard.close({ timeoutMs: 5_000 });
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function resultOf<Output>(plan: Plan<Output>): Promise<Output> {
  const graph = await yard.submitGraph(plan);
  return graph.result({ timeoutMs: 20_000 });
}

describe("a plan", () => {
  it("is a chain, in which results flow from task to task", async () => {
    const graph = await yard.submitGraph(chain(call(double, 3), double, text));
    expectTypeOf(graph).toEqualTypeOf<GraphHandle<string>>();
    expect(await graph.result()).toBe("<12>");
    expect(graph.tasks).toHaveLength(3);
  });

  it("is a group, whose results are in its order", async () => {
    const plan = group([call(double, 1), chain(call(double, 2), text), call(nothing, 1)]);
    expectTypeOf(plan).toEqualTypeOf<Plan<[number, string, undefined]>>();
    expect(await resultOf(plan)).toEqual([2, "<4>", undefined]);
  });

  it("is a chord, whose body gets all results", async () => {
    expect(await resultOf(chord([call(double, 1), call(double, 2)], sum))).toBe(6);
    expect(await resultOf(chain(map(double, [1, 2, 3]), sum, text))).toBe("<12>");
  });

  it("is a diamond", async () => {
    const plan = chain(call(double, 1), fanOut(double, double), sum);
    expectTypeOf(plan).toEqualTypeOf<Plan<number>>();
    expect(await resultOf(plan)).toBe(8);
  });

  it("may be nested and empty", async () => {
    expect(await resultOf(group([]))).toEqual([]);
    expect(await resultOf(map(double, []))).toEqual([]);
    expect(await resultOf(chain(map(double, []), sum))).toBe(0);
    const deep = group([
      group([call(double, 1), call(text, 2)]),
      map(double, [5]),
      group([]),
      call(nothing, 1),
    ]);
    expect(await resultOf(deep)).toEqual([[2, "<2>"], [10], [], undefined]);
    expect(await resultOf(chain(deep, nested))).toEqual([[2, "<2>"], [10], [], null]);
    const own = await yard.submitGraph(chain(call(double, 1), group([]), call(double, 21)));
    expect(await own.result()).toBe(42);
    expect(ran.slice(-2)).toEqual(["double 1", "double 21"]);
  });

  it("keeps order where each has its own input", async () => {
    const graph = await yard.submitGraph(chain(call(double, 7), call(double, 8), call(double, 9)));
    expect(await graph.result()).toBe(18);
    expect(ran).toEqual(["double 7", "double 8", "double 9"]);
  });

  it("ends as its rules say", async () => {
    const failing = group([call(double, 1), call(broken, 1)]);
    const graph = await yard.submitGraph(chain(failing, sum, text));
    const end = await graph.settled();
    expect(end).toMatchObject({ ok: false, error: { code: "TASK_FAILED" } });
    expect((await yard.status(graph.tasks[2]?.id ?? ""))?.code).toBe("DEPENDENCY_FAILED");
    expect(await resultOf(chain(failing, step(sum, { ifDependencyFails: "run-anyway" })))).toBe(1_002);
    const skipped = await yard.submitGraph(chain(failing, step(sum, { ifDependencyFails: "skip" }), text));
    expect(await skipped.settled()).toMatchObject({ ok: false, error: { code: "TASK_FAILED" } });
    expect(await yard.status(skipped.tasks[2]?.id ?? "")).toMatchObject({
      state: "cancelled",
      code: "SKIPPED",
    });
  });

  it("is cancelled as a whole", async () => {
    const graph = await yard.submitGraph(chain(call(double, -1), double, double));
    const why = await yard.explain(graph.tasks[2]?.id ?? "");
    expect(why).toMatchObject({ reason: "dependencies", data: { left: 1, of: 1 } });
    const cancelled = graph.cancel("enough");
    gate.resolve();
    await cancelled;
    const states = await Promise.all(graph.tasks.map(async ({ id }) => (await yard.status(id))?.state));
    expect(states).toEqual(["cancelled", "cancelled", "cancelled"]);
  });

  it("of 100,000 tasks runs", async () => {
    const inputs = Array.from({ length: 99_999 }, (_, index) => index);
    const graph = await yard.submitGraph(chain(map(double, inputs), sum));
    expect(await graph.result()).toBe(99_999 * 99_998);
  }, 120_000);

  it("is refused where a deadline of it is over, first or fed, before anything is sent", async () => {
    const late = { deadline: 1_000 };
    for (const plan of [call(double, 1, late), chain(call(double, 1), step(double, late))])
      await expect(yard.submitGraph(plan)).rejects.toMatchObject({
        code: "INVALID_OPTIONS",
        details: { field: "deadline" },
      });
    expect(await yard.list()).toEqual([]);
  });

  it("is refused for what cannot be", async () => {
    const circle: Plan[] = [];
    const plan = group(circle);
    circle.push(plan);
    const cases: [Plan, string][] = [
      [plan, "contains itself"],
      [group([double as never]), "comes first and has no input"],
      [chain(call(double, 1), keyed), "has keys that come of its input"],
      [chain(call(coded, 1), double), "has a codec of its own"],
      [chain(map(double, Array(2_000).fill(1)), map(double, Array(2_000).fill(1))), "put a task between"],
    ];
    for (const [wrong, why] of cases) {
      const refusal = await yard.submitGraph(wrong).catch((error: unknown) => error);
      expect(isCode(refusal, "INVALID_GRAPH"), why).toBe(true);
      expect(String(refusal)).toContain(why);
    }
    await expect(yard.submitGraph(call(double, Number.NaN))).rejects.toMatchObject({ code: "INVALID_INPUT" });
    expect(await yard.list()).toEqual([]);
  });

  it("does not take what does not fit, by its types", () => {
    // @ts-expect-error A text is no number.
    chain(call(text, 1), double);
    // @ts-expect-error An array is no number.
    chord([call(double, 1)], double);
    // @ts-expect-error Not every result is a number.
    chain(group([call(double, 1), call(text, 1)]), sum);
    expect(chain(call(double, 1), text).shape.type).toBe("chain");
  });
});

describe("a submitted task", () => {
  it("waits for others, and may be run again after them", async () => {
    const first = await yard.submit(double, -4);
    const second = await yard.submit(double, 5, { after: [first, first.id] });
    expect((await yard.status(second.id))?.state).toBe("blocked");
    expect(await yard.explain(second.id)).toMatchObject({
      reason: "dependencies",
      sentence: expect.stringMatching(/^Waiting for 1 of 1 tasks to end: .* \((running|assigned)\)\.$/),
    });
    gate.resolve();
    expect(await second.result()).toBe(10);
    expect(ran).toEqual(["double -4", "double 5"]);
    expect(await (await yard.retry(second.id)).result()).toBe(10);
  });

  it("is refused where nobody knows what it waits for", async () => {
    const known = await yard.submit(double, 1);
    const unknown = known.id.replace(/^.{8}/, "00000000");
    for (const after of [[unknown], [known, yard.get(unknown)]])
      await expect(yard.submit(double, 1, { after })).rejects.toMatchObject({
        code: "TASK_NOT_FOUND",
        details: { field: "after", id: unknown },
      });
    for (const after of [["x"], [3], "y", [null]])
      await expect(yard.submit(double, 1, { after: after as never })).rejects.toMatchObject({
        code: "INVALID_OPTIONS",
        details: { field: "after" },
      });
    await expect(
      yard.submit(double, 1, { after: [known], ifDependencyFails: "perhaps" as never }),
    ).rejects.toMatchObject({ details: { field: "ifDependencyFails" } });
  });
});

describe("two shards", () => {
  it("keep a graph in one, and refuse what is limited in the other", async () => {
    const many = await startYard({
      url: `sqlite:${join(folder, "shards.db")}?durability=os`,
      handlers,
      shards: 2,
      slots: 4,
    });
    try {
      const queues = Array.from({ length: 8 }, (_, index) =>
        defineQueue({ name: `q${index}`, concurrency: 2 }),
      );
      const limited = queues.map((queue) => defineTask<number, number>({ name: "double", queue }));
      const shards = new Set<string>();
      for (const task of limited) {
        const refusal = await many.submitGraph(chain(call(double, 1), task)).then(
          () => "taken",
          (error: unknown) => String(error).replace(/.* are counted.*/, "elsewhere"),
        );
        shards.add(refusal.replace(/.*(elsewhere)/, "$1"));
      }
      expect([...shards].sort()).toEqual(["elsewhere", "taken"]);
      const spread = queues.map(({ name }) => defineTask<number, number>({ name: "double", queue: name }));
      const graph = await many.submitGraph(group(spread.map((task) => call(task, 1))));
      expect(await graph.result({ timeoutMs: 20_000 })).toEqual(spread.map(() => 2));
    } finally {
      await many.close({ timeoutMs: 5_000 });
    }
  });
});
