import { afterAll, describe, expect, it } from "vitest";
import { asserted, declare, expectExplained, explained } from "../../test/explained.ts";
import { KernelYard, type Wish } from "../../test/kernel-yard.ts";
import { NO_TERMS } from "../definition/terms.ts";
import { REASONS, type Reason } from "../protocol/explanation.ts";

/** Told by a client, which asks the store where no dispatcher has the task in memory: see `client/explain.test.ts`. */
const ELSEWHERE: readonly Reason[] = ["parked", "no-dispatcher"];

afterAll(() => {
  expect(REASONS.filter((reason) => !asserted.has(reason) && !ELSEWHERE.includes(reason))).toEqual([]);
});

function keyed(concurrency: number, perMs = 0): Wish {
  const rate = perMs === 0 ? null : { limit: 1, perMs, burst: 1 };
  const terms = {
    ...NO_TERMS,
    concurrencyKey: concurrency === 0 ? "" : "tenant-7",
    rateKey: perMs === 0 ? "" : "tenant-7",
  };
  return { terms, spec: { limits: { concurrency, rate } } };
}

const links = { graph: "", members: 0, onFailure: "skip", fed: false } as const;
const FAILED = { code: "HANDLER_FAILED", message: "The attempt failed without a reason.", stack: "" };
const LOST = { code: "WORKER_LOST", message: "Worker w is gone during attempt 1.", stack: "" };

describe("explain, of a task that waits for others", () => {
  it("names those that have not ended", () => {
    const yard = new KernelYard({ maxLive: 2 });
    yard.worker("w");
    const [a, b] = [yard.submit(), yard.submit()];
    yard.tick();
    const parked = yard.submit();
    yard.tick();
    const id = yard.submit({ links: { ...links, after: [a, b, parked] } });
    yard.tick();
    expectExplained(yard, id, {
      state: "blocked",
      reason: "dependencies",
      sentence: `Waiting for 3 of 3 tasks to end: ${a} (assigned), ${b} (ready), ${parked} (parked).`,
      data: { waitsFor: [a, b, parked], left: 3, of: 3, ifDependencyFails: "skip" },
    });
  });

  it("names ten of many", () => {
    const yard = new KernelYard();
    const ids = Array.from({ length: 12 }, () => yard.submit());
    const id = yard.submit({ links: { ...links, after: ids } });
    const named = ids.slice(0, 10);
    expectExplained(yard, id, {
      state: "blocked",
      reason: "dependencies",
      sentence: `Waiting for 12 of 12 tasks to end: ${named.map((one) => `${one} (ready)`).join(", ")} and 2 more.`,
      data: { waitsFor: named, left: 12, of: 12, ifDependencyFails: "skip" },
    });
  });

  it("tells what its graph lacks", () => {
    const yard = new KernelYard();
    const id = yard.submit({ links: { ...links, graph: "g", members: 3, after: [] } });
    expectExplained(yard, id, {
      state: "blocked",
      reason: "graph-incomplete",
      sentence: "Graph g has 1 of its 3 tasks so far: none starts before all have arrived.",
      data: { graph: "g", members: 3, arrived: 1 },
    });
  });
});

describe("explain", () => {
  it("tells where an active task is", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    const id = yard.submit();
    expectExplained(yard, id, {
      state: "ready",
      reason: "next",
      sentence: "The task is handed out with the next tick.",
      data: { queue: "default", position: 1, ready: 1, workers: 1, willing: 1 },
    });
    yard.tick();
    expectExplained(yard, id, {
      state: "assigned",
      reason: "assigned",
      sentence: "Attempt 1 was given to worker w.",
      data: { worker: "w", attempt: 1 },
    });
    worker.start();
    expectExplained(yard, id, {
      state: "running",
      reason: "running",
      sentence: "Attempt 1 runs on worker w.",
      data: { worker: "w", attempt: 1 },
    });
    worker.isStubborn = true;
    yard.cancel(id);
    expectExplained(yard, id, {
      state: "running",
      reason: "cancelling",
      sentence: "A cancel waits for worker w to end attempt 1.",
      data: { worker: "w", attempt: 1 },
    });
    worker.finish();
    expectExplained(yard, id, {
      state: "cancelled",
      reason: "ended",
      sentence: "The task has ended as cancelled (TASK_CANCELLED: The task was cancelled.).",
      data: {
        code: "TASK_CANCELLED",
        error: { code: "TASK_CANCELLED", message: "The task was cancelled.", stack: "" },
      },
    });
    yard.tick();
    expect(explained(yard, id)).toBeNull();
  });

  it("tells of a second attempt beside a late one", () => {
    const yard = new KernelYard();
    const first = yard.worker("w1");
    const spec = { speculation: { afterFactor: 2, afterMs: 100 } };
    for (let done = 0; done < 3; done++) {
      yard.submit({ spec });
      yard.tick();
      first.finish();
    }
    const id = yard.submit({ spec });
    yard.tick();
    first.start();
    yard.worker("w2");
    yard.tick(500);
    expectExplained(yard, id, {
      state: "running",
      reason: "second-attempt",
      sentence: "Attempt 1 runs on worker w1 and takes long: attempt 2 runs beside it on worker w2.",
      data: { worker: "w1", attempt: 1, second: { attempt: 2, worker: "w2" } },
    });
  });

  it("tells when a task is due, and what happened before", () => {
    const yard = new KernelYard();
    const later = yard.submit({ delayMs: 900 });
    expectExplained(yard, later, {
      state: "scheduled",
      reason: "delay",
      sentence: "The task is not due before 900 ms from now.",
      data: { runAt: yard.now + 900, inMs: 900 },
    });
    const worker = yard.worker("w");
    const id = yard.submit();
    yard.tick();
    worker.finish("failed");
    expectExplained(yard, id, {
      state: "scheduled",
      reason: "retry",
      sentence: "Attempt 1 failed; the next one may start in 1000 ms.",
      data: { attempt: 1, runAt: yard.now + 1_000, inMs: 1_000, error: FAILED },
    });
  });

  it("tells that a later task may take the place of one that is debounced", () => {
    const yard = new KernelYard();
    const replace = { key: "k", waitMs: 900, maxWaitMs: 5_000, until: 0 };
    const id = yard.submit({ terms: { ...NO_TERMS, replace } });
    yard.tick(100);
    expectExplained(yard, id, {
      state: "scheduled",
      reason: "replaceable",
      sentence: "For 800 ms more a later task of key k of work may take its place; then it is due.",
      data: { name: "work", key: "k", runAt: yard.now + 800, inMs: 800, until: yard.now + 4_900 },
    });
  });

  it("keeps a doubtful deadline in sight until the end", () => {
    const yard = new KernelYard();
    declare(yard, { admission: "flag" }, "deadline");
    const worker = yard.worker("w");
    yard.submit();
    yard.tick();
    yard.now += 100;
    worker.finish();
    yard.submit();
    yard.tick();
    const id = yard.submit({ terms: { ...NO_TERMS, deadline: yard.now + 60 } });
    yard.tick();
    const doubt = { deadline: yard.now + 60, deadlineInMs: 60, deadlineDoubtful: true };
    expectExplained(yard, id, {
      state: "ready",
      reason: "workers-busy",
      sentence:
        "Every worker that knows work is busy (1 in all); position about 1 of 1 in queue default. " +
        "Its deadline is in 60 ms; that it can be met was doubted when it was accepted.",
      data: { queue: "default", position: 1, ready: 1, workers: 1, willing: 1, ...doubt },
    });
    worker.finish();
    yard.tick(80);
    expectExplained(yard, id, {
      state: "assigned",
      reason: "assigned",
      sentence:
        "Attempt 1 was given to worker w. " +
        "Its deadline was 20 ms ago; that it can be met was doubted when it was accepted.",
      data: { worker: "w", attempt: 1, ...doubt, deadlineInMs: -20 },
    });
    worker.finish();
    expectExplained(yard, id, {
      state: "succeeded",
      reason: "ended",
      sentence: "The task has ended as succeeded.",
      data: { code: "DEADLINE_DOUBTFUL", error: null },
    });
  });

  it("says that the deaths of its workers are not certain yet", () => {
    const yard = new KernelYard({ quarantineDeaths: 1 });
    const worker = yard.worker("w");
    const id = yard.submit();
    yard.tick();
    worker.die("absent");
    yard.tick(1_000);
    expectExplained(yard, id, {
      state: "scheduled",
      reason: "held-back",
      sentence: "Workers may have died of the task (1): in 9000 ms that is certain, unless they are heard.",
      data: { attempt: 1, deaths: 1, runAt: yard.now + 9_000, inMs: 9_000, error: LOST },
    });
  });

  it("says that a cancel waits for a worker that may only be out of sight", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    const id = yard.submit();
    yard.tick();
    worker.die("absent");
    yard.cancel(id);
    yard.tick(1_000);
    expectExplained(yard, id, {
      state: "scheduled",
      reason: "cancelling",
      sentence: "A cancel waits: for 6000 ms more a worker that was lost may still start the task.",
      data: { attempt: 1, runAt: yard.now + 6_000, inMs: 6_000 },
    });
  });

  it("says how long the row before a task is, where those before longer rows go first", () => {
    const yard = new KernelYard();
    declare(yard, {}, "critical-path");
    const worker = yard.worker("w");
    yard.submit();
    yard.tick();
    yard.now += 100;
    worker.finish();
    worker.credit = 0;
    worker.beat();
    const [short, long] = [yard.submit(), yard.submit()];
    yard.submit({ links: { ...links, after: [long] } });
    for (const [id, position] of [
      [short, 2],
      [long, 1],
    ] as const)
      expectExplained(yard, id, {
        state: "ready",
        reason: "workers-busy",
        sentence: `Every worker that knows work is busy (1 in all); position about ${position} of 2 in queue default.`,
        data: { queue: "default", position, ready: 2, workers: 1, willing: 1 },
      });
  });

  it.each([
    ["fifo", [1, 2, 3]],
    ["lifo", [3, 2, 1]],
    ["priority", [3, 1, 2]],
    ["deadline", [3, 1, 2]],
    ["shortest", [1, 2, 3]],
    ["fair", [null, null, null]],
  ] as const)("says where a task stands in a queue of order %s", (order, positions) => {
    const yard = new KernelYard();
    declare(yard, {}, order);
    yard.worker("w", { credit: 0 });
    const wishes = [
      { priority: 1, deadline: yard.now + 3_000 },
      { priority: 3, deadline: yard.now + 1_000 },
      { priority: 2, deadline: yard.now + 2_000 },
    ];
    const ids = wishes.map(({ priority, deadline }) =>
      yard.submit({ priority, terms: { ...NO_TERMS, deadline } }),
    );
    for (const [index, id] of ids.entries()) {
      const position = positions[index] ?? null;
      const place = position === null ? "one" : `position about ${position}`;
      expectExplained(yard, id, {
        state: "ready",
        reason: "workers-busy",
        sentence: `Every worker that knows work is busy (1 in all); ${place} of 3 in queue default.`,
        data: { queue: "default", position, ready: 3, workers: 1, willing: 1 },
      });
    }
  });

  it("names who holds a concurrency key", () => {
    const yard = new KernelYard();
    yard.worker("w", { credit: 9 });
    const [one, two, three] = [1, 2, 3].map(() => yard.submit(keyed(2)));
    yard.tick();
    expectExplained(yard, three ?? "", {
      state: "ready",
      reason: "concurrency",
      sentence: `Waiting for concurrency key tenant-7 of work (2 of 2 held by ${one}, ${two}).`,
      data: { name: "work", key: "tenant-7", limit: 2, held: 2, holders: [one, two], waiting: 1 },
    });
  });

  it("says when a rate allows the next start", () => {
    const yard = new KernelYard();
    yard.worker("w", { credit: 9 });
    yard.submit(keyed(0, 500));
    const id = yard.submit(keyed(0, 500));
    yard.tick();
    yard.now += 160;
    expectExplained(yard, id, {
      state: "ready",
      reason: "rate",
      sentence: "The rate of key tenant-7 of work allows the next start in 340 ms.",
      data: {
        name: "work",
        key: "tenant-7",
        limit: 1,
        perMs: 500,
        burst: 1,
        opensAt: yard.now + 340,
        inMs: 340,
        waiting: 1,
      },
    });
  });

  it("says what the queue waits for", () => {
    const yard = new KernelYard();
    yard.worker("w", { credit: 9 });
    declare(yard, { concurrency: 1 });
    yard.submit();
    const id = yard.submit();
    yard.tick();
    expectExplained(yard, id, {
      state: "ready",
      reason: "queue-concurrency",
      sentence: "Queue default runs as many tasks as it may (1 of 1).",
      data: { queue: "default", limit: 1, held: 1 },
    });
    declare(yard, { rate: { limit: 1, perMs: 1_000, burst: 1 } });
    yard.tick();
    const next = yard.submit();
    yard.tick();
    expectExplained(yard, next, {
      state: "ready",
      reason: "queue-rate",
      sentence: "The rate of queue default allows the next start in 1000 ms.",
      data: { queue: "default", limit: 1, perMs: 1_000, burst: 1, inMs: 1_000, opensAt: yard.now + 1_000 },
    });
    yard.order({ type: "pause", queue: "default" });
    expectExplained(yard, next, {
      state: "ready",
      reason: "queue-paused",
      sentence: "Queue default is paused.",
      data: { queue: "default", position: 1, ready: 1 },
    });
  });

  it("says which workers are missing", () => {
    const yard = new KernelYard();
    const id = yard.submit();
    expectExplained(yard, id, {
      state: "ready",
      reason: "no-worker",
      sentence: "No worker is connected.",
      data: { name: "work", version: 1 },
    });
    yard.worker("other", { tasks: ["play"] });
    expectExplained(yard, id, {
      state: "ready",
      reason: "unknown-name",
      sentence: "No connected worker knows work.",
      data: { name: "work", version: 1 },
    });
    yard.worker("w", { credit: 1 });
    yard.tick();
    const waiting = [yard.submit(), yard.submit()].at(1) ?? "";
    yard.tick();
    expectExplained(yard, waiting, {
      state: "ready",
      reason: "workers-busy",
      sentence: "Every worker that knows work is busy (1 in all); position about 2 of 2 in queue default.",
      data: { queue: "default", position: 2, ready: 2, workers: 1, willing: 1 },
    });
    yard.order({ type: "drain", worker: "w" });
    expectExplained(yard, waiting, {
      state: "ready",
      reason: "no-willing-worker",
      sentence: "No worker that knows work takes new work (1 in all).",
      data: { queue: "default", workers: 1, willing: 0, position: 2, ready: 2 },
    });
  });

  it("says which label or resource is missing, for good or for now", () => {
    const yard = new KernelYard();
    yard.worker("w", { credit: 3, labels: { zone: "us" }, resources: { gpu: 2 } });
    const asking = (needs: Record<string, number>, labels: Record<string, string> = {}): string =>
      yard.submit({ spec: { requirements: { needs, labels, preferred: {} } } });
    const [elsewhere, tooLarge, running, waiting] = [
      asking({}, { zone: "eu" }),
      asking({ gpu: 3 }),
      asking({ gpu: 2 }),
      asking({ gpu: 1 }),
    ];
    yard.tick();
    expectExplained(yard, elsewhere, {
      state: "ready",
      reason: "no-such-label",
      sentence: "No connected worker that knows work has the label zone=eu.",
      data: { labels: { zone: "eu" } },
    });
    expectExplained(yard, tooLarge, {
      state: "ready",
      reason: "no-such-resource",
      sentence: "No connected worker offers gpu: 3.",
      data: { needs: { gpu: 3 }, mostOffered: { gpu: 2 } },
    });
    expect(yard.state(running)).toBe("assigned");
    expectExplained(yard, waiting, {
      state: "ready",
      reason: "resources",
      sentence: "No worker has gpu: 1 free.",
      data: {
        queue: "default",
        position: 1,
        ready: 3,
        workers: 1,
        willing: 1,
        needs: { gpu: 1 },
        mostFree: { gpu: 0 },
        reserved: null,
      },
    });
  });
});
