import { describe, expect, it } from "vitest";
import { CLIENT, KernelYard, type TestWorker } from "../../test/kernel-yard.ts";
import fc from "../../test/property.ts";
import { FAILED_DEPENDENCY_RULES, isTerminal, type TaskLinks } from "../protocol/task.ts";

const LINKS: TaskLinks = { graph: "", members: 0, after: [], onFailure: "fail", fed: false };
const TEN_MINUTES = 600_000;

function after(yard: KernelYard, ids: readonly string[], wish: Partial<TaskLinks> = {}): string {
  return yard.submit({ links: { ...LINKS, after: ids, ...wish } });
}

function member(yard: KernelYard, id: string, members: number, ids: readonly string[] = []): string {
  return yard.submit({ id, links: { ...LINKS, graph: "g", members, after: ids } });
}

describe("a task after others", () => {
  it("starts when all of them have succeeded, over a failover too", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w", { credit: 3 });
    const [a, b] = [yard.submit(), yard.submit()];
    const last = after(yard, [a, b]);
    yard.tick();
    expect(yard.record(last).state).toBe("blocked");
    worker.finish();
    yard.tick();
    yard.takeover();
    yard.tick();
    expect(yard.state(last)).toBe("blocked");
    expect(yard.kernel.answer({ type: "queues" }, yard.now)).toMatchObject([{ blocked: 1, scheduled: 0 }]);
    worker.finish();
    yard.tick();
    expect(yard.state(last)).toBe("assigned");
    worker.finish();
    yard.tick();
    expect(yard.record(last)).toMatchObject({ state: "succeeded", links: { after: [a, b] } });
    expect(yard.side.size).toBe(0);
  });

  it("waits no more for what has ended, in this tick or long ago", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w", { credit: 5 });
    const [a, b] = [yard.submit(), yard.submit()];
    yard.tick();
    worker.finish();
    yard.tick();
    worker.finish();
    const last = after(yard, [a, b]);
    yard.tick();
    expect(yard.state(last)).toBe("assigned");
  });

  it("is freed in memory alone, which the next owner finds out again", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    const a = yard.submit();
    const last = after(yard, [a]);
    yard.tick();
    yard.workers.delete("w");
    worker.finish();
    yard.kernel.apply({ type: "workerLeft", worker: "w" }, yard.now);
    yard.tick();
    expect([yard.state(last), yard.record(last).state]).toEqual(["ready", "blocked"]);
    yard.takeover();
    expect(yard.state(last)).toBe("ready");
  });

  it.each([
    ["fail", "failed", "DEPENDENCY_FAILED"],
    ["skip", "cancelled", "SKIPPED"],
    ["run-anyway", "assigned", ""],
  ] as const)("whose dependency does not succeed: %s", (onFailure, state, code) => {
    const yard = new KernelYard();
    yard.worker("w");
    const [a, b, c] = [yard.submit(), yard.submit(), yard.submit()];
    yard.cancel(c);
    const before = after(yard, [b], { onFailure });
    yard.tick();
    yard.cancel(b);
    const late = after(yard, [b], { onFailure });
    yard.cancel(a);
    yard.tick();
    const later = after(yard, [c], { onFailure });
    yard.tick();
    const ids = [before, late, later];
    if (state === "assigned")
      expect(ids.map((id) => yard.state(id)).sort()).toEqual(["assigned", "ready", "ready"]);
    else expect(ids.map((id) => yard.record(id))).toMatchObject(ids.map(() => ({ state, code })));
  });

  it("takes a duplicate for the first, and a parked one for unfinished", () => {
    const yard = new KernelYard({ maxLive: 1 });
    const key = { key: "k", inputHash: "h", windowMs: 1_000 };
    const first = yard.submit({ key });
    yard.tick();
    const [again, parked] = [yard.submit({ key }), yard.submit()];
    yard.tick();
    const last = after(yard, [again, parked]);
    yard.tick();
    expect(yard.record(parked).state).toBe("ready");
    expect(yard.kernel.has(parked)).toBe(false);
    expect(yard.record(last)).toMatchObject({ state: "blocked", links: { after: [first, parked] } });
    yard.cancel(parked);
    yard.tick();
    expect(yard.record(last)).toMatchObject({ state: "failed", code: "DEPENDENCY_FAILED" });
  });

  it("waits ten minutes for what nobody knows yet, over a failover too", () => {
    const yard = new KernelYard();
    const early = after(yard, ["late"]);
    const lost = after(yard, ["nobody"]);
    yard.tick();
    yard.submit({ id: "late" });
    yard.tick();
    yard.takeover();
    yard.tick(TEN_MINUTES - 1);
    expect([yard.state(early), yard.state(lost)]).toEqual(["blocked", "blocked"]);
    yard.tick(1);
    expect(yard.state(early)).toBe("blocked");
    expect(yard.record(lost)).toMatchObject({
      state: "failed",
      code: "DEPENDENCY_FAILED",
      error: { message: "Task nobody, which it waits for (after), is not known." },
    });
    const worker = yard.worker("w");
    yard.tick();
    worker.finish();
    yard.tick();
    expect(yard.state(early)).toBe("assigned");
  });

  it("waits for the first where what it waits for arrives as a duplicate", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w", { credit: 5 });
    const key = { key: "k", inputHash: "h", windowMs: 100_000 };
    const first = yard.submit({ key });
    yard.tick();
    const id = after(yard, ["again"]);
    yard.tick();
    yard.submit({ id: "again", key });
    yard.tick();
    expect(yard.state(id)).toBe("blocked");
    worker.finish();
    yard.tick();
    expect(yard.state(first)).toBe("succeeded");
    expect(yard.state(id)).toBe("assigned");
    const late = after(yard, ["once more"]);
    yard.submit({ id: "once more", key });
    yard.tick();
    expect(yard.state(late)).toBe("assigned");
  });

  it("is refused where it waits for itself, at once or in a circle", () => {
    const yard = new KernelYard();
    const self = yard.submit({ id: "me", links: { ...LINKS, after: ["me"] } });
    const a = after(yard, ["c"]);
    const b = after(yard, [a]);
    const c = yard.submit({ id: "c", links: { ...LINKS, after: [b] } });
    yard.tick();
    expect(yard.record(self)).toMatchObject({ state: "failed", code: "INVALID_GRAPH" });
    expect(yard.record(c)).toMatchObject({ state: "failed", code: "INVALID_GRAPH" });
    expect(yard.record(b)).toMatchObject({ state: "failed", code: "DEPENDENCY_FAILED" });
    expect(yard.mailOf(CLIENT, "accepted")).toMatchObject([
      { id: self, outcome: "refused" },
      { id: c, outcome: "refused" },
    ]);
    expect(yard.side.size).toBe(0);
  });

  it("is refused where memory is full of those that wait", () => {
    const yard = new KernelYard({ maxLive: 2, validate: false });
    const a = yard.submit();
    const ids = Array.from({ length: 1_001 }, () => after(yard, [a]));
    yard.tick();
    expect(ids.filter((id) => yard.record(id).state === "blocked")).toHaveLength(1_000);
    expect(yard.record(ids.at(-1) ?? "")).toMatchObject({ state: "failed", code: "TASK_REFUSED" });
    expect(yard.state(yard.submit())).toBe("ready");
  });

  it("waits for its own time beside, and expires while it waits", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    const a = yard.submit();
    const links = { ...LINKS, after: [a] };
    const delayed = yard.submit({ links, delayMs: 5_000 });
    const expiring = yard.submit({ links, expiresInMs: 1_000 });
    yard.tick();
    yard.tick(1_000);
    expect(yard.record(expiring).state).toBe("expired");
    worker.finish();
    yard.tick();
    expect(yard.state(delayed)).toBe("scheduled");
    yard.tick(4_000);
    expect(yard.state(delayed)).toBe("assigned");
  });

  it("is given its input by reference where that is made of results", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w", { credit: 2 });
    const a = yard.submit();
    yard.submit({ links: { ...LINKS, after: [a], fed: true }, payload: "0" });
    yard.tick();
    worker.finish();
    yard.tick();
    expect(worker.held.map(({ assign }) => assign.payload)).toEqual([null]);
  });

  it("ends with a chain of any length in one commit", () => {
    const yard = new KernelYard({ validate: false });
    const first = yard.submit();
    let last = first;
    for (let length = 0; length < 20_000; length++) last = after(yard, [last]);
    yard.tick();
    yard.cancel(first);
    yard.tick();
    expect(yard.record(last)).toMatchObject({ state: "failed", code: "DEPENDENCY_FAILED" });
    expect(yard.side.size).toBe(0);
  });
});

describe("a graph", () => {
  it("starts when all of it has arrived, in whatever order, and leaves nothing behind", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w", { credit: 3 });
    member(yard, "c", 3, ["a", "b"]);
    member(yard, "a", 3);
    yard.tick();
    expect([yard.state("c"), yard.state("a")]).toEqual(["blocked", "blocked"]);
    yard.takeover();
    worker.beat();
    yard.tick();
    member(yard, "b", 3, ["a"]);
    yard.tick();
    expect([yard.state("a"), yard.state("b"), yard.state("c")]).toEqual(["assigned", "blocked", "blocked"]);
    worker.finish();
    yard.tick();
    worker.finish();
    yard.tick();
    expect(yard.state("c")).toBe("assigned");
    worker.finish();
    yard.tick();
    expect(yard.side.size).toBe(0);
    expect(worker.held).toEqual([]);
  });

  it("is cancelled when a part stays away for ten minutes, and so is what comes later", () => {
    const yard = new KernelYard();
    member(yard, "a", 3);
    yard.tick();
    yard.takeover();
    yard.tick(TEN_MINUTES);
    expect(yard.record("a")).toMatchObject({ state: "cancelled", code: "GRAPH_INCOMPLETE" });
    member(yard, "b", 3, ["a"]);
    yard.tick();
    expect(yard.record("b").state).toBe("cancelled");
    yard.tick(100_000_000);
    yard.tick(10_000);
    expect(yard.side.size).toBe(0);
  });

  it("is cancelled as a whole: the answer waits for what runs", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    worker.isStubborn = true;
    member(yard, "a", 3);
    member(yard, "b", 3, ["a"]);
    member(yard, "c", 3);
    yard.tick();
    yard.cancel("g", 7);
    yard.tick();
    expect([yard.state("a"), yard.state("b"), yard.state("c")]).toEqual([
      "assigned",
      "cancelled",
      "cancelled",
    ]);
    expect(yard.mailOf(CLIENT, "cancelDone")).toEqual([]);
    worker.finish("cancelled");
    yard.tick();
    expect(yard.mailOf(CLIENT, "cancelDone")).toMatchObject([{ id: "g", request: 7, state: "cancelled" }]);
  });

  it("that was cancelled before it came never starts", () => {
    const yard = new KernelYard();
    yard.worker("w");
    yard.cancel("g");
    yard.tick();
    member(yard, "a", 2);
    member(yard, "b", 2);
    yard.tick();
    expect([yard.record("a").state, yard.record("b").state]).toEqual(["cancelled", "cancelled"]);
  });

  it("ends what waits in a circle, or for what never came", () => {
    const yard = new KernelYard();
    yard.worker("w", { credit: 9 });
    const parts: [string, string[]][] = [
      ["a", ["b"]],
      ["b", ["a"]],
      ["c", ["a"]],
      ["d", ["nobody"]],
      ["e", []],
    ];
    for (const [id, ids] of parts) member(yard, id, 5, ids);
    yard.tick();
    expect(yard.record("d")).toMatchObject({ state: "failed", code: "DEPENDENCY_FAILED" });
    expect(["a", "b", "c"].map((id) => yard.record(id).code)).toEqual(Array(3).fill("INVALID_GRAPH"));
    expect(yard.state("e")).toBe("assigned");
  });
});

/** What a random history does next. */
const step = fc.oneof(
  { weight: 4, arbitrary: fc.constant("tick" as const) },
  { weight: 4, arbitrary: fc.constant("succeed" as const) },
  { weight: 2, arbitrary: fc.constantFrom("fail" as const, "cancel" as const, "takeover" as const) },
  { weight: 1, arbitrary: fc.constantFrom("die" as const, "cancelGraph" as const, "copy" as const) },
);

const node = fc.record({
  picks: fc.array(fc.nat(), { maxLength: 4 }),
  onFailure: fc.constantFrom(...FAILED_DEPENDENCY_RULES),
  attempts: fc.integer({ min: 1, max: 2 }),
  delayMs: fc.constantFrom(0, 0, 700),
});

describe("any graph", () => {
  it("brings each task to one end, none before what it waits for, as its rule says", () => {
    const seen = new Set<string>();
    const property = fc.property(
      fc.array(node, { minLength: 1, maxLength: 12 }),
      fc.array(fc.tuple(step, fc.nat()), { maxLength: 60 }),
      fc.boolean(),
      fc.infiniteStream(fc.nat()),
      (nodes, steps, isGraph, shuffle) => {
        const yard = new KernelYard();
        let workers = 0;
        const work = (): TestWorker =>
          [...yard.workers.values()][0] ?? yard.worker(`w${++workers}`, { credit: 2 });
        const links = new Map<string, TaskLinks>();
        for (const [index, { picks, onFailure }] of nodes.entries()) {
          const ids = index === 0 ? [] : [...new Set(picks.map((pick) => `n${pick % index}`))];
          const graph = isGraph ? { graph: "g", members: nodes.length } : {};
          links.set(`n${index}`, { ...LINKS, ...graph, after: ids, onFailure });
        }
        const order = [...links.keys()];
        order.sort(() => ((shuffle.next().value ?? 0) % 2 === 0 ? 1 : -1));
        const send = (id: string, copy: boolean): void => {
          const { attempts = 1, delayMs = 0 } = nodes[Number(id.slice(1))] ?? {};
          const own = links.get(id);
          yard.submit({
            id,
            copy,
            delayMs,
            spec: { attempts },
            ...(own === undefined ? {} : { links: own }),
          });
        };
        const startedBefore = (id: string): void => {
          for (const other of links.get(id)?.after ?? [])
            expect(isTerminal(yard.record(other).state), `${id} started before ${other} ended`).toBe(true);
        };
        const [half, rest] = [order.slice(0, order.length / 2), order.slice(order.length / 2)];
        for (const id of half) send(id, false);
        for (const [act, pick] of steps) {
          const worker = work();
          for (const { assign } of worker.held) startedBefore(assign.id);
          const id = order[pick % order.length] ?? "";
          if (act === "tick") yard.tick(pick % 3 === 0 ? 400 : 0);
          else if (act === "succeed" && worker.held.length > 0) worker.finish();
          else if (act === "fail" && worker.held.length > 0) worker.finish("failed");
          else if (act === "cancel" && links.has(id) && yard.rows.has(id)) yard.cancel(id);
          else if (act === "cancelGraph" && isGraph && pick % 4 === 0) yard.cancel("g");
          else if (act === "copy") rest.length > 0 && !yard.rows.has(id) ? undefined : send(id, true);
          else if (act === "die") worker.die();
          else if (act === "takeover") {
            yard.tick();
            yard.takeover();
            worker.beat();
          }
          const next = isGraph || pick % 2 === 0 ? rest.shift() : undefined;
          if (next !== undefined) send(next, false);
        }
        for (const id of rest) send(id, false);
        yard.tick();
        for (let left = 60; left > 0; left--) {
          const worker = work();
          for (const { assign } of worker.held) startedBefore(assign.id);
          while (worker.held.length > 0) worker.finish();
          yard.tick(1_000);
        }
        for (const id of order) {
          const { state, code } = yard.record(id);
          expect(isTerminal(state), `${id} is ${state}`).toBe(true);
          const { after: ids, onFailure } = links.get(id) ?? LINKS;
          const bad = ids.some((other) => yard.record(other).state !== "succeeded");
          if (bad && onFailure !== "run-anyway") expect(state, id).not.toBe("succeeded");
          seen.add(`${isGraph ? "graph" : "after"} ${bad ? onFailure : "met"} ${state} ${code}`);
        }
        expect([...yard.side.values()].filter(({ kind }) => kind === "edge")).toEqual([]);
      },
    );
    fc.assert(property, { numRuns: 400 });
    for (const kind of ["graph", "after"])
      for (const end of [
        "met succeeded ",
        "fail failed DEPENDENCY_FAILED",
        "skip cancelled SKIPPED",
        "run-anyway succeeded ",
      ])
        expect(seen).toContain(`${kind} ${end}`);
  });
});
