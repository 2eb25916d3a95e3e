import { describe, expect, it } from "vitest";
import type { TraceHeader, TraceTask } from "../protocol/yard-trace.ts";
import { replayed } from "./laboratory.ts";
import type { Figures } from "./measure.ts";
import { replayOf } from "./replay.ts";
import { policyNamed } from "./scenario.ts";
import { readTrace } from "./trace-file.ts";

const AT = 1_780_000_000_000;
const queue = {
  name: "q",
  order: "fifo",
  placement: "two-choices",
  weight: 1,
  precedence: 0,
  agingMs: 10_000,
  concurrency: 0,
  rate: null,
  admission: "any",
} as const;
const worker = { id: "w", slots: 1, labels: { zone: "eu" }, resources: { gpu: 2 }, tasks: ["work@1"] };
const header: TraceHeader = {
  yardmaster: "trace",
  version: 1,
  at: AT + 100_000,
  queues: [queue],
  workers: [worker],
};

/** A task that came at some time, and started at once and took a second where nothing else is said. */
function task(number: number, atMs: number, more: Partial<TraceTask> = {}): TraceTask {
  const startedAt = AT + atMs;
  return {
    id: `task-${String(number).padStart(6, "0")}`,
    name: "work",
    version: 1,
    queue: "q",
    priority: 0,
    state: "succeeded",
    submittedAt: startedAt,
    dueAt: startedAt,
    attempts: [{ worker: "w", startedAt, endedAt: startedAt + 1_000, code: "" }],
    ...more,
  };
}

/** Through the file's own form. */
async function figuresOf(
  tasks: readonly TraceTask[],
  policies: readonly string[],
  head = header,
): Promise<Figures[]> {
  const trace = await readTrace([head, ...tasks].map((line) => JSON.stringify(line)));
  const replay = replayOf(trace, "test", policies.map(policyNamed));
  return [...replayed(replay)].map(({ figures }) => figures);
}

describe("a replay", () => {
  it("has tasks come, wait and end as they did", async () => {
    const tasks = [task(1, 0), task(2, 500), task(3, 5_000)];
    const [recorded] = await figuresOf(tasks, []);
    expect(recorded).toMatchObject({
      policy: "as recorded",
      tasks: 3,
      tookMs: 6_000,
      utilisation: 0.5,
      waitMs: { max: 500, p50: 0 },
      dropped: 0,
    });
  });

  it("says what another order would have done for those behind a burst", async () => {
    const burst = Array.from({ length: 60 }, (_, number) => task(number, number, { fairnessKey: "loud" }));
    const others = Array.from({ length: 20 }, (_, index) => 60 + index).map((number) =>
      task(number, number, { fairnessKey: "quiet" }),
    );
    const [recorded, fifo, fair] = await figuresOf([...others, ...burst], ["fifo", "fair"]);
    expect(recorded).toEqual({ ...fifo, policy: "as recorded" });
    expect(fifo?.fairness).toBeLessThan(fair?.fairness ?? 0);
    expect(fair?.tookMs).toBe(fifo?.tookMs);
  });

  it("tries again what failed, for as long as each attempt took and waited", async () => {
    const [first, second] = [
      { worker: "w", startedAt: AT, endedAt: AT + 300, code: "HANDLER_FAILED", resumesAt: AT + 1_300 },
      { worker: "w", startedAt: AT + 1_400, endedAt: AT + 1_600, code: "" },
    ];
    const [recorded] = await figuresOf([task(1, 0, { attempts: [first, second] })], []);
    expect(recorded).toMatchObject({ tasks: 1, tookMs: 1_500, lostMs: 300 });
  });

  it("starts nothing before what it waits for has ended, and counts its wait from then", async () => {
    const last = task(3, 2, { after: ["task-000001", "task-000002", "task-of-yore"] });
    const [recorded] = await figuresOf([last, task(1, 0), task(2, 1)], [], {
      ...header,
      workers: [{ ...worker, slots: 3 }],
    });
    expect(recorded).toMatchObject({ tookMs: 2_001, waitMs: { max: 0 } });
  });

  it("lets expire what would have started too late, and misses its deadline", async () => {
    const tasks = [task(1, 0), task(2, 10, { expiresAt: AT + 900, deadline: AT + 5_000 }), task(3, 20)];
    const [recorded, lifo] = await figuresOf(tasks, ["lifo"]);
    expect(recorded).toMatchObject({ tasks: 2, dropped: 1, deadlineMisses: 1, tookMs: 2_000 });
    expect(lifo).toMatchObject({ tasks: 2, dropped: 1 });
  });

  it("takes the mean of its name for what has not started or ended, and leaves out what nobody knows or can run", async () => {
    const open = { state: "ready", attempts: [] } as const;
    const tasks = [
      task(1, 0),
      task(2, 0, { attempts: [{ worker: "w", startedAt: AT, endedAt: AT + 3_000, code: "" }] }),
      task(3, 0, open),
      task(4, 0, { ...open, state: "expired" }),
      task(5, 0, {
        state: "running",
        attempts: [{ worker: "w", startedAt: AT + 99_500, endedAt: null, code: "" }],
      }),
      task(6, 0, { ...open, name: "never", queue: "new" }),
      task(7, 0, { ...open, state: "cancelled" }),
      task(8, 0, { labels: { zone: "us" } }),
      task(9, 0, { needs: { gpu: 3 } }),
      task(10, 0, { version: 2 }),
      task(11, 0, { needs: { gpu: 2 }, labels: { zone: "eu" }, limits: { concurrency: 1, rate: null } }),
    ];
    const trace = await readTrace([header, ...tasks].map((line) => JSON.stringify(line)));
    const replay = replayOf(trace, "test", []);
    expect(replay).toMatchObject({ neverStarted: 1, unknown: 1, unserved: 3 });
    const [measure] = replayed(replay);
    expect(measure?.figures).toMatchObject({ tasks: 6, tookMs: 1_000 + 3_000 + (3 * 8_000) / 6 + 1_000 });
  });

  it.each([
    ["no workers with slots", { ...header, workers: [] }, [task(1, 0)]],
    ["no task that could run again", header, [task(1, 0, { version: 3 })]],
  ])("refuses a trace with %s", async (why, head, tasks) => {
    await expect(figuresOf(tasks, [], head)).rejects.toMatchObject({
      code: "INVALID_OPTIONS",
      message: expect.stringContaining(why),
    });
  });

  it("goes through every order where none is named", async () => {
    const trace = await readTrace([header, task(1, 0)].map((line) => JSON.stringify(line)));
    expect(replayOf(trace, "test").scenario.policies.map(({ name }) => name)).toEqual([
      "fifo",
      "priority",
      "lifo",
      "fair",
      "deadline",
      "shortest",
      "critical-path",
    ]);
  });
});

describe("a policy in words", () => {
  it("is an order, a placement or both", () => {
    expect(policyNamed("fair")).toMatchObject({ name: "fair", order: "fair", placement: null });
    expect(policyNamed("pack")).toMatchObject({ name: "pack", order: null, placement: "pack" });
    expect(policyNamed("pack, lifo")).toMatchObject({ name: "lifo, pack", order: "lifo", placement: "pack" });
  });

  it.each(["", "best", "fifo,lifo", "pack,pack", "fair,"])("is not %j", (text) => {
    expect(() => policyNamed(text)).toThrow(
      expect.objectContaining({
        code: "INVALID_OPTIONS",
        message: expect.stringContaining("give an order (fifo, "),
      }),
    );
  });
});

describe("a trace that is wrong", () => {
  const good = JSON.stringify(task(1, 0));
  const head = JSON.stringify(header);
  const changed = (more: object): string => JSON.stringify({ ...task(1, 0), ...more });
  it.each([
    ["nothing in it", 1, "is missing", []],
    ["no header", 1, "is no header", [good]],
    ["a scalar for a header", 1, "is no header", ["5"]],
    ["a line that is not JSON", 3, "is not JSON", [head, good, "{oops", good]],
    ["a torn last line", 3, "is cut off", [head, good, good.slice(0, 40), ""]],
    ["another kind of header", 1, "yardmaster must be trace", ['{"yardmaster":"history"}']],
    ["a list for a task", 2, "must be a group of fields", [head, "[]"]],
    ["a negative time", 2, "submittedAt must be a number from 0", [head, changed({ submittedAt: -5 })]],
    ["a time before another", 2, "dueAt must be a number from", [head, changed({ dueAt: 7 })]],
    [
      "an end before its start",
      2,
      "attempts[0].endedAt must be a number from 9",
      [head, changed({ attempts: [{ worker: "w", startedAt: 9, endedAt: 8 }] })],
    ],
    [
      "a field that nobody knows",
      2,
      "color must be a field that there is",
      [head, changed({ color: "red" })],
    ],
    ["no id", 2, "id must be text", [head, changed({ id: 5 })]],
    ["no attempts", 2, "attempts must be a list", [head, changed({ attempts: null })]],
    ["a wrong limit", 2, "limits.concurrency must be", [head, changed({ limits: { concurrency: -1 } })]],
    ["a wrong dependency", 2, "after must be a list of texts", [head, changed({ after: [1] })]],
    [
      "a wrong rate",
      1,
      "queues[0].rate.limit must be",
      [JSON.stringify({ ...header, queues: [{ ...queue, rate: { limit: 0, perMs: 1 } }] })],
    ],
    [
      "an unknown order",
      1,
      "queues[0].order must be fifo or priority",
      [JSON.stringify({ ...header, queues: [{ ...queue, order: "best" }] })],
    ],
  ])("has %s: its line is named, and what to do", async (_, line, why, lines) => {
    const reading = readTrace(lines);
    await expect(reading).rejects.toMatchObject({
      code: "INVALID_OPTIONS",
      message: expect.stringMatching(
        new RegExp(`^line ${line} of the trace.*(?:[Ee]xport|yardmaster trace)`, "i"),
      ),
      details: { line },
    });
    await expect(reading).rejects.toThrow(why);
  });

  it("has another version", async () => {
    await expect(readTrace([JSON.stringify({ ...header, version: 2 })])).rejects.toMatchObject({
      code: "UNSUPPORTED_VERSION",
      details: { line: 1, version: 2, supported: 1 },
    });
  });
});
