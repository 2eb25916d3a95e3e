import { describe, expect, it } from "vitest";
import { expectExplained, explained } from "../../test/explained.ts";
import { KernelYard } from "../../test/kernel-yard.ts";
import { explainRecord } from "../protocol/explanation.ts";

/* The other forms that the reasons of `explain.test.ts` take. */

describe("explain, of a limit", () => {
  const limits = { concurrency: 12, rate: null };

  it("of a whole definition names ten of those that hold it, and how many more", () => {
    const yard = new KernelYard();
    yard.worker("w", { credit: 20 });
    const holders = Array.from({ length: 12 }, () => yard.submit({ spec: { limits } }));
    const id = yard.submit({ spec: { limits } });
    yard.submit({ spec: { limits } });
    yard.tick();
    const named = holders.slice(0, 10);
    expectExplained(yard, id, {
      state: "ready",
      reason: "concurrency",
      sentence: `Waiting for the concurrency of work (12 of 12 held by ${named.join(", ")} and 2 more).`,
      data: { name: "work", key: "", limit: 12, held: 12, holders: named, waiting: 2 },
    });
  });

  it("says when the rate of a whole definition allows the next start", () => {
    const yard = new KernelYard();
    yard.worker("w", { credit: 9 });
    const spec = { limits: { concurrency: 0, rate: { limit: 2, perMs: 1_000, burst: 1 } } };
    yard.submit({ spec });
    const id = yard.submit({ spec });
    yard.tick();
    yard.now += 160;
    expectExplained(yard, id, {
      state: "ready",
      reason: "rate",
      sentence: "The rate of work allows the next start in 340 ms.",
      data: {
        name: "work",
        key: "",
        limit: 2,
        perMs: 1_000,
        burst: 1,
        opensAt: yard.now + 340,
        inMs: 340,
        waiting: 1,
      },
    });
  });
});

describe("explain, of workers", () => {
  const asking = (
    yard: KernelYard,
    needs: Record<string, number>,
    labels: Record<string, string> = {},
  ): string => yard.submit({ spec: { requirements: { needs, labels, preferred: {} } } });

  it("names the version that nobody knows", () => {
    const yard = new KernelYard();
    yard.worker("w");
    const id = yard.submit({ spec: { version: 2 } });
    yard.tick();
    expectExplained(yard, id, {
      state: "ready",
      reason: "unknown-name",
      sentence: "No connected worker knows work version 2.",
      data: { name: "work", version: 2 },
    });
  });

  it("names all labels that none of them has together", () => {
    const yard = new KernelYard();
    yard.worker("a", { labels: { zone: "eu" } });
    yard.worker("b", { labels: { disk: "ssd" } });
    const id = asking(yard, {}, { zone: "eu", disk: "ssd" });
    yard.tick();
    expectExplained(yard, id, {
      state: "ready",
      reason: "no-such-label",
      sentence: "No connected worker that knows work has the label zone=eu and disk=ssd.",
      data: { labels: { zone: "eu", disk: "ssd" } },
    });
  });

  it("names all needs that none of them offers, and no other", () => {
    const yard = new KernelYard();
    yard.worker("w", { resources: { cpu: 8, gpu: 1 } });
    const id = asking(yard, { cpu: 4, gpu: 2, memoryMb: 64 });
    yard.tick();
    expectExplained(yard, id, {
      state: "ready",
      reason: "no-such-resource",
      sentence: "No connected worker offers gpu: 2 and memoryMb: 64.",
      data: { needs: { gpu: 2, memoryMb: 64 }, mostOffered: { gpu: 1, memoryMb: 0 } },
    });
  });

  it("names all needs that no worker offers together", () => {
    const yard = new KernelYard();
    yard.worker("a", { resources: { cpu: 8 } });
    yard.worker("b", { resources: { gpu: 2 } });
    const id = asking(yard, { cpu: 4, gpu: 2 });
    yard.tick();
    expectExplained(yard, id, {
      state: "ready",
      reason: "no-such-resource",
      sentence: "No connected worker offers cpu: 4 and gpu: 2.",
      data: { needs: { cpu: 4, gpu: 2 }, mostOffered: { cpu: 8, gpu: 2 } },
    });
  });

  it("names all needs that nobody has free, and the worker that is kept for them", () => {
    const yard = new KernelYard();
    yard.worker("w", { credit: 3, resources: { cpu: 4, gpu: 2 } });
    asking(yard, { cpu: 3, gpu: 1 });
    yard.tick();
    const id = asking(yard, { cpu: 4, gpu: 2 });
    yard.tick();
    const place = { queue: "default", position: 1, ready: 1, workers: 1, willing: 1 };
    const needs = { needs: { cpu: 4, gpu: 2 }, mostFree: { cpu: 1, gpu: 1 } };
    expectExplained(yard, id, {
      state: "ready",
      reason: "resources",
      sentence: "No worker has cpu: 4 and gpu: 2 free.",
      data: { ...place, ...needs, reserved: null },
    });
    yard.tick(5_000);
    yard.tick();
    expectExplained(yard, id, {
      state: "ready",
      reason: "resources",
      sentence: "No worker has cpu: 4 and gpu: 2 free. Worker w is kept free for it.",
      data: { ...place, ...needs, reserved: "w" },
    });
  });

  it("are counted where none of several takes new work", () => {
    const yard = new KernelYard();
    for (const id of ["a", "b"]) {
      yard.worker(id);
      yard.order({ type: "drain", worker: id });
    }
    const id = yard.submit();
    yard.tick();
    expectExplained(yard, id, {
      state: "ready",
      reason: "no-willing-worker",
      sentence: "No worker that knows work takes new work (2 in all).",
      data: { queue: "default", position: 1, ready: 1, workers: 2, willing: 0 },
    });
  });
});

describe("explain, of a task that has ended", () => {
  it("says that it expired, as its record does when no dispatcher knows it any more", () => {
    const yard = new KernelYard();
    const id = yard.submit({ expiresInMs: 500 });
    yard.tick();
    yard.tick(600);
    expect(explained(yard, id)).toBeNull();
    const message = "The task could not start before its time was over.";
    expect(explainRecord(yard.record(id))).toEqual({
      id,
      state: "expired",
      reason: "ended",
      sentence: `The task has ended as expired (TASK_EXPIRED: ${message}).`,
      data: { code: "TASK_EXPIRED", error: { code: "TASK_EXPIRED", message, stack: "" } },
    });
  });
});
