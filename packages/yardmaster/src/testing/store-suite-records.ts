import { keyOf } from "../protocol/change.ts";
import type { State } from "../protocol/task.ts";
import type { FindFilter, Store } from "../stores/store.ts";
import { type EngineUnderTest, type TestApi, withYards } from "./conformance.ts";
import { finished, inserted, loaded, owner, SPEC, sampleTask, taskId } from "./sample-tasks.ts";

/** The part of the suite for stores about records that are looked up, looked for and swept. */
export function readTests(under: EngineUnderTest, api: TestApi): void {
  const test = withYards(api, under);
  const { expect } = api;

  test("reads what is known and leaves out what is not", async (yard) => {
    const { store } = await yard.engine();
    const commit = await owner(store);
    await commit(inserted(sampleTask(1), { payload: "1" }), inserted(sampleTask(2), { parked: true }));
    const { tasks, keys } = await store.read({ ids: [taskId(2), taskId(1), taskId(3), taskId(1)] });
    expect([[...tasks.keys()].sort(), keys.size]).toEqual([[taskId(1), taskId(2)], 0]);
    expect(tasks.get(taskId(1))).toEqual({ task: sampleTask(1), payload: null, result: null });
    const nothing = await store.read({});
    expect([nothing.tasks.size, nothing.keys.size]).toEqual([0, 0]);
  });

  test("reads idempotency keys by definition and key, the last of each", async (yard) => {
    const { store } = await yard.engine();
    const commit = await owner(store);
    const key = { name: "a", key: "k", id: taskId(1), inputHash: "\u0000\u00ff", expiresAt: 50 };
    const other = { ...key, name: "b", id: taskId(2) };
    await commit({ type: "key", key: { ...key, id: taskId(9) } }, { type: "key", key: other });
    await commit({ type: "key", key });
    const { keys } = await store.read({
      keys: [key, other, { name: "a", key: "l" }, { name: "c", key: "k" }],
    });
    expect(keys.size).toEqual(2);
    expect([keys.get(keyOf("a", "k")), keys.get(keyOf("b", "k"))]).toEqual([key, other]);
  });
}

export function sweepTests(under: EngineUnderTest, api: TestApi): void {
  const test = withYards(api, under);
  const { expect } = api;

  test("sweeps what is over, and nothing that is unfinished or still kept", async (yard) => {
    const { store } = await yard.engine();
    const commit = await owner(store);
    await commit(...[1, 2, 3, 4].map((number) => inserted(sampleTask(number))));
    await commit(
      finished(sampleTask(1), "1", 99),
      finished(sampleTask(2), "2", 100),
      finished(sampleTask(3), "3", 101),
    );
    await commit(
      { type: "tombstone", id: taskId(8), keepUntil: 99 },
      { type: "tombstone", id: taskId(9), keepUntil: 100 },
      { type: "key", key: { name: "a", key: "k", id: taskId(1), inputHash: "h", expiresAt: 99 } },
      { type: "key", key: { name: "a", key: "l", id: taskId(2), inputHash: "h", expiresAt: 100 } },
    );
    await commit({ type: "sweep", before: 100, limit: 10 });
    const { tasks, keys } = await store.read({
      ids: [1, 2, 3, 4].map(taskId),
      keys: [
        { name: "a", key: "k" },
        { name: "a", key: "l" },
      ],
    });
    expect([...tasks.keys()].sort()).toEqual([2, 3, 4].map(taskId));
    expect([...keys.keys()]).toEqual([keyOf("a", "l")]);
    const tombstones = (await loaded(store)).filter((item) => item.type === "tombstone");
    expect(tombstones).toEqual([{ type: "tombstone", id: taskId(9), keepUntil: 100 }]);
  });

  test("sweeps no more than it is told at a time", async (yard) => {
    const { store } = await yard.engine();
    const commit = await owner(store);
    const tasks = Array.from({ length: 50 }, (_, number) => sampleTask(number));
    await commit(...tasks.map((task) => inserted(task, { keepUntil: 5, result: "1" })));
    await commit({ type: "tombstone", id: taskId(90), keepUntil: 5 });
    const left = async (): Promise<number> => {
      const { tasks: found } = await store.read({ ids: tasks.map(({ id }) => id) });
      return found.size + (await loaded(store)).length;
    };
    const counts: number[] = [];
    for (let round = 0; round < 4; round += 1) {
      await commit({ type: "sweep", before: 10, limit: 20 });
      counts.push(await left());
    }
    expect(counts).toEqual([31, 11, 0, 0]);
  });

  test("sweeps large payloads and results with their records", async (yard) => {
    const { store } = await yard.engine();
    const commit = await owner(store);
    const large = sampleTask(1, { payloadBytes: 10_000 });
    await commit(inserted(large, { payload: "p".repeat(10_000), result: "r".repeat(10_000), keepUntil: 5 }));
    await commit({ type: "sweep", before: 10, limit: 20 });
    await commit(inserted(sampleTask(1), { payload: "new" }));
    const { tasks } = await store.read({ ids: [taskId(1)], bytes: true });
    expect(tasks.get(taskId(1))).toEqual({ task: sampleTask(1), payload: "new", result: null });
  });
}

export function findTests(under: EngineUnderTest, api: TestApi): void {
  const test = withYards(api, under);
  const { expect } = api;

  test("finds finished and parked tasks, newest first, and nothing that the owner has in memory", async (yard) => {
    const { store } = await yard.engine();
    const commit = await owner(store);
    await commit(...[3, 1, 4, 2].map((number) => inserted(sampleTask(number), { parked: number === 2 })));
    await commit(finished(sampleTask(1), "1", 9), finished(sampleTask(4), "1", 9));
    expect(await found(store, { limit: 10 })).toEqual([4, 2, 1].map(taskId));
    expect((await store.find({ limit: 10 })).tasks[1]).toEqual(sampleTask(2));
  });

  test("finds by state, name, queue and time of submission", async (yard) => {
    const { store } = await yard.engine();
    const commit = await owner(store);
    await commit(
      inserted(sampleTask(1, { state: "failed", submittedAt: 10 }), { keepUntil: 9 }),
      inserted(sampleTask(2, { state: "succeeded", submittedAt: 20 }), { keepUntil: 9 }),
      inserted(sampleTask(3, { state: "failed", submittedAt: 30, spec: { ...SPEC, name: "b" } }), {
        keepUntil: 9,
      }),
      inserted(sampleTask(4, { state: "expired", submittedAt: 40, spec: { ...SPEC, queue: "c" } }), {
        keepUntil: 9,
      }),
    );
    expect(await found(store, { limit: 10, states: ["failed", "expired"] })).toEqual([4, 3, 1].map(taskId));
    expect(await found(store, { limit: 10, states: [] })).toEqual([]);
    expect(await found(store, { limit: 10, name: "b" })).toEqual([taskId(3)]);
    expect(await found(store, { limit: 10, queue: "media", states: ["failed"] })).toEqual([3, 1].map(taskId));
    expect(await found(store, { limit: 10, from: 20, to: 40 })).toEqual([3, 2].map(taskId));
  });

  test("finds page by page, everything once", async (yard) => {
    const { store } = await yard.engine();
    const commit = await owner(store);
    const numbers = Array.from({ length: 1_234 }, (_, index) => index);
    await commit(...numbers.map((number) => inserted(sampleTask(number), { keepUntil: 9 })));
    const pages: number[] = [];
    expect(await found(store, { limit: 100 }, pages)).toEqual(numbers.map(taskId).reverse());
    expect(Math.max(...pages)).toEqual(100);
    expect(await found(store, { limit: 1_000 })).toEqual(numbers.map(taskId).reverse());
  });

  test("ends a page where it has looked at as many as it may, and finds what is further down from there", async (yard) => {
    const { store } = await yard.engine();
    const commit = await owner(store);
    const numbers = Array.from({ length: 300 }, (_, index) => index);
    const stateOf = (number: number): State => (number === 0 ? "failed" : "succeeded");
    await commit(
      ...numbers.map((number) => inserted(sampleTask(number, { state: stateOf(number) }), { keepUntil: 9 })),
    );
    const filter: FindFilter = { states: ["failed"], limit: 10, most: 100 };
    const { tasks, cursor } = await store.find(filter);
    expect([tasks, cursor === null]).toEqual([[], false]);
    expect(await found(store, { ...filter, cursor: cursor ?? "" })).toEqual([taskId(0)]);
  });

  test("finds the rest below a cursor though newer tasks came in between", async (yard) => {
    const { store } = await yard.engine();
    const commit = await owner(store);
    await commit(...[1, 2, 3].map((number) => inserted(sampleTask(number), { keepUntil: 9 })));
    const { cursor } = await store.find({ limit: 1 });
    await commit(inserted(sampleTask(4), { keepUntil: 9 }));
    expect(await found(store, { limit: 1, cursor: cursor ?? "" })).toEqual([2, 1].map(taskId));
  });
}

/** The ids of all pages from the filter's on. */
async function found(store: Store, filter: FindFilter, pageSizes: number[] = []): Promise<string[]> {
  const ids: string[] = [];
  for (let page = await store.find(filter); ; page = await store.find({ ...filter, cursor: page.cursor })) {
    ids.push(...page.tasks.map(({ id }) => id));
    pageSizes.push(page.tasks.length);
    if (page.cursor === null) return ids;
  }
}
