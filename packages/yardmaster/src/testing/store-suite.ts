import { type Change, keyOf, type StoredTask } from "../protocol/change.ts";
import type { TaskRecord } from "../protocol/task.ts";
import type { Lease, Store } from "../stores/store.ts";
import { codeOf, type EngineUnderTest, failureOf, type TestApi, withYards } from "./conformance.ts";
import {
  finished,
  inserted,
  loaded,
  loadedIds,
  owner,
  sampleTask,
  taskId,
  taskIdIn,
  updated,
} from "./sample-tasks.ts";
import { findTests, readTests, sweepTests } from "./store-suite-records.ts";

/** Tests that a store keeps every promise of its interface. */
export function storeSuite(under: EngineUnderTest, api: TestApi): void {
  api.describe(`the store of ${under.name}`, () => {
    leaseTests(under, api);
    fenceTests(under, api);
    changeTests(under, api);
    rowTests(under, api);
    loadTests(under, api);
    parkTests(under, api);
    readTests(under, api);
    sweepTests(under, api);
    findTests(under, api);
  });
}

const TTL_MS = 60_000;

async function leased(store: Store, name: string, replacing?: number): Promise<Lease> {
  const lease = await store.acquire(0, name, TTL_MS, replacing === undefined ? {} : { replacing });
  if (lease === null) throw new Error(`${name} did not get the lease.`);
  return lease;
}

function leaseTests(under: EngineUnderTest, api: TestApi): void {
  const test = withYards(api, under);
  const { expect } = api;

  test("gives a shard to one owner at a time", async (yard) => {
    const { store } = await yard.engine();
    const other = await yard.engine();
    const lease = await leased(store, "one");
    expect({ shard: lease.shard, owner: lease.owner, isPositive: lease.epoch > 0 }).toEqual({
      shard: 0,
      owner: "one",
      isPositive: true,
    });
    expect(await other.store.acquire(0, "two", TTL_MS)).toEqual(null);
    expect(await store.acquire(0, "one", TTL_MS)).toEqual(null);
    expect((await other.store.acquire(1, "two", TTL_MS))?.shard).toEqual(1);
  });

  test("raises the epoch with each owner, also after a release and after the lease ran out", async (yard) => {
    const { store } = await yard.engine();
    const first = await leased(store, "one");
    await store.release(first);
    const second = await store.acquire(0, "two", 0);
    const third = await leased(store, "three");
    expect(second !== null && second.epoch > first.epoch && third.epoch > second.epoch).toEqual(true);
  });

  test("gives a held shard to who replaces its present epoch, and to nobody who names another", async (yard) => {
    const { store } = await yard.engine();
    const first = await leased(store, "one");
    expect(await store.acquire(0, "two", TTL_MS, { replacing: first.epoch + 1 })).toEqual(null);
    const second = await leased(store, "two", first.epoch);
    expect(second.epoch > first.epoch).toEqual(true);
    expect(await store.acquire(0, "three", TTL_MS, { replacing: first.epoch })).toEqual(null);
  });

  test("gives a shard to one of many who ask at once", async (yard) => {
    const stores = [(await yard.engine()).store, (await yard.engine()).store];
    const asked = stores.flatMap((store, index) =>
      ["a", "b", "c"].map((name) => store.acquire(0, `${name}${index}`, TTL_MS)),
    );
    expect((await Promise.all(asked)).filter((lease) => lease !== null).length).toEqual(1);
  });

  test("renews the owner's lease and no other", async (yard) => {
    const { store } = await yard.engine();
    const first = await leased(store, "one");
    expect(await store.renew(first, TTL_MS)).toEqual(true);
    expect(await store.renew({ ...first, owner: "somebody" }, TTL_MS)).toEqual(false);
    const second = await leased(store, "two", first.epoch);
    expect(await store.renew(first, TTL_MS)).toEqual(false);
    expect(await store.renew(second, 0)).toEqual(true);
    expect(await store.renew(second, TTL_MS)).toEqual(false);
  });

  test("does not renew a lease that was released, and ignores a release by who owns nothing", async (yard) => {
    const { store } = await yard.engine();
    const first = await leased(store, "one");
    await store.release({ ...first, epoch: first.epoch + 1 });
    expect(await store.renew(first, TTL_MS)).toEqual(true);
    await store.release(first);
    expect(await store.renew(first, TTL_MS)).toEqual(false);
  });

  test("says who holds a shard", async (yard) => {
    const { store } = await yard.engine();
    expect(await store.holder(0)).toEqual(null);
    const lease = await leased(store, "one");
    expect(await store.holder(0)).toEqual({ owner: "one", epoch: lease.epoch, expired: false });
    await store.release(lease);
    expect(await store.holder(0)).toEqual({ owner: "one", epoch: lease.epoch, expired: true });
    expect(await store.holder(1)).toEqual(null);
  });
}

function fenceTests(under: EngineUnderTest, api: TestApi): void {
  const test = withYards(api, under);
  const { expect } = api;

  test("refuses a commit of an earlier epoch, and one by who owns nothing", async (yard) => {
    const { store } = await yard.engine();
    const first = await leased(store, "one");
    await store.commit(first, 1, []);
    const second = await leased(store, "two", first.epoch);
    expect(await codeOf(store.commit(first, 2, [inserted(sampleTask(1))]))).toEqual("FENCED");
    expect(await codeOf(store.commit(first, 1, []))).toEqual("FENCED");
    expect(await codeOf(store.commit({ ...second, owner: "one" }, 1, []))).toEqual("FENCED");
    expect(await codeOf(store.commit({ ...second, shard: 1 }, 1, []))).toEqual("FENCED");
    expect((await store.read({ ids: [taskId(1)] })).tasks.size).toEqual(0);
    await store.commit(second, 1, [inserted(sampleTask(1))]);
    expect((await store.read({ ids: [taskId(1)] })).tasks.size).toEqual(1);
  });

  test("refuses a commit after the release", async (yard) => {
    const { store } = await yard.engine();
    const lease = await leased(store, "one");
    await store.release(lease);
    expect(await codeOf(store.commit(lease, 1, []))).toEqual("FENCED");
  });

  test("commits though the lease ran out, as long as nobody took the shard", async (yard) => {
    const { store } = await yard.engine();
    const lease = await store.acquire(0, "one", 0);
    expect(await codeOf(store.commit(lease ?? { shard: 0, owner: "", epoch: 0 }, 1, []))).toEqual("none");
  });

  test("applies a commit once, however often it comes", async (yard) => {
    const { store } = await yard.engine();
    const lease = await leased(store, "one");
    const changes = [inserted(sampleTask(1)), inserted(sampleTask(2))];
    await store.commit(lease, 1, changes);
    await store.commit(lease, 1, changes);
    expect(await loadedIds(store)).toEqual([taskId(1), taskId(2)]);
    await store.commit(lease, 2, []);
    expect(await codeOf(store.commit(lease, 1, changes))).toEqual("FENCED");
  });

  test("refuses a commit that comes too early, and counts empty ones", async (yard) => {
    const { store } = await yard.engine();
    const lease = await leased(store, "one");
    expect(await codeOf(store.commit(lease, 2, []))).toEqual("FENCED");
    expect(await codeOf(store.commit(lease, 1, []))).toEqual("none");
    expect(await codeOf(store.commit(lease, 3, []))).toEqual("FENCED");
    expect(await codeOf(store.commit(lease, 2, []))).toEqual("none");
  });

  test("leaves nothing of a commit that would insert what exists, and names every conflict", async (yard) => {
    const { store } = await yard.engine();
    const lease = await leased(store, "one");
    await store.commit(
      lease,
      1,
      [3, 40, 41].map((number) => inserted(sampleTask(number))),
    );
    const changes: Change[] = Array.from({ length: 40 }, (_, index) => inserted(sampleTask(index + 2)));
    const key = { name: "image.resize", key: "k", id: taskId(9), inputHash: "h", expiresAt: 5 };
    const failure = await failureOf(store.commit(lease, 2, [{ type: "key", key }, ...changes]));
    const ids = failure?.details["ids"];
    expect([failure?.code, Array.isArray(ids) ? [...ids].sort() : ids]).toEqual([
      "CONFLICT",
      [taskId(3), taskId(40), taskId(41)],
    ]);
    expect(await loadedIds(store)).toEqual([taskId(3), taskId(40), taskId(41)]);
    expect((await store.read({ keys: [key] })).keys.size).toEqual(0);
    await store.commit(lease, 2, [inserted(sampleTask(50))]);
    expect((await loadedIds(store)).length).toEqual(4);
  });
}

function changeTests(under: EngineUnderTest, api: TestApi): void {
  const test = withYards(api, under);
  const { expect } = api;

  test("keeps each field of a record through its life", async (yard) => {
    const { store } = await yard.engine();
    const commit = await owner(store);
    const task = sampleTask(1, {
      priority: 255,
      runAt: 5,
      expiresAt: 6,
      key: "schlüssel",
      retryOf: taskId(7),
    });
    await commit(inserted(task, { payload: '{"a":1}' }));
    expect(await whole(store, 1)).toEqual({ task, payload: '{"a":1}', result: null });
    const running: TaskRecord = {
      ...task,
      state: "running",
      attempt: 2,
      epoch: 9,
      startedAt: 8,
      worker: "w1",
      deaths: 1,
    };
    await commit(updated(running));
    expect(await whole(store, 1)).toEqual({ task: running, payload: '{"a":1}', result: null });
    const error = { code: "HANDLER_FAILED", message: "no\u0000disk \u{1f4a5}", stack: "at x" };
    const failed: TaskRecord = {
      ...running,
      state: "failed",
      code: "X",
      error,
      finishedAt: 10,
      cancelRequested: true,
    };
    await commit({ type: "finish", task: failed, payload: null, result: null, keepUntil: 99 });
    expect(await whole(store, 1)).toEqual({ task: failed, payload: '{"a":1}', result: null });
  });

  test("takes a record as it is at the commit, and hands out copies", async (yard) => {
    const { store } = await yard.engine();
    const commit = await owner(store);
    const task = { ...sampleTask(1) };
    await commit(inserted(task));
    task.priority = 9;
    const read = await whole(store, 1);
    expect(read?.task.priority).toEqual(0);
    Object.assign(read?.task ?? {}, { priority: 7 });
    expect((await whole(store, 1))?.task.priority).toEqual(0);
  });

  test("keeps payloads and results of any bytes and size", async (yard) => {
    const { store } = await yard.engine();
    const commit = await owner(store);
    const every = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join("");
    const contents = ["", every, every.repeat(16), `${every.repeat(16)}\u00ff`, every.repeat(8_192)];
    for (const [number, content] of contents.entries()) {
      const task = sampleTask(number, { payloadBytes: content.length });
      const named = sampleTask(100 + number, { payloadBytes: content.length });
      await commit(inserted(task, { payload: content }), inserted(named, { payload: content }));
      await commit(updated({ ...task, state: "running" }), updated({ ...named, state: "running" }, content));
      expect((await whole(store, 100 + number))?.payload === content).toEqual(true);
      await commit(finished(task, content, 1), finished(named, content, 1, content));
      for (const each of [number, 100 + number]) {
        const read = await whole(store, each);
        expect([read?.payload === content, read?.result === content]).toEqual([true, true]);
      }
    }
  });

  test("tells an empty result from none", async (yard) => {
    const { store } = await yard.engine();
    const commit = await owner(store);
    await commit(inserted(sampleTask(1)), inserted(sampleTask(2), { result: "", keepUntil: 5 }));
    await commit(finished(sampleTask(1), null, 5));
    expect([(await whole(store, 1))?.result, (await whole(store, 2))?.result]).toEqual([null, ""]);
  });

  test("takes many changes of every kind in one commit", async (yard) => {
    const { store } = await yard.engine();
    const commit = await owner(store);
    const numbers = Array.from({ length: 600 }, (_, index) => index);
    await commit(...numbers.map((number) => inserted(sampleTask(number))));
    await commit(
      ...numbers.flatMap((number): Change[] => {
        const task = sampleTask(number, { attempt: 1 });
        if (number % 3 === 0) return [finished(task, "1", 5)];
        const parked = inserted(sampleTask(number + 1_000), { parked: number % 3 === 1 });
        return [updated(task), parked];
      }),
    );
    const ids = await loadedIds(store);
    expect([ids.length, (await store.parked(0, 1_000)).length]).toEqual([600, 200]);
    expect(ids.includes(taskId(1))).toEqual(true);
    expect((await whole(store, 0))?.result).toEqual("1");
    expect((await whole(store, 2))?.task.attempt).toEqual(1);
  });

  test("keeps a record that is over from its first commit", async (yard) => {
    const { store } = await yard.engine();
    const commit = await owner(store);
    const task = sampleTask(1, { state: "failed", code: "REFUSED", finishedAt: 5 });
    await commit(inserted(task, { keepUntil: 9 }));
    expect(await loadedIds(store)).toEqual([]);
    expect((await whole(store, 1))?.task).toEqual(task);
  });

  test("keeps early cancels, and replaces them by the records that they waited for", async (yard) => {
    const { store } = await yard.engine();
    const commit = await owner(store);
    await commit(
      { type: "tombstone", id: taskId(1), keepUntil: 50 },
      { type: "tombstone", id: taskId(2), keepUntil: 60 },
    );
    expect((await store.read({ ids: [taskId(1)] })).tasks.size).toEqual(0);
    const task = sampleTask(1, { state: "cancelled", finishedAt: 5 });
    await commit({ type: "adopt", task, payload: "[]", keepUntil: 70 });
    expect(await whole(store, 1)).toEqual({ task, payload: "[]", result: null });
    expect(await loaded(store)).toEqual([{ type: "tombstone", id: taskId(2), keepUntil: 60 }]);
  });

  test("keeps queues, the last settings of each", async (yard) => {
    const { store } = await yard.engine();
    const commit = await owner(store);
    const queue = { name: "media", order: "fifo", placement: "random", paused: false, revision: 1 } as const;
    await commit({ type: "queue", queue });
    await commit({ type: "queue", queue: { ...queue, order: "priority", paused: true, revision: 2 } });
    expect(await loaded(store)).toEqual([
      { type: "queue", queue: { ...queue, order: "priority", paused: true, revision: 2 } },
    ]);
    expect(await loaded(store, 1)).toEqual([]);
  });
}

function rowTests(under: EngineUnderTest, api: TestApi): void {
  const test = withYards(api, under);
  const { expect } = api;
  const row = (kind: string, key: string, value: string | null): Change => ({
    type: "row",
    kind,
    key,
    value,
  });

  test("keeps the kernel's own rows, the last value of each, until they are deleted", async (yard) => {
    const { store } = await yard.engine();
    const commit = await owner(store);
    await commit(row("limit", "a", "one"), row("limit", "b", "\u0000\u00ff"), row("schedule", "a", ""));
    await commit(row("limit", "a", "two"), row("limit", "b", null), row("limit", "c", null));
    const rows = (await loaded(store)).map((item) => (item.type === "row" ? { ...item } : item.type));
    expect(rows.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))).toEqual([
      { type: "row", kind: "limit", key: "a", value: "two" },
      { type: "row", kind: "schedule", key: "a", value: "" },
    ]);
    expect(await loaded(store, 1)).toEqual([]);
  });

  test("keeps queues and keys of one name apart in two shards", async (yard) => {
    const { store } = await yard.engine();
    const leases = [await store.acquire(0, "one", TTL_MS), await store.acquire(1, "one", TTL_MS)];
    const key = { name: "a", key: "k", inputHash: "h", expiresAt: 50 };
    const queue = { name: "media", order: "fifo", placement: "random", paused: false } as const;
    for (const [shard, lease] of leases.entries()) {
      if (lease === null) throw new Error("A new shard has an owner.");
      await store.commit(lease, 1, [
        { type: "key", key: { ...key, id: taskId(shard) } },
        { type: "queue", queue: { ...queue, revision: shard } },
      ]);
    }
    for (const shard of [0, 1]) {
      const { keys } = await store.read({ keys: [key], shard });
      expect(keys.get(keyOf("a", "k"))?.id).toEqual(taskId(shard));
      expect(await loaded(store, shard)).toEqual([{ type: "queue", queue: { ...queue, revision: shard } }]);
    }
  });
}

async function whole(store: Store, number: number): Promise<StoredTask | undefined> {
  return (await store.read({ ids: [taskId(number)], bytes: true })).tasks.get(taskId(number));
}

function loadTests(under: EngineUnderTest, api: TestApi): void {
  const test = withYards(api, under);
  const { expect } = api;

  test("loads held tasks first, then by priority, then by id", async (yard) => {
    const { store } = await yard.engine();
    const commit = await owner(store);
    const tasks = [
      sampleTask(1),
      sampleTask(2, { priority: 255 }),
      sampleTask(3, { state: "assigned" }),
      sampleTask(4, { state: "running", priority: 7 }),
      sampleTask(5, { priority: 7, state: "scheduled" }),
      sampleTask(6, { priority: 7, state: "blocked" }),
      sampleTask(7, { state: "assigned" }),
    ];
    await commit(...[...tasks].reverse().map((task) => inserted(task)));
    expect(await loadedIds(store)).toEqual([4, 3, 7, 2, 5, 6, 1].map(taskId));
    await commit(updated(sampleTask(1, { state: "running" })));
    expect(await loadedIds(store)).toEqual([4, 1, 3, 7, 2, 5, 6].map(taskId));
  });

  test("loads what another engine left, and only the shard's own", async (yard) => {
    const first = await yard.engine();
    const commit = await owner(first.store);
    await commit(inserted(sampleTask(1), { payload: '"x"' }), inserted(sampleTask(2)));
    await commit(finished(sampleTask(2), "1", 9));
    const { store } = await yard.engine();
    const lease = await store.acquire(1, "two", TTL_MS);
    if (lease !== null) await store.commit(lease, 1, [inserted(sampleTask(3, { id: taskIdIn(1, 3) }))]);
    expect(await loaded(store)).toEqual([
      { type: "task", task: sampleTask(1), payload: '"x"', result: null },
    ]);
    expect(await loadedIds(store, 1)).toEqual([taskIdIn(1, 3)]);
  });

  test("loads small payloads and leaves large ones", async (yard) => {
    const { store } = await yard.engine();
    const commit = await owner(store);
    const [small, large] = ["s".repeat(4_096), "l".repeat(4_097)];
    await commit(
      inserted(sampleTask(1, { payloadBytes: 4_096 }), { payload: small }),
      inserted(sampleTask(2, { payloadBytes: 4_097 }), { payload: large }),
    );
    const payloads = (await loaded(store)).map((item) => (item.type === "task" ? item.payload : ""));
    expect(payloads).toEqual([small, null]);
  });

  test("loads more than it reads at a time, everything once", async (yard) => {
    const { store } = await yard.engine();
    const commit = await owner(store);
    const numbers = Array.from({ length: 1_700 }, (_, index) => index);
    await commit(...numbers.map((number) => inserted(sampleTask(number, { priority: number % 2 }))));
    await commit(
      ...numbers
        .slice(0, 700)
        .map((number): Change => ({ type: "tombstone", id: taskId(number + 5_000), keepUntil: 1 })),
    );
    const items = await loaded(store);
    const odd = numbers.filter((number) => number % 2 === 1);
    const even = numbers.filter((number) => number % 2 === 0);
    expect(items.flatMap((item) => (item.type === "task" ? [item.task.id] : []))).toEqual(
      [...odd, ...even].map(taskId),
    );
    expect(items.filter((item) => item.type === "tombstone").length).toEqual(700);
  });
}

function parkTests(under: EngineUnderTest, api: TestApi): void {
  const test = withYards(api, under);
  const { expect } = api;

  test("parks tasks, counts them, and brings the earliest and most urgent first", async (yard) => {
    const { store } = await yard.engine();
    const commit = await owner(store);
    const parked = [
      sampleTask(1, { runAt: 300 }),
      sampleTask(2, { runAt: 100 }),
      sampleTask(3, { runAt: 100, priority: 5 }),
      sampleTask(4, { runAt: 200 }),
      sampleTask(5, { runAt: 100 }),
    ];
    await commit(
      inserted(sampleTask(9)),
      ...parked.map((task) => inserted(task, { parked: true, payload: "7" })),
    );
    const ids = (await store.parked(0, 4)).map(({ task }) => task.id);
    expect(ids).toEqual([3, 2, 5, 4].map(taskId));
    expect(await store.parked(0, 1)).toEqual([{ task: parked[2], payload: "7", result: null }]);
    expect(await store.parked(1, 10)).toEqual([]);
    const items = await loaded(store);
    expect(items.filter((item) => item.type === "parked")).toEqual([{ type: "parked", count: 5 }]);
    expect(items.filter((item) => item.type === "task").length).toEqual(1);
  });

  test("unparks tasks, and ends them", async (yard) => {
    const { store } = await yard.engine();
    const commit = await owner(store);
    const [one, two, named] = [
      sampleTask(1, { runAt: 10 }),
      sampleTask(2, { runAt: 20 }),
      sampleTask(3, { runAt: 20 }),
    ];
    await commit(...[one, two, named].map((task) => inserted(task, { parked: true })));
    await commit(updated(one), updated(named, "{}"));
    expect([await loadedIds(store), (await store.parked(0, 9)).map(({ task }) => task.id)]).toEqual([
      [one.id, named.id],
      [two.id],
    ]);
    await commit(finished(one, null, 9), finished(two, null, 9), finished(named, null, 9, "{}"));
    expect([await loadedIds(store), await store.parked(0, 9)]).toEqual([[], []]);
  });
}
