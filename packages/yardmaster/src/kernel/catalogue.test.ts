import { describe, expect, it } from "vitest";
import { KernelYard } from "../../test/kernel-yard.ts";
import fc from "../../test/property.ts";
import type { StoredSearch } from "../protocol/envelope.ts";
import { LAST_ID } from "../protocol/ids.ts";
import { isTerminal, STATES, type State, type TaskId } from "../protocol/task.ts";
import { taskId } from "../testing/sample-tasks.ts";
import { Catalogue, type Entry } from "./catalogue.ts";

const START = 1_700_000_000_000;
const ALL: StoredSearch = { states: STATES, limit: 1_000 };

function entry(number: number, changed: Partial<Entry> = {}): Entry {
  const spec = { name: "resize", queue: "media" };
  return { id: taskId(number), spec, state: "succeeded", submittedAt: START + number * 1_000, ...changed };
}

function opened(maxLeaves?: number): Catalogue {
  const catalogue = new Catalogue(maxLeaves);
  catalogue.find(ALL, START);
  return catalogue;
}

describe("a catalogue", () => {
  it("keeps nothing until it is asked, and nothing any more when nobody has asked for long", () => {
    const catalogue = new Catalogue();
    catalogue.add(entry(1), 0);
    expect([catalogue.size, catalogue.unwalked]).toEqual([0, null]);
    expect(catalogue.find(ALL, START).ids).toEqual([]);
    catalogue.add(entry(1), 0);
    catalogue.walkedTo(null);
    expect(catalogue.find(ALL, START)).toEqual({ ids: [taskId(1)], horizon: "" });
    catalogue.rest(START + 3_600_000);
    expect([catalogue.size, catalogue.isOpen]).toEqual([0, false]);
  });

  it("tells nothing below the horizon, down to which the store was walked", () => {
    const catalogue = opened();
    catalogue.add(entry(9), 0);
    catalogue.add(entry(2), 0);
    expect(catalogue.find(ALL, START).ids).toEqual([]);
    catalogue.walkedTo(taskId(5));
    expect(catalogue.find(ALL, START)).toEqual({ ids: [taskId(9)], horizon: taskId(5) });
    expect(catalogue.unwalked).toBe(taskId(5));
    catalogue.walkedTo(null);
    expect(catalogue.find(ALL, START)).toEqual({ ids: [taskId(9), taskId(2)], horizon: "" });
    expect(catalogue.unwalked).toBeNull();
  });

  it("keeps what is over until the store is walked, as a look may have been taken before it ended", () => {
    const catalogue = opened();
    catalogue.add(entry(1, { state: "cancelled" }), START + 5_000);
    catalogue.rest(START + 60_000);
    catalogue.addFound(entry(1, { state: "ready" }), 0);
    catalogue.walkedTo(null);
    expect(catalogue.find(ALL, START + 60_000).ids).toEqual([]);
    catalogue.rest(START + 60_000);
    expect(catalogue.size).toBe(0);
  });

  it("drops what is kept no longer", () => {
    const catalogue = opened();
    catalogue.walkedTo(null);
    for (let number = 0; number < 2_000; number++)
      catalogue.add(entry(number), START + (number % 2 === 0 ? 5_000 : 500_000));
    expect(catalogue.find(ALL, START + 10_000).ids).toHaveLength(1_000);
    catalogue.rest(START + 10_000);
    expect(catalogue.size).toBe(1_000);
  });

  it("forgets the oldest when it is full, and says so", () => {
    const catalogue = opened(4);
    catalogue.walkedTo(null);
    for (let number = 0; number < 10_000; number++) catalogue.add(entry(number), 0);
    const { ids, horizon } = catalogue.find(ALL, START);
    expect(catalogue.size).toBeLessThanOrEqual(4 * 512);
    expect(ids.at(0)).toBe(taskId(9_999));
    const { ids: rest } = catalogue.find({ ...ALL, limit: 10_000 }, START);
    expect(rest.at(-1)).toBe(horizon);
    expect(rest).toHaveLength(catalogue.size);
    catalogue.add(entry(3), 0);
    expect(catalogue.find({ ...ALL, before: taskId(4) }, START).ids).toEqual([]);
  });

  it("walks no further down than to what it forgot when it was full", () => {
    const catalogue = opened(2);
    catalogue.walkedTo(taskId(9_000));
    // What ends further down fills it up.
    for (let number = 0; number < 3_000; number++) catalogue.add(entry(number), 0);
    expect(catalogue.find(ALL, START).horizon).toBe(taskId(9_000));
    catalogue.walkedTo(taskId(100));
    const { ids, horizon } = catalogue.find({ ...ALL, limit: 10_000 }, START);
    expect(ids).toHaveLength(catalogue.size);
    expect(ids.at(-1)).toBe(horizon);
    expect(catalogue.unwalked).toBeNull();
  });

  it("forgets the oldest, too, where a new one has its place between two full leaves", () => {
    const catalogue = opened(2);
    catalogue.walkedTo(null);
    for (let number = 0; number < 512; number++) catalogue.add(entry(number), 0);
    for (let number = 1_000; number < 1_512; number++) catalogue.add(entry(number), 0);
    catalogue.add(entry(700), 0);
    const { ids, horizon } = catalogue.find(ALL, START);
    expect(horizon).toBe(taskId(700));
    expect(ids.at(-1)).toBe(taskId(700));
  });

  it("answers as a list would that is filtered from its beginning to its end", () => {
    const states: readonly State[] = STATES;
    const put = fc.record({
      number: fc.nat(3_000),
      state: fc.constantFrom(...states),
      queue: fc.constantFrom("a", "b"),
      name: fc.constantFrom("x", "y", "z"),
      isGone: fc.boolean(),
    });
    const search = fc.record(
      {
        states: fc.subarray([...states], { minLength: 1 }),
        queue: fc.constantFrom("a", "b", "c"),
        name: fc.constantFrom("x", "y", "never"),
        before: fc.nat(3_000).map(taskId),
        limit: fc.integer({ min: 1, max: 50 }),
      },
      { requiredKeys: ["states", "limit"] },
    );
    fc.assert(
      fc.property(fc.array(put, { maxLength: 3_000, size: "max" }), search, (puts, sought) => {
        const catalogue = opened();
        catalogue.walkedTo(null);
        const model = new Map<TaskId, Entry>();
        for (const { number, state, queue, name, isGone } of puts) {
          const one = entry(number, { state, spec: { queue, name } });
          catalogue.add(one, 0);
          model.set(one.id, one);
          if (!isGone) continue;
          catalogue.remove(one.id);
          model.delete(one.id);
        }
        const { limit, queue, name, before } = sought;
        const expected = [...model.values()]
          .filter(({ id, state, spec }) => {
            const isNamed = (name ?? spec.name) === spec.name && (queue ?? spec.queue) === spec.queue;
            return sought.states.includes(state) && isNamed && (before === undefined || id < before);
          })
          .map(({ id }) => id)
          .sort()
          .reverse()
          .slice(0, limit);
        expect(catalogue.find(sought, START).ids).toEqual(expected);
        expect(catalogue.size).toBe(model.size);
      }),
      { numRuns: 60 },
    );
  });
});

describe("a kernel that is asked for finished tasks", () => {
  const ask = (yard: KernelYard, stored: StoredSearch): unknown =>
    yard.kernel.answer({ type: "list", limit: 1, stored }, yard.now);

  /** What the dispatcher does between ticks. */
  function walk(yard: KernelYard): void {
    const rows = [...yard.rows.values()].map(({ task }) => task).filter(({ state }) => isTerminal(state));
    yard.kernel.catalogue(rows, LAST_ID, null);
  }

  it("knows those that ended before, and those that end from then on", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w", { credit: 1 });
    const first = yard.submit({ id: taskId(1) });
    yard.tick();
    worker.finish();
    yard.tick();
    expect(ask(yard, ALL)).toMatchObject({ ids: [] });
    expect(yard.kernel.unwalked).not.toBeNull();
    walk(yard);
    const second = yard.submit({ id: taskId(2) });
    yard.tick();
    worker.finish();
    yard.tick();
    expect(ask(yard, ALL)).toEqual({ ids: [second, first], horizon: "" });
    expect(ask(yard, { ...ALL, states: ["failed"] })).toEqual({ ids: [], horizon: "" });
  });

  it("does not look for waiting tasks where none is parked", () => {
    const yard = new KernelYard();
    yard.submit();
    yard.tick();
    expect(ask(yard, { states: ["ready"], limit: 5 })).toEqual({ ids: [], horizon: "" });
    expect(yard.kernel.unwalked).toBeNull();
  });

  it("knows what is parked, until that comes back", () => {
    const yard = new KernelYard({ maxLive: 1 });
    ask(yard, ALL);
    walk(yard);
    const first = yard.submit({ id: taskId(1) });
    yard.tick();
    const second = yard.submit({ id: taskId(2) });
    yard.tick();
    const search: StoredSearch = { states: ["ready"], limit: 5 };
    expect(ask(yard, search)).toEqual({ ids: [second], horizon: "" });
    yard.cancel(first);
    const { wantParked } = yard.tick();
    yard.page(wantParked);
    expect(ask(yard, { ...search, states: ["ready", "succeeded"] })).toMatchObject({ ids: [] });
  });

  it("knows better than a look at the store that was taken before a parked task ended", () => {
    const yard = new KernelYard({ maxLive: 1 });
    yard.submit({ id: taskId(1) });
    yard.tick();
    const parked = yard.submit({ id: taskId(2) });
    yard.tick();
    ask(yard, ALL);
    const looked = [...yard.rows.values()].filter((row) => row.parked).map(({ task }) => task);
    yard.cancel(parked);
    yard.tick();
    yard.kernel.catalogue(looked, LAST_ID, null);
    expect(ask(yard, { ...ALL, states: ["ready"] })).toMatchObject({ ids: [] });
    expect(ask(yard, { ...ALL, states: ["cancelled"] })).toMatchObject({ ids: [parked] });
  });

  it("has no use for a look at the store that began before the catalogue was let go and opened again", () => {
    const yard = new KernelYard();
    ask(yard, ALL);
    yard.kernel.catalogue([], LAST_ID, taskId(5));
    yard.tick(3_600_000);
    expect(yard.kernel.unwalked).toBeNull();
    ask(yard, ALL);
    yard.kernel.catalogue([], taskId(5), taskId(2));
    expect(yard.kernel.unwalked).toBe(LAST_ID);
  });
});
