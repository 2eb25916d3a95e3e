import { describe, expect, it } from "vitest";
import { z } from "zod";
import { draft } from "../client/submission.ts";
import { type AnyTask, defineTask } from "../definition.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { defineQueue, type QueueOptions, queueRecordOf } from "./queue.ts";

function faultOf(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    if (error instanceof YardmasterError) return [error.code, error.details["field"]];
    throw error;
  }
  return "nothing thrown";
}

interface Input {
  readonly tenant: string;
  readonly size: number;
}

describe("the options for order and limits", () => {
  it("ask their functions for each task, with the parsed input", () => {
    const task = defineTask({
      name: "t",
      queue: defineQueue({ name: "q", order: "fair" }),
      input: z.object({ tenant: z.string().transform((text) => text.toUpperCase()) }),
      fairness: { key: ({ tenant }) => tenant, weight: ({ tenant }) => tenant.length },
      concurrency: { limit: 2, key: ({ tenant }) => `c-${tenant}` },
      rate: { limit: 5, perMs: 1_000, key: ({ tenant }) => `r-${tenant}` },
    });
    expect(task.spec.limits).toEqual({ concurrency: 2, rate: { limit: 5, perMs: 1_000, burst: 1 } });
    expect(draft(task as unknown as AnyTask, { tenant: "ab" })).toMatchObject({
      payload: '{"tenant":"ab"}',
      terms: { fairnessKey: "AB", weight: 2, concurrencyKey: "c-AB", rateKey: "r-AB", deadline: 0 },
    });
  });

  it("limit a definition as a whole where they have no key", () => {
    const task = defineTask({ name: "t", concurrency: 3, rate: { limit: 1, perMs: 100, burst: 4 } });
    expect(task.spec.limits).toEqual({ concurrency: 3, rate: { limit: 1, perMs: 100, burst: 4 } });
    expect(task.terms).toBeUndefined();
  });

  const plain = (input: Input): string => input.tenant;
  it.each<[string, () => unknown]>([
    ["concurrency", () => defineTask({ name: "t", concurrency: 0 })],
    ["concurrency.limit", () => defineTask<Input>({ name: "t", concurrency: { limit: -1, key: plain } })],
    ["rate.perMs", () => defineTask({ name: "t", rate: { limit: 1, perMs: 0 } })],
    ["rate.burst", () => defineTask({ name: "t", rate: { limit: 1, perMs: 1, burst: 0.5 } })],
    [
      "fairness",
      () =>
        defineTask<Input>({
          name: "t",
          queue: defineQueue({ name: "q", order: "fifo" }),
          fairness: { key: plain },
        }),
    ],
    ["order", () => defineQueue({ name: "q", order: "sorted" } as unknown as QueueOptions)],
    ["placement", () => defineQueue({ name: "q", placement: "best" } as unknown as QueueOptions)],
    ["fairness.key", () => defineTask<Input>({ name: "t", fairness: { key: 7 as never } })],
    ["affinity.key", () => defineTask<Input>({ name: "t", affinity: {} as never })],
    ["rate.key", () => defineTask<Input>({ name: "t", rate: { limit: 1, perMs: 1, key: "x" as never } })],
    ["needs.gpu", () => defineTask({ name: "t", needs: { gpu: -1 } })],
    ["needs.cpu", () => defineTask({ name: "t", needs: { cpu: 0.0001 } })],
    ["labels.required.zone", () => defineTask({ name: "t", labels: { required: { zone: 7 as never } } })],
    ["weight", () => defineQueue({ name: "q", weight: -1 })],
    ["precedence", () => defineQueue({ name: "q", precedence: 256 })],
    ["agingMs", () => defineQueue({ name: "q", agingMs: 5 })],
    ["admission", () => defineQueue({ name: "q", admission: "refuse" })],
    ["rate.limit", () => defineQueue({ name: "q", rate: { limit: 0, perMs: 5 } })],
  ])("are refused when they are out of range: %s", (field, act) => {
    expect(faultOf(act)).toEqual(["INVALID_OPTIONS", field]);
  });

  it.each<[string, string, Parameters<typeof defineTask<Input>>[0]]>([
    ["throws", "fairness.key", { name: "t", fairness: { key: () => fail() } }],
    [
      "answers 10 MB",
      "concurrency.key",
      { name: "t", concurrency: { limit: 1, key: () => "x".repeat(1e7) } },
    ],
    ["answers a promise", "affinity.key", { name: "t", affinity: { key: async () => "a" } as never }],
    ["answers nothing", "rate.key", { name: "t", rate: { limit: 1, perMs: 1, key: () => "" } }],
    [
      "answers a negative weight",
      "fairness.weight",
      { name: "t", fairness: { key: plain, weight: () => -1 } },
    ],
  ])("refuse an input whose function %s", (_, field, options) => {
    const task = defineTask<Input>(options);
    expect(faultOf(() => draft(task as unknown as AnyTask, { tenant: "a", size: 1 }))).toEqual([
      "INVALID_INPUT",
      field,
    ]);
  });

  it("may bring a fairness key into a queue whose order nobody has named", () => {
    const queue = defineQueue({ name: "q" });
    expect(queueRecordOf(queue)).toMatchObject({ order: "fifo", orderByDefault: true });
    expect(queueRecordOf(defineQueue({ name: "q", order: "fifo" }))).not.toHaveProperty("orderByDefault");
    expect(defineTask<Input>({ name: "t", queue, fairness: { key: plain } }).queue).toBe("q");
  });

  it("go into a queue's record only where they differ from the defaults", () => {
    expect(queueRecordOf(defineQueue({ name: "q", order: "lifo", weight: 1 }))).not.toHaveProperty(
      "settings",
    );
    expect(queueRecordOf(defineQueue({ name: "q", concurrency: 200 })).settings).toMatchObject({
      concurrency: 200,
      weight: 1,
      rate: null,
    });
  });
});

describe("a deadline", () => {
  const task = defineTask<Input>({ name: "t" }) as unknown as AnyTask;

  it("is a date or counted from acceptance", () => {
    expect(draft(task, 1, { deadline: 2_000 }, 1_000)).toMatchObject({ terms: { deadline: 2_000 } });
    expect(draft(task, 1, { deadlineInMs: 5 })).toMatchObject({ terms: { deadline: 0, deadlineInMs: 5 } });
  });

  it.each([
    ["deadline", { deadline: 999 }],
    ["deadline", { deadline: Number.NaN }],
    ["deadline", { deadline: "tomorrow" as never }],
    ["deadline", { deadline: null as never }],
    ["runAt", { runAt: "tomorrow" as never }],
    ["priority", { priority: -1 }],
    ["delayMs", { delayMs: -1 }],
    ["expiresInMs", { expiresInMs: Number.POSITIVE_INFINITY }],
    ["attempts", { attempts: 0 }],
    ["deadlineInMs", { deadlineInMs: 0 }],
    ["deadline", { deadline: 2_000, deadlineInMs: 5 }],
  ])("is refused when it makes no sense: %s", (field, options) => {
    expect(faultOf(() => draft(task, 1, options, 1_000))).toEqual(["INVALID_OPTIONS", field]);
  });
});

function fail(): never {
  throw new Error("no tenant");
}
