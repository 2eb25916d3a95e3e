import { describe, expect, it } from "vitest";
import { KernelYard, type TestWorker, type Wish } from "../../test/kernel-yard.ts";
import fc from "../../test/property.ts";
import { NO_TERMS } from "../definition/terms.ts";
import {
  DEFAULT_SETTINGS,
  type QueueRecord,
  type QueueSettings,
  type Rate,
  type TaskTerms,
} from "../protocol/task.ts";

function limited(concurrency: number, rate: Rate | null = null): NonNullable<Wish["spec"]> {
  return { limits: { concurrency, rate } };
}

function keyed(key: string): TaskTerms {
  return { ...NO_TERMS, concurrencyKey: key, rateKey: key };
}

function queueWith(settings: Partial<QueueSettings>, order: QueueRecord["order"] = "fifo"): QueueRecord {
  const name = "default";
  const full = { ...DEFAULT_SETTINGS, ...settings };
  return { name, order, placement: "least-loaded", paused: false, revision: 1, settings: full };
}

function payloads(worker: TestWorker): string[] {
  return worker.held.map(({ assign }) => assign.payload ?? "");
}

describe("a concurrency limit", () => {
  it("of a queue holds for all its tasks", () => {
    const yard = new KernelYard();
    yard.order({ type: "apply", queues: [queueWith({ concurrency: 2 })] });
    const worker = yard.worker("w", { credit: 10 });
    for (let task = 0; task < 5; task++) yard.submit();
    yard.submit({ payload: "other", spec: { queue: "other" } });
    yard.tick();
    expect(worker.held).toHaveLength(3);
    worker.finish();
    yard.tick();
    expect(worker.held).toHaveLength(3);
  });

  it("of a definition holds in all its queues", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w", { credit: 10 });
    for (const queue of ["a", "b", "a", "b"]) yard.submit({ spec: { queue, ...limited(3) } });
    yard.tick();
    expect(worker.held).toHaveLength(3);
    expect(yard.kernel.answer({ type: "queues" }, yard.now)).toMatchObject([
      { name: "a", ready: 0, active: 2 },
      { name: "b", ready: 1, limited: 1, active: 1, scheduled: 0 },
    ]);
  });

  it("of a key lets the others pass, and its own in their order", () => {
    const yard = new KernelYard();
    yard.order({ type: "apply", queues: [queueWith({}, "priority")] });
    const worker = yard.worker("w", { credit: 3 });
    const submit = (key: string, payload: string, priority = 0): string =>
      yard.submit({ payload, priority, terms: keyed(key), spec: limited(1) });
    submit("a", "a1");
    submit("a", "a2");
    yard.tick();
    submit("a", "a3", 9);
    submit("b", "b1");
    yard.tick();
    expect(payloads(worker)).toEqual(["a1", "b1"]);
    for (const next of ["a3", "a2"]) {
      worker.finish(
        "succeeded",
        {},
        payloads(worker).findIndex((payload) => payload.startsWith("a")),
      );
      yard.tick();
      expect(payloads(worker)).toEqual(["b1", next]);
    }
  });

  it("lets in whoever it is open for, where tasks were submitted with different limits", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w", { credit: 4 });
    for (const [limit, payload] of [
      [1, "a"],
      [1, "b"],
      [3, "c"],
      [3, "d"],
      [3, "e"],
    ] as const)
      yard.submit({ payload, spec: limited(limit) });
    yard.tick();
    expect(payloads(worker)).toEqual(["a", "c", "d"]);
    worker.finish();
    yard.tick();
    expect(payloads(worker)).toEqual(["c", "d", "e"]);
    for (let task = 0; task < 3; task++) worker.finish();
    yard.tick();
    expect(payloads(worker)).toEqual(["b"]);
  });

  it.each([
    ["a paused queue", { spec: { ...limited(1), queue: "paused" } }],
    ["a version that nobody knows", { spec: { ...limited(1), version: 2 } }],
  ])("is not kept by a task of %s", (_, wish) => {
    const yard = new KernelYard();
    const worker = yard.worker("w", { credit: 4 });
    yard.order({ type: "pause", queue: "paused" });
    yard.submit({ payload: "first", spec: limited(1) });
    yard.tick();
    yard.submit(wish);
    yard.submit({ payload: "second", spec: limited(1) });
    yard.submit({ payload: "third", spec: limited(1) });
    for (const next of ["second", "third"]) {
      worker.finish();
      yard.tick();
      expect(payloads(worker)).toEqual([next]);
    }
  });

  it("counts what still runs on a worker although it was given up", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w", { credit: 5 });
    worker.isStubborn = true;
    const spec = { ...limited(1), timeoutMs: 1_000, attempts: 1 };
    yard.submit({ payload: "stuck", spec });
    yard.submit({ payload: "next", spec });
    yard.tick();
    for (let beat = 0; beat < 3; beat++) {
      worker.beat();
      yard.tick(4_000);
    }
    expect(payloads(worker)).toEqual(["stuck"]);
    worker.finish("cancelled");
    yard.tick();
    expect(payloads(worker)).toEqual(["next"]);
  });

  it.each<[string, Partial<QueueSettings>, Wish]>([
    ["a key", {}, { terms: keyed("a"), spec: limited(1) }],
    ["a definition", {}, { spec: limited(1) }],
    ["a queue", { concurrency: 1 }, {}],
  ])("of %s counts what was given up and still runs, under later owners too", (_, settings, wish) => {
    const yard = new KernelYard();
    yard.order({ type: "apply", queues: [queueWith(settings)] });
    const [stubborn, other] = ["w", "v"].map((id) => yard.worker(id, { credit: 5 }));
    if (stubborn === undefined || other === undefined) throw new Error("There are two workers.");
    for (const worker of [stubborn, other]) worker.isStubborn = true;
    const spec = { ...wish.spec, timeoutMs: 1_000, attempts: 1 };
    const beat = (): void => {
      for (const worker of yard.workers.values()) worker.beat();
      yard.tick(4_000);
    };
    const running = (): string[] => [...payloads(stubborn), ...payloads(other)];
    const stuck = yard.submit({ ...wish, payload: "stuck", spec });
    yard.submit({ ...wish, payload: "next", spec });
    yard.tick();
    for (let round = 0; round < 4; round++) beat();
    expect(yard.state(stuck)).toBe("failed");
    for (let owner = 0; owner < 2; owner++) {
      yard.takeover();
      yard.tick();
      for (let round = 0; round < 3; round++) beat();
      expect(running()).toEqual(["stuck"]);
    }
    const holder = stubborn.held.length > 0 ? stubborn : other;
    holder.finish("cancelled");
    yard.tick();
    expect(running()).toEqual(["next"]);
    while (stubborn.held.length > 0) stubborn.finish();
    while (other.held.length > 0) other.finish();
    yard.tick();
    expect([...yard.side.keys()].filter((row) => row.startsWith("ghost"))).toEqual([]);
  });

  it.each(["the same owner", "a later owner"])(
    "is held by what a lost worker turns out to run under %s",
    (owner) => {
      const yard = new KernelYard();
      const cutOff = yard.worker("w", { credit: 5 });
      cutOff.isStubborn = true;
      const spec = { ...limited(1), timeoutMs: 0 };
      yard.submit({ payload: "stuck", terms: keyed("a"), spec });
      yard.submit({ payload: "next", terms: keyed("a"), spec });
      yard.tick();
      const other = yard.worker("v", { credit: 5 });
      yard.kernel.apply({ type: "workerLost", worker: "w", cause: "silent" }, yard.now);
      yard.tick();
      yard.tick(1_000);
      expect(payloads(other)).toEqual(["stuck"]);
      if (owner === "a later owner") yard.takeover();
      cutOff.beat();
      yard.tick();
      yard.tick();
      other.finish();
      yard.tick();
      expect([payloads(cutOff), payloads(other)]).toEqual([["stuck"], []]);
      cutOff.finish("cancelled");
      yard.tick();
      expect([...payloads(cutOff), ...payloads(other)]).toEqual(["next"]);
    },
  );

  it("is held by who runs, after a failover too", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w", { credit: 5 });
    for (let task = 0; task < 4; task++) yard.submit({ terms: keyed("a"), spec: limited(2) });
    yard.tick();
    yard.takeover();
    yard.tick();
    expect(worker.held).toHaveLength(2);
    worker.finish();
    yard.tick();
    expect(worker.held).toHaveLength(2);
    worker.die();
    const other = yard.worker("v", { credit: 5 });
    yard.tick();
    expect(other.held).toHaveLength(2);
  });

  it("gives the turn on when the next one is cancelled or expires", () => {
    const yard = new KernelYard();
    const busy = yard.worker("w");
    const [first, second, third] = [{}, { expiresInMs: 500 }, {}].map((wish) =>
      yard.submit({ terms: keyed("a"), spec: limited(1), ...wish }),
    );
    yard.tick();
    // Let in beside a worker that is busy with something else.
    yard.submit({ payload: "other", priority: 9 });
    busy.finish();
    yard.order({ type: "drain", worker: "w" });
    yard.tick();
    yard.tick(600);
    const ready = yard.worker("v");
    yard.tick();
    expect(ready.held.map(({ assign }) => assign.id)).toEqual([third]);
    expect([first, second].map((id) => yard.state(id ?? ""))).toEqual(["succeeded", "expired"]);
  });
});

describe("a rate", () => {
  const rate = { limit: 2, perMs: 1_000, burst: 2 };

  it("of a queue spreads its starts, and wakes when the next is allowed", () => {
    const yard = new KernelYard();
    yard.order({ type: "apply", queues: [queueWith({ rate })] });
    const worker = yard.worker("w", { credit: 10 });
    for (let task = 0; task < 5; task++) yard.submit();
    yard.tick();
    expect(worker.held).toHaveLength(2);
    expect(yard.kernel.nextWakeAt()).toBe(yard.now + 500);
    yard.tick(499);
    expect(worker.held).toHaveLength(2);
    yard.tick(1);
    expect(worker.held).toHaveLength(3);
    yard.tick(1_000);
    expect(worker.held).toHaveLength(5);
  });

  it("of a key leaves the others alone, and holds after a failover", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w", { credit: 20 });
    for (let task = 0; task < 6; task++)
      for (const key of ["a", "b"]) yard.submit({ payload: key, terms: keyed(key), spec: limited(0, rate) });
    yard.tick();
    expect(payloads(worker).sort()).toEqual(["a", "a", "b", "b"]);
    yard.takeover();
    yard.tick();
    yard.tick(499);
    expect(worker.held).toHaveLength(4);
    yard.tick(1);
    expect(payloads(worker).sort()).toEqual(["a", "a", "a", "b", "b", "b"]);
    worker.beat();
    yard.tick(3_000);
    while (worker.held.length > 0) worker.finish();
    yard.tick(10_000);
    expect([...yard.side.values()].filter(({ kind }) => kind === "rate")).toEqual([]);
  });

  it("never allows more than the rate times the time, and the burst", () => {
    const wish = fc.record({ gapMs: fc.nat(400), key: fc.constantFrom("a", "b"), takeover: fc.boolean() });
    const any = fc.record({
      limit: fc.integer({ min: 1, max: 5 }),
      perMs: fc.integer({ min: 1, max: 3_000 }),
      burst: fc.integer({ min: 1, max: 5 }),
    });
    fc.assert(
      fc.property(fc.array(wish, { maxLength: 60, size: "max" }), any, (wishes, rate) => {
        const yard = new KernelYard();
        const worker = yard.worker("w", { credit: 200 });
        const starts: Record<string, number[]> = { a: [], b: [] };
        let seen = 0;
        const tick = (ms: number): void => {
          worker.beat();
          yard.tick(ms);
          for (const { assign } of worker.held.slice(seen)) starts[assign.payload ?? ""]?.push(yard.now);
          seen = worker.held.length;
        };
        for (const { gapMs, key, takeover } of wishes) {
          yard.submit({ payload: key, terms: keyed(key), spec: { ...limited(0, rate), timeoutMs: 0 } });
          tick(gapMs);
          if (takeover && gapMs < 40) yard.takeover();
        }
        for (let idle = 0; worker.held.length < wishes.length && idle < 1_000; idle++)
          tick(Math.max(0, Math.min(5_000, yard.kernel.nextWakeAt() - yard.now)));
        expect(worker.held).toHaveLength(wishes.length);
        for (const times of Object.values(starts)) {
          for (const [first, from] of times.entries())
            for (const [offset, to] of times.slice(first).entries())
              expect(offset + 1).toBeLessThanOrEqual(
                (rate.limit / rate.perMs) * (to - from) + rate.burst + 1e-6,
              );
        }
      }),
      { numRuns: 200 },
    );
  });
});
