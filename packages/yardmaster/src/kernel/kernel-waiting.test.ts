import { describe, expect, it } from "vitest";
import { KernelYard, type Wish } from "../../test/kernel-yard.ts";
import { DEFAULT_SETTINGS, type Millis, type QueueRecord, type TaskTerms } from "../protocol/task.ts";

/* What waits costs nothing while it waits: nothing is tried in vain, written, sent or woken. */

const TASKS = 1_000;
const SWEEP_MS = 10_000;
const NEVER = Number.POSITIVE_INFINITY;
const HOUR_MS = 3_600_000;
const RARELY = { limit: 1, perMs: HOUR_MS, burst: 1 };
const QUEUE: QueueRecord = {
  name: "default",
  order: "fifo",
  placement: "least-loaded",
  paused: false,
  revision: 1,
};

function keyed(key: string): TaskTerms {
  const none = { deadline: 0, deadlineInMs: 0, fairnessKey: "", weight: 1, affinityKey: "" };
  return { ...none, concurrencyKey: key, rateKey: key };
}

function open(): KernelYard {
  const yard = new KernelYard({ workerLossMs: 1e9, validate: false });
  yard.worker("w", { credit: 10 });
  return yard;
}

function submitAll(yard: KernelYard, wish: Wish): void {
  for (let task = 0; task < TASKS; task++) yard.submit({ ...wish, spec: { timeoutMs: 0, ...wish.spec } });
  yard.tick();
}

/** Brings a yard to where all wait, and says when their gate opens by itself. */
const GATES: Record<string, () => { yard: KernelYard; opensAt: Millis }> = {
  "a place of their concurrency key": () => {
    const yard = open();
    submitAll(yard, { terms: keyed("a"), spec: { limits: { concurrency: 1, rate: null } } });
    return { yard, opensAt: NEVER };
  },
  "a place of their queue": () => {
    const yard = open();
    yard.order({ type: "apply", queues: [{ ...QUEUE, settings: { ...DEFAULT_SETTINGS, concurrency: 1 } }] });
    submitAll(yard, {});
    return { yard, opensAt: NEVER };
  },
  "the rate of their key": () => {
    const yard = open();
    submitAll(yard, { terms: keyed("a"), spec: { limits: { concurrency: 0, rate: RARELY } } });
    return { yard, opensAt: yard.now + HOUR_MS };
  },
  "the rate of their queue": () => {
    const yard = open();
    yard.order({ type: "apply", queues: [{ ...QUEUE, settings: { ...DEFAULT_SETTINGS, rate: RARELY } }] });
    submitAll(yard, {});
    return { yard, opensAt: yard.now + HOUR_MS };
  },
  "their queue to be resumed": () => {
    const yard = open();
    yard.order({ type: "pause", queue: "default" });
    submitAll(yard, {});
    return { yard, opensAt: NEVER };
  },
  "any worker": () => {
    const yard = new KernelYard({ validate: false });
    submitAll(yard, {});
    return { yard, opensAt: NEVER };
  },
  "a worker that knew them to come back": () => {
    const yard = open();
    yard.worker("v", { tasks: ["other"] }).leave();
    submitAll(yard, { spec: { name: "other" } });
    return { yard, opensAt: NEVER };
  },
  "a free slot": () => {
    const yard = open();
    submitAll(yard, {});
    return { yard, opensAt: NEVER };
  },
  "a resource": () => {
    const yard = open();
    submitAll(yard, { spec: { requirements: { needs: { gpu: 1 }, labels: {}, preferred: {} } } });
    return { yard, opensAt: NEVER };
  },
  "another task to end": () => {
    const yard = open();
    const first = yard.submit({ spec: { timeoutMs: 0 } });
    submitAll(yard, { links: { graph: "", members: 0, after: [first], onFailure: "fail", fed: false } });
    return { yard, opensAt: NEVER };
  },
  "their time": () => {
    const yard = open();
    submitAll(yard, { delayMs: HOUR_MS });
    return { yard, opensAt: yard.now + HOUR_MS };
  },
};

/** Lets so many seconds pass, and holds the kernel to doing nothing but its sweeps. */
function rest(yard: KernelYard, seconds: number, opensAt: Millis): void {
  const start = yard.now;
  for (let second = 1; second <= seconds; second++) {
    const isSweep = (second * 1_000) % SWEEP_MS === 0;
    const { changes, outgoing } = yard.tick(1_000);
    expect([changes.map(({ type }) => type), outgoing]).toEqual([isSweep ? ["sweep"] : [], []]);
    const sweptAt = start + Math.floor((second * 1_000) / SWEEP_MS) * SWEEP_MS;
    expect(yard.kernel.nextWakeAt()).toBe(Math.min(sweptAt + SWEEP_MS, opensAt));
  }
}

describe(`${TASKS} tasks that wait`, () => {
  it.each(Object.keys(GATES))("cost nothing for %s", (gate) => {
    const { yard, opensAt } = GATES[gate]?.() ?? { yard: open(), opensAt: NEVER };
    const isWaiting = (): number =>
      [...yard.rows.values()].filter(({ task }) => task.state !== "assigned").length;
    const waiting = isWaiting();
    expect(waiting).toBeGreaterThanOrEqual(TASKS - 10);
    rest(yard, 60, opensAt);
    expect(isWaiting()).toBe(waiting);
  });

  it("start one by one where their rate allows one, at that very moment", () => {
    const yard = open();
    const rate = { limit: 1, perMs: 7_500, burst: 1 };
    submitAll(yard, { terms: keyed("a"), spec: { limits: { concurrency: 0, rate } } });
    const start = yard.now;
    const starts: Millis[] = [];
    while (yard.kernel.nextWakeAt() <= start + 60_000) {
      const { outgoing } = yard.tick(yard.kernel.nextWakeAt() - yard.now);
      if (outgoing.length > 0) starts.push(yard.now - start);
    }
    expect(starts).toEqual([7_500, 15_000, 22_500, 30_000, 37_500, 45_000, 52_500, 60_000]);
  });

  it("are not looked at when one of their key ends, but for the next", () => {
    const looksBeside = (waiting: number): number => {
      const yard = open();
      let looks = 0;
      const terms = keyed("a");
      // Whoever asks for a task's limit reads its key.
      const watched: TaskTerms = Object.defineProperty({ ...terms }, "concurrencyKey", {
        enumerable: true,
        get: () => {
          looks++;
          return "a";
        },
      });
      const spec = { timeoutMs: 0, limits: { concurrency: 1, rate: null } };
      for (let task = 0; task < waiting; task++) yard.submit({ terms: watched, spec });
      yard.tick();
      looks = 0;
      const worker = yard.workers.get("w");
      for (let end = 0; end < 10; end++) {
        worker?.finish();
        yard.tick();
        expect(worker?.held).toHaveLength(1);
      }
      return looks;
    };
    const few = looksBeside(20);
    expect(few).toBeGreaterThan(0);
    expect(looksBeside(TASKS)).toBe(few);
    expect(few).toBeLessThanOrEqual(10 * 10);
  });
});
