import { describe, expect, it } from "vitest";
import { CLIENT, KernelYard } from "../../test/kernel-yard.ts";
import { INLINE_BYTES } from "../protocol/task.ts";

describe("a task's life", () => {
  it("is one insert when it is accepted and assigned in one tick, and one finish", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    const id = yard.submit();
    expect(yard.tick().changes).toEqual([
      expect.objectContaining({
        type: "insert",
        parked: false,
        task: expect.objectContaining({ id, state: "assigned", attempt: 1, worker: "w" }),
      }),
    ]);
    worker.finish();
    expect(yard.tick().changes).toEqual([expect.objectContaining({ type: "finish", result: '"done"' })]);
    expect(yard.mailOf(CLIENT, "settled")).toEqual([
      {
        type: "settled",
        id,
        state: "succeeded",
        code: "",
        attempt: 1,
        result: '"done"',
        resultBytes: 6,
        error: null,
      },
    ]);
    expect(yard.kernel.has(id)).toBe(false);
  });

  it("gives the worker what it needs", () => {
    const yard = new KernelYard();
    yard.worker("w");
    yard.submit({ payload: "[1]", expiresInMs: 50 });
    yard.tick();
    expect(yard.mailOf("worker:w", "assign")).toEqual([
      {
        type: "assign",
        id: "t000001",
        attempt: 1,
        name: "work",
        version: 1,
        attempts: 3,
        timeoutMs: 60_000,
        graceMs: 5_000,
        expiresAt: yard.now + 50,
        payload: "[1]",
      },
    ]);
  });

  it("keeps large payloads and results in the store", () => {
    const yard = new KernelYard();
    const large = "x".repeat(INLINE_BYTES + 1);
    const id = yard.submit({ payload: large });
    yard.tick();
    const worker = yard.worker("w");
    yard.tick();
    expect(yard.rows.get(id)?.payload).toBe(large);
    expect(worker.held[0]?.assign.payload).toBeNull();
    expect(yard.record(id).payloadBytes).toBe(INLINE_BYTES + 1);
    worker.finish("succeeded", { result: large });
    yard.tick();
    expect(yard.rows.get(id)?.result).toBe(large);
    expect(yard.mailOf(CLIENT, "settled")).toEqual([
      expect.objectContaining({ result: null, resultBytes: INLINE_BYTES + 1 }),
    ]);
  });

  it("keeps the record for its time, and its id for a day at least", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w", { credit: 2 });
    const [good, bad] = [yard.submit(), yard.submit()];
    yard.tick();
    worker.finish();
    worker.finish("final");
    yard.tick();
    expect(yard.rows.get(good)?.keepUntil).toBe(yard.now + 86_400_000);
    expect(yard.rows.get(bad)?.keepUntil).toBe(yard.now + 100_000_000);
  });

  it("waits until it is due, by delay or by time", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w", { credit: 2 });
    const later = yard.submit({ delayMs: 100 });
    const sooner = yard.submit({ runAt: yard.now + 50 });
    yard.tick();
    expect([yard.record(later).state, yard.record(sooner).state]).toEqual(["scheduled", "scheduled"]);
    expect(yard.kernel.nextWakeAt()).toBe(yard.now + 50);
    yard.tick(49);
    expect(worker.held).toEqual([]);
    yard.tick(1);
    yard.tick(50);
    expect(worker.held.map(({ assign }) => assign.id)).toEqual([sooner, later]);
  });

  it("expires when it does not start in time, waiting or delayed", () => {
    const yard = new KernelYard();
    const ready = yard.submit({ expiresInMs: 10 });
    const delayed = yard.submit({ expiresInMs: 20, delayMs: 30 });
    const delayedFirst = yard.submit({ expiresInMs: 40, delayMs: 30 });
    yard.tick();
    yard.tick(20);
    yard.tick(10);
    expect(yard.state(delayedFirst)).toBe("ready");
    yard.tick(10);
    for (const id of [ready, delayed, delayedFirst])
      expect(yard.record(id)).toMatchObject({ state: "expired", code: "TASK_EXPIRED" });
  });

  it("expires when its worker finds that it is too late", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w", { credit: 2 });
    const [told, returned] = [yard.submit({ expiresInMs: 10 }), yard.submit({ expiresInMs: 10 })];
    yard.tick();
    yard.now += 10;
    worker.finish("final", { error: { code: "TASK_EXPIRED", message: "too late", stack: "" } });
    worker.finish("returned");
    yard.tick();
    expect([yard.record(told).state, yard.record(returned).state]).toEqual(["expired", "expired"]);
  });

  it("learns from notes that it runs, and passes them on", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    const id = yard.submit();
    yard.watch(id, "client:other");
    yard.tick();
    yard.now += 5;
    worker.start();
    worker.start();
    expect(yard.state(id)).toBe("running");
    const line = { at: yard.now, level: "info", message: "hello" } as const;
    const news = { id, startedAt: 0, progress: { fraction: 0.5, note: "half" }, logs: [line] };
    yard.kernel.apply({ type: "noted", note: { ...news, attempt: 1 }, worker: "w" }, yard.now);
    yard.kernel.apply({ type: "noted", note: { ...news, attempt: 9 }, worker: "w" }, yard.now);
    yard.kernel.apply({ type: "noted", note: { ...news, attempt: 1 }, worker: "stranger" }, yard.now);
    expect(yard.tick().changes).toEqual([]);
    const started = { type: "started", attempt: 1, worker: "w", at: yard.now };
    const expected = [
      started,
      started,
      { type: "progress", attempt: 1, fraction: 0.5, note: "half" },
      { type: "log", attempt: 1, line },
    ];
    for (const mailbox of [CLIENT, "client:other"]) {
      expect(yard.mailOf(mailbox, "event").map(({ event }) => event)).toEqual(expected);
    }
  });
});

describe("a failed attempt", () => {
  it("is tried again after its backoff until the attempts are used up", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    const id = yard.submit();
    yard.tick();
    const error = { code: "HANDLER_FAILED", message: "no", stack: "" };
    for (const attempt of [1, 2]) {
      worker.finish("failed", { error, startedAt: yard.now });
      yard.tick();
      expect(yard.record(id)).toMatchObject({ state: "scheduled", attempt, error, runAt: yard.now + 1_000 });
      yard.tick(1_000);
    }
    worker.finish("failed", { error });
    yard.tick();
    expect(yard.record(id)).toMatchObject({ state: "failed", attempt: 3, code: "HANDLER_FAILED" });
    expect(yard.mailOf(CLIENT, "event").map(({ event }) => event)).toEqual([
      { type: "retried", attempt: 1, runAt: 1_001_000, error },
      { type: "retried", attempt: 2, runAt: 1_002_000, error },
    ]);
  });

  it("waits as long as its handler says", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    const id = yard.submit({ expiresInMs: 10 });
    yard.tick();
    worker.finish("retryIn", { delayMs: 77 });
    yard.tick(5);
    expect(yard.record(id)).toMatchObject({ runAt: yard.now + 72, expiresAt: 0 });
  });

  it("is the last when the worker says so, or when the task runs at most once", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w", { credit: 2 });
    const final = yard.submit();
    const once = yard.submit({ spec: { delivery: "at-most-once" } });
    yard.tick();
    worker.finish("final");
    worker.finish("failed", { error: { code: "OTHER", message: "", stack: "" } });
    yard.tick();
    expect(yard.record(final)).toMatchObject({ state: "failed", code: "HANDLER_FAILED" });
    expect(yard.record(once)).toMatchObject({ state: "failed", code: "OTHER" });
  });

  it("is ended by the kernel when its worker does not, and fills its slot until the worker says otherwise", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    worker.isStubborn = true;
    const [id, next] = [yard.submit({ spec: { attempts: 1 } }), yard.submit()];
    yard.tick();
    worker.start();
    for (let passed = 0; passed < 67_000; passed += 1_000) {
      worker.beat();
      yard.tick(1_000);
    }
    expect(yard.record(id)).toMatchObject({ state: "failed", code: "TIMED_OUT" });
    expect(yard.mailOf("worker:w", "abort")).toEqual([
      { type: "abort", id, epoch: 1, attempt: 1, reason: "timedOut" },
    ]);
    expect(yard.state(next)).toBe("ready");
    worker.finish("failed");
    yard.tick();
    expect(yard.state(next)).toBe("assigned");
  });

  it("has no deadline when the task has none", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    const id = yard.submit({ spec: { timeoutMs: 0 } });
    yard.tick();
    for (let passed = 0; passed < 100; passed++) {
      worker.beat();
      yard.tick(9_000);
    }
    expect(yard.state(id)).toBe("assigned");
  });
});

describe("a late outcome", () => {
  it("counts when it is a success and the task is unfinished; the attempt elsewhere is aborted", () => {
    const yard = new KernelYard();
    const first = yard.worker("a");
    const id = yard.submit();
    yard.tick();
    yard.kernel.apply({ type: "workerLost", worker: "a", cause: "silent" }, yard.now);
    const second = yard.worker("b");
    yard.tick();
    expect(second.held).toHaveLength(1);
    first.finish();
    yard.tick();
    expect(yard.record(id)).toMatchObject({ state: "succeeded", attempt: 1, worker: "a" });
    expect(yard.mailOf("worker:b", "abort")).toMatchObject([{ id, attempt: 2, reason: "cancelled" }]);
    expect(second.held).toEqual([]);
    expect(yard.kernel.oddities).toEqual({ impossible: 0, lateOutcomes: 2 });
  });

  it("counts while the task waits for its next attempt", () => {
    const yard = new KernelYard();
    const worker = yard.worker("a");
    const [lost, failed] = [yard.submit(), yard.submit()];
    yard.tick();
    const outcome = worker.finish("failed");
    yard.tick();
    worker.report({ ...outcome, kind: "succeeded", result: "1" });
    worker.report({ ...outcome, kind: "failed" });
    yard.kernel.apply({ type: "workerLost", worker: "a", cause: "silent" }, yard.now);
    worker.finish();
    yard.tick();
    expect([yard.record(lost).state, yard.record(failed).state]).toEqual(["succeeded", "succeeded"]);
  });

  it("of a finished or unknown task changes nothing", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    yard.submit();
    yard.tick();
    const outcome = worker.finish();
    worker.report(outcome);
    yard.tick();
    worker.report(outcome);
    expect(yard.tick().changes).toEqual([]);
  });
});
