import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { defineTask } from "../definition.ts";
import { createHandlers } from "../worker/handlers.ts";
import { connect, startDispatcher, startYard, type Yard } from "../yard.ts";
import type { GraphHandle } from "./graph-handle.ts";
import { call, chain, chord, map } from "./plan.ts";

const echo = defineTask<number, number>({ name: "echo" });
const broken = defineTask<number, number>({ name: "broken", attempts: 1 });
const gated = defineTask<number, number>({ name: "gated" });
const sum = defineTask<readonly number[], number>({ name: "sum" });

let gate = Promise.withResolvers<void>();
const { on } = createHandlers();
const handlers = [
  on(echo, ({ input }) => input),
  on(sum, ({ input }) => input.reduce((total, one) => total + one, 0)),
  on(broken, () => {
    throw new Error("broke");
  }),
  on(gated, async ({ input }) => {
    await gate.promise;
    return input;
  }),
];

const folder = mkdtempSync(join(tmpdir(), "yard-graph-views-"));
let yard: Yard;
let url = "";
let yards = 0;

beforeEach(async () => {
  gate = Promise.withResolvers();
  yards += 1;
  url = `sqlite:${join(folder, `${yards}.db`)}?durability=os`;
  yard = await startYard({ url, handlers, slots: 50 });
});

afterEach(async () => {
  gate.resolve();
  await yard.close({ timeoutMs: 5_000 });
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a graph", () => {
  it("shows its tasks and what they wait for, by its own id and by theirs, while it runs and when it has ended", async () => {
    const graph = await yard.submitGraph(chord([call(echo, 1), call(gated, 2)], sum));
    const [first, second, last] = graph.tasks;
    await first?.result({ timeoutMs: 20_000 });
    const open = await yard.graphs.get(graph.id);
    expect(open).toMatchObject({
      id: graph.id,
      state: "open",
      cancelled: false,
      members: 3,
      arrived: 3,
      ended: 1,
      failed: 0,
      next: null,
    });
    expect(open?.tasks).toMatchObject([
      { id: first?.id, place: 0, after: [], waitsFor: 0, name: "echo", state: "succeeded" },
      {
        id: second?.id,
        place: 1,
        after: [],
        waitsFor: 0,
        name: "gated",
        state: expect.stringMatching(/assigned|running/),
      },
      { id: last?.id, place: 2, after: [0, 1], waitsFor: 2, name: "sum", state: "blocked" },
    ]);
    expect(await yard.graphs.get(last?.id ?? "")).toMatchObject({ id: graph.id, members: 3 });
    gate.resolve();
    await graph.result({ timeoutMs: 20_000 });
    expect(await yard.graphs.get(graph.id)).toMatchObject({ state: "ended", ended: 3, failed: 0 });
    expect(await yard.graphs.list()).toMatchObject([{ id: graph.id, state: "ended", members: 3 }]);
  });

  it("is known from its records to a dispatcher that never saw it", async () => {
    const graph = await yard.submitGraph(chain(call(broken, 1), echo, echo));
    await graph.settled({ timeoutMs: 20_000 });
    await yard.close({ timeoutMs: 5_000 });
    yard = await startYard({ url, handlers });
    expect(await yard.graphs.list()).toEqual([]);
    expect(await yard.graphs.get(graph.id)).toMatchObject({
      state: "ended",
      members: 3,
      ended: 3,
      failed: 3,
      openedAt: null,
      tasks: [
        { state: "failed", code: "HANDLER_FAILED" },
        { state: "failed", code: "DEPENDENCY_FAILED", after: [0] },
        { state: "failed", code: "DEPENDENCY_FAILED", after: [1] },
      ],
    });
    const page = await yard.graphs.get(graph.id, { from: 1, limit: 1 });
    expect(page).toMatchObject({ state: "ended", failed: null, tasks: [{ place: 1 }], next: 2 });
  });

  it("comes page by page, and its arrows are cut where there are very many", async () => {
    const inputs = Array.from({ length: 350 }, (_, index) => index);
    const graph = await yard.submitGraph(chain(map(echo, inputs), sum));
    expect(await graph.result({ timeoutMs: 20_000 })).toBe(61_075);
    const ids: string[] = [];
    for (let from: number | null = 0; from !== null; ) {
      const page: Awaited<ReturnType<typeof yard.graphs.get>> = await yard.graphs.get(graph.id, {
        from,
        limit: 150,
      });
      ids.push(...(page?.tasks ?? []).map(({ id }) => id));
      from = page?.next ?? null;
    }
    expect(ids).toEqual(graph.tasks.map(({ id }) => id));
    const joined = await yard.graphs.get(graph.id, { from: 350 });
    expect(joined?.tasks).toMatchObject([{ place: 350, waitsFor: 350, after: inputs }]);
    expect(await yard.graphs.get(graph.id, { from: 400 })).toMatchObject({ tasks: [], next: null });
  });

  it("is cancelled as a whole, from anywhere", async () => {
    const graph = await yard.submitGraph(chain(call(gated, 1), echo));
    await graph.tasks[1]?.accepted();
    await yard.graphs.cancel(graph.tasks[1]?.id ?? "", "not needed");
    gate.resolve();
    const ends = await Promise.all(graph.tasks.map((task) => task.settled({ timeoutMs: 20_000 })));
    expect(ends.map(({ ok }) => ok)).toEqual([false, false]);
    const shown = await yard.graphs.get(graph.id);
    expect(shown).toMatchObject({ state: "ended", cancelled: true, failed: 2 });
    expect(shown?.tasks[1]?.error?.message).toBe("not needed");
    // What has ended stays so.
    await yard.graphs.cancel(graph.id);
  });

  it("is null for what nobody knows and for a task outside graphs, and refuses wrong pages", async () => {
    const task = await yard.submit(echo, 1);
    await task.result({ timeoutMs: 20_000 });
    const unknown = task.id.replace(/^.{8}/, "00000000");
    for (const id of [task.id, unknown, "x"]) expect(await yard.graphs.get(id)).toBe(null);
    await expect(yard.graphs.cancel(unknown)).rejects.toMatchObject({ code: "TASK_NOT_FOUND" });
    for (const [field, page] of [
      ["limit", { limit: 0 }],
      ["limit", { limit: 1_001 }],
      ["from", { from: -1 }],
      ["from", { from: 0.5 }],
    ] as const)
      await expect(yard.graphs.get(task.id, page)).rejects.toMatchObject({
        code: "INVALID_OPTIONS",
        details: { field },
      });
  });
});

describe("graphs", () => {
  it("are listed newest first, at most so many, of all shards", async () => {
    await yard.close({ timeoutMs: 5_000 });
    yard = await startYard({ url: `${url.replace(".db", "-two.db")}`, handlers, shards: 2 });
    const queues = ["a", "b", "c", "d"];
    const graphs: GraphHandle<number>[] = [];
    for (const queue of queues)
      graphs.push(await yard.submitGraph(call(defineTask<number, number>({ name: "gated", queue }), 1)));
    await Promise.all(graphs.flatMap(({ tasks }) => tasks).map((task) => task.accepted()));
    const newest = graphs.map(({ id }) => id).reverse();
    expect((await yard.graphs.list()).map(({ id }) => id)).toEqual(newest);
    expect((await yard.graphs.list({ limit: 2 })).map(({ id }) => id)).toEqual(newest.slice(0, 2));
  });

  it("survive in view while no dispatcher answers", async () => {
    const graph = await yard.submitGraph(chain(call(echo, 1), echo));
    await graph.result({ timeoutMs: 20_000 });
    await yard.close({ timeoutMs: 5_000 });
    yard = await connect(url);
    expect(await yard.graphs.get(graph.id)).toMatchObject({ state: "ended", members: 2, failed: 0 });
    const dispatcher = await startDispatcher({ url });
    expect(await yard.graphs.list()).toEqual([]);
    await dispatcher.close();
  });
});
