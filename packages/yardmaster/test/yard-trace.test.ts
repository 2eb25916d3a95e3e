import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import {
  defineQueue,
  defineTask,
  startYard,
  type TaskHandle,
  type TraceTask,
  type Yard,
} from "../src/index.ts";
import type { Arrival } from "../src/lab/arrivals.ts";
import { RECORDED, replayed } from "../src/lab/laboratory.ts";
import { Measure } from "../src/lab/measure.ts";
import { type Replay, replayOf } from "../src/lab/replay.ts";
import { LabRun } from "../src/lab/run.ts";
import { type Policy, policyNamed } from "../src/lab/scenario.ts";
import { readTrace, type Trace } from "../src/lab/trace-file.ts";
import { createHandlers, fail } from "../src/worker.ts";

const shared = defineQueue({ name: "shared", order: "fair" });
const work = defineTask<number, string>({
  name: "work",
  queue: shared,
  fairness: { key: (input) => (input < LOUD ? "loud" : "quiet") },
});
const flaky = defineTask<string, string>({
  name: "flaky",
  attempts: 2,
  backoff: { type: "fixed", baseMs: 1, jitter: "none" },
});
const slow = defineTask<string>({ name: "slow" });
const late = defineTask<string>({ name: "late" });
const LOUD = 12;
const QUIET = 4;
const SECRET = "no-one-may-read-this";

let folder: string;
let yard: Yard;
let release: () => void;
let open: () => void;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "yardmaster-trace-"));
  const { on } = createHandlers();
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  yard = await startYard({
    url: `sqlite:${join(folder, "yard.db")}`,
    slots: 1,
    labels: { zone: "eu" },
    resources: { cpu: 2 },
    handlers: [
      // The first takes as long as it takes to submit the others, so that they wait behind it.
      on(work, async ({ input }) => {
        if (input === 0) await opened;
        return `${input} ${SECRET}`;
      }),
      on(flaky, ({ attempt }) => {
        if (attempt === 1) throw new Error(SECRET);
        return fail(SECRET);
      }),
      on(slow, () => released),
      on(late, () => undefined),
    ],
  });
});

afterAll(async () => {
  open();
  release();
  await yard.close();
  await rm(folder, { recursive: true, force: true });
});

async function exported(filter?: { from?: number; to?: number }): Promise<{ trace: Trace; text: string }> {
  const lines: string[] = [];
  for await (const line of yard.trace(filter)) lines.push(JSON.stringify(line));
  return { trace: await readTrace(lines), text: lines.join("\n") };
}

/**
 * Until a replay finds all others behind the first task, too: there it starts the moment it is submitted, so that it ends
 * earlier by what its start took here.
 */
async function behindTheFirst(first: TaskHandle<string> | undefined): Promise<void> {
  const acceptedAt = Date.now();
  for await (const { type } of first?.events() ?? []) if (type === "started") break;
  const { tasks } = (await exported()).trace;
  const recorded = tasks.find(({ id }) => id === first?.id);
  if (recorded === undefined) throw new Error("The first task is not in the trace.");
  await vi.waitUntil(() => Date.now() - acceptedAt > startOf(recorded) - recorded.submittedAt);
}

it("tells what a real yard did, and what it would have done under another policy", async () => {
  await yard.apply([shared]);
  await yard.configure("shared", { order: "fifo" });
  const handles: TaskHandle<string>[] = [];
  for (let input = 0; input < LOUD + QUIET; input++) handles.push(await yard.submit(work, input));
  await Promise.all(handles.map((handle) => handle.accepted()));
  await behindTheFirst(handles[0]);
  open();
  await Promise.all(handles.map((handle) => handle.result()));
  const broken = await yard.submit(flaky, SECRET);
  expect(await broken.settled()).toMatchObject({ ok: false });
  const running = await yard.submit(slow, SECRET);
  for await (const { type } of running.events()) if (type === "started") break;
  const [first] = handles;
  const waiting = await yard.submit(late, SECRET, { delayMs: 60_000, after: [running] });
  await waiting.accepted();

  const { trace, text } = await exported();
  expect(text).not.toContain(SECRET);
  const { header, tasks } = trace;
  expect(header).toMatchObject({
    version: 1,
    workers: [{ slots: 1, labels: { zone: "eu" }, resources: { cpu: 2 } }],
  });
  expect(header.queues).toContainEqual(
    expect.objectContaining({ name: "shared", order: "fifo", agingMs: 10_000 }),
  );
  expect(header.workers[0]?.tasks).toContain("work@1");
  expect(tasks).toHaveLength(LOUD + QUIET + 3);
  const byId = new Map(tasks.map((task) => [task.id, task]));
  expect(byId.get(first?.id ?? "")).toMatchObject({
    name: "work",
    queue: "shared",
    state: "succeeded",
    fairnessKey: "loud",
    attempts: [{ worker: header.workers[0]?.id, code: "" }],
  });
  expect(byId.get(broken.id)).toMatchObject({
    state: "failed",
    attempts: [
      { code: "HANDLER_FAILED", resumesAt: expect.any(Number) },
      { code: expect.stringMatching(/./) },
    ],
  });
  expect(byId.get(running.id)).toMatchObject({ state: "running", attempts: [{ endedAt: null }] });
  const last = byId.get(waiting.id);
  expect(last).toMatchObject({ state: "blocked", after: [running.id], attempts: [] });
  expect((last?.dueAt ?? 0) - (last?.submittedAt ?? 0)).toBe(60_000);

  const only = tasks.filter(({ name }) => name === "work");
  const replay = replayOf({ header, tasks: only }, "test", [policyNamed("fifo"), policyNamed("fair")]);
  const [recorded, fifo] = [...replayed(replay)].map(({ figures }) => figures);
  expect(recorded).toEqual({ ...fifo, policy: "as recorded" });
  const inYard = [...only].sort((a, b) => startOf(a) - startOf(b)).map(({ id }) => id);
  expect(inYard).toEqual(handles.map(({ id }) => id));
  expect(orderUnder(replay, RECORDED)).toEqual(handles.map((_, index) => index + 1));
  expect(lastQuiet(orderUnder(replay, policyNamed("fifo")))).toBe(LOUD + QUIET);
  expect(lastQuiet(orderUnder(replay, policyNamed("fair")))).toBeLessThanOrEqual(2 * QUIET + 1);

  expect((await exported({ to: header.at - 3_600_000 })).trace.tasks).toEqual([]);
  expect((await exported({ from: header.at - 3_600_000 })).trace.tasks).toHaveLength(tasks.length);
  await expect(exported({ from: Number.NaN })).rejects.toMatchObject({ code: "INVALID_OPTIONS" });
});

function startOf({ attempts: [first] }: TraceTask): number {
  return first?.startedAt ?? 0;
}

/** The numbers of the tasks as they start in the replay. */
function orderUnder({ scenario, source }: Replay, policy: Policy): number[] {
  const order: number[] = [];
  class Watched extends Measure {
    override started(arrival: Arrival, now: number): void {
      order.push(arrival.number);
      super.started(arrival, now);
    }
  }
  new LabRun(scenario, policy, source(), new Watched(scenario, policy)).run();
  return order;
}

/** When the last of the quiet ones has its turn. */
function lastQuiet(order: readonly number[]): number {
  return 1 + Math.max(...order.flatMap((number, at) => (number > LOUD ? at : [])));
}
