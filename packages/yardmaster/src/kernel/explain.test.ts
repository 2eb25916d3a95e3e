import { describe, expect, it } from "vitest";
import { KernelYard, type Wish } from "../../test/kernel-yard.ts";
import { DEFAULT_SETTINGS, type QueueSettings } from "../protocol/task.ts";

function explained(yard: KernelYard, id: string): unknown {
  return yard.kernel.answer({ type: "explain", id }, yard.now);
}

function declare(yard: KernelYard, settings: Partial<QueueSettings>): void {
  const base = {
    name: "default",
    order: "fifo",
    placement: "least-loaded",
    paused: false,
    revision: 1,
  } as const;
  yard.order({ type: "apply", queues: [{ ...base, settings: { ...DEFAULT_SETTINGS, ...settings } }] });
}

function keyed(concurrency: number, perMs = 0): Wish {
  const rate = perMs === 0 ? null : { limit: 1, perMs, burst: 1 };
  const terms = {
    deadline: 0,
    deadlineInMs: 0,
    fairnessKey: "",
    weight: 1,
    concurrencyKey: concurrency === 0 ? "" : "tenant-7",
    rateKey: perMs === 0 ? "" : "tenant-7",
  };
  return { terms, spec: { limits: { concurrency, rate } } };
}

describe("explain", () => {
  it("tells where an active task is", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    const id = yard.submit();
    expect(explained(yard, id)).toMatchObject({ reason: "next" });
    yard.tick();
    expect(explained(yard, id)).toEqual({
      id,
      state: "assigned",
      reason: "assigned",
      sentence: "Attempt 1 was given to worker w.",
      data: { worker: "w", attempt: 1 },
    });
    worker.start();
    expect(explained(yard, id)).toMatchObject({ reason: "running", sentence: "Attempt 1 runs on worker w." });
    worker.finish();
    expect(explained(yard, id)).toMatchObject({
      reason: "ended",
      sentence: "The task has ended as succeeded.",
    });
    yard.tick();
    expect(explained(yard, id)).toBeNull();
  });

  it("tells when a task is due, and what happened before", () => {
    const yard = new KernelYard();
    const later = yard.submit({ delayMs: 900 });
    expect(explained(yard, later)).toMatchObject({
      reason: "delay",
      sentence: "The task is not due before 900 ms from now.",
      data: { inMs: 900 },
    });
    const worker = yard.worker("w");
    const id = yard.submit();
    yard.tick();
    worker.finish("failed");
    expect(explained(yard, id)).toMatchObject({
      reason: "retry",
      sentence: "Attempt 1 failed; the next one may start in 1000 ms.",
      data: { error: { code: "HANDLER_FAILED" } },
    });
  });

  it("names who holds a concurrency key", () => {
    const yard = new KernelYard();
    yard.worker("w", { credit: 9 });
    const [one, two, three] = [1, 2, 3].map(() => yard.submit(keyed(2)));
    yard.tick();
    expect(explained(yard, three ?? "")).toMatchObject({
      reason: "concurrency",
      sentence: `Waiting for concurrency key tenant-7 of work (2 of 2 held by ${one}, ${two}).`,
      data: { key: "tenant-7", limit: 2, held: 2, holders: [one, two], waiting: 1 },
    });
  });

  it("says when a rate allows the next start", () => {
    const yard = new KernelYard();
    yard.worker("w", { credit: 9 });
    yard.submit(keyed(0, 500));
    const id = yard.submit(keyed(0, 500));
    yard.tick();
    yard.now += 160;
    expect(explained(yard, id)).toMatchObject({
      reason: "rate",
      sentence: "The rate of key tenant-7 of work allows the next start in 340 ms.",
      data: { inMs: 340, limit: 1, perMs: 500 },
    });
  });

  it("says what the queue waits for", () => {
    const yard = new KernelYard();
    yard.worker("w", { credit: 9 });
    declare(yard, { concurrency: 1 });
    yard.submit();
    const id = yard.submit();
    yard.tick();
    expect(explained(yard, id)).toMatchObject({
      reason: "queue-concurrency",
      sentence: "Queue default runs as many tasks as it may (1 of 1).",
    });
    declare(yard, { rate: { limit: 1, perMs: 1_000, burst: 1 } });
    yard.tick();
    const next = yard.submit();
    yard.tick();
    expect(explained(yard, next)).toMatchObject({
      reason: "queue-rate",
      sentence: "The rate of queue default allows the next start in 1000 ms.",
    });
    yard.order({ type: "pause", queue: "default" });
    expect(explained(yard, next)).toMatchObject({
      reason: "queue-paused",
      sentence: "Queue default is paused.",
    });
  });

  it("says which workers are missing", () => {
    const yard = new KernelYard();
    const id = yard.submit();
    expect(explained(yard, id)).toMatchObject({
      reason: "unknown-name",
      sentence: "No connected worker knows work.",
      data: { name: "work", version: 1 },
    });
    yard.worker("w", { credit: 1 });
    yard.tick();
    const waiting = [yard.submit(), yard.submit()].at(1) ?? "";
    yard.tick();
    expect(explained(yard, waiting)).toMatchObject({
      reason: "workers-busy",
      sentence: "All 1 workers that know work are busy; position about 2 of 2 in queue default.",
      data: { position: 2, ready: 2, workers: 1, willing: 1 },
    });
    yard.order({ type: "drain", worker: "w" });
    expect(explained(yard, waiting)).toMatchObject({
      reason: "no-willing-worker",
      sentence: "None of the 1 workers that know work takes new work.",
    });
  });
});
