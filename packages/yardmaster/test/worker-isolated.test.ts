import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { systemHost } from "../src/host.ts";
import { createMemoryWorld } from "../src/memory/world.ts";
import type { Outcome } from "../src/protocol/envelope.ts";
import { startWorkerOn, type Worker } from "../src/worker/worker.ts";
import { assign, taskId, WorkerDesk } from "./worker-desk.ts";
import handlers from "./worker-isolated-handlers.ts";

let desk: WorkerDesk;
let worker: Worker;

beforeEach(async () => {
  const world = createMemoryWorld(systemHost);
  desk = new WorkerDesk(world.open(), "w");
  await desk.open();
  worker = await startWorkerOn({ engine: world.open(), host: systemHost, handlers, id: "w", slots: 2 });
});

afterEach(async () => {
  await worker.close({ timeoutMs: 2_000 });
  await desk.close();
});

async function ended(...names: [string, Parameters<typeof assign>[2]?][]): Promise<Outcome[]> {
  await desk.tell(...names.map(([name, fields], index) => assign(index + 1, name, fields)));
  return vi.waitUntil(() => (desk.outcomes.length >= names.length ? desk.outcomes : null), {
    timeout: 20_000,
  });
}

describe("an isolated handler", () => {
  it("runs in a thread with a context of its own", async () => {
    const [outcome] = await ended(["add", { payload: '{"a":2,"b":3}' }]);
    expect(outcome?.error).toBe(null);
    expect(JSON.parse(outcome?.result ?? "")).toEqual({ sum: 5, inThread: true, ownContext: true });
  });

  it("is ended when it does not heed its signal, and others go on", async () => {
    const [outcome] = await ended(["spin", { timeoutMs: 200, graceMs: 100 }]);
    expect(outcome).toMatchObject({ kind: "failed", error: { code: "TIMED_OUT" } });
    await vi.waitUntil(() => worker.running === 0, { timeout: 10_000 });
    expect(await ended(["add", { payload: '{"a":1,"b":1}', attempt: 2 }])).toHaveLength(1);
    expect(await vi.waitUntil(() => desk.outcomes[1], { timeout: 20_000 })).toMatchObject({
      kind: "succeeded",
    });
  });

  it("sees its signal abort", async () => {
    const [outcome] = await ended(["heed", { timeoutMs: 300, graceMs: 10_000 }]);
    expect(outcome).toMatchObject({
      kind: "failed",
      error: { code: "TIMED_OUT", message: expect.stringContaining("ended with") },
    });
  });

  it("tells its progress and log", async () => {
    const [outcome] = await ended(["tell"]);
    expect(outcome).toMatchObject({ result: `"${taskId(1)} 1"` });
    const notes = desk.of("note").map(({ note }) => note);
    expect(notes.find(({ progress }) => progress !== null)?.progress).toEqual({
      fraction: 0.5,
      note: "half",
    });
    expect(notes.flatMap(({ logs }) => logs)).toMatchObject([{ level: "warn", message: "from the thread" }]);
  });

  it("fails alone when it ends its thread", async () => {
    const outcomes = await ended(["die"], ["add", { payload: '{"a":1,"b":1}' }]);
    const byId = new Map(outcomes.map((outcome) => [outcome.id, outcome.kind]));
    expect([byId.get(taskId(1)), byId.get(taskId(2))]).toEqual(["failed", "succeeded"]);
  });

  it("cannot submit, and says so", async () => {
    const [outcome] = await ended(["submits"]);
    expect(outcome).toMatchObject({
      kind: "failed",
      error: { message: expect.stringContaining("isolated thread") },
    });
  });
});
