import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { assign, taskId, WorkerDesk } from "../../test/worker-desk.ts";
import { defineTask } from "../definition.ts";
import { createMemoryWorld } from "../memory/world.ts";
import { createManualHost, type ManualHost } from "../testing/manual-host.ts";
import { type Call, createHandlers } from "./handlers.ts";
import { startWorkerOn, type Worker } from "./worker.ts";

const { on, onBatch } = createHandlers();
const held = defineTask<unknown, unknown>({ name: "held" });
const gathered = defineTask<unknown, unknown>({ name: "gathered" });

let host: ManualHost;
let desk: WorkerDesk;
let worker: Worker;
let calls: {
  readonly call: Call<unknown>;
  readonly end: (value?: unknown) => void;
  readonly fail: (error: unknown) => void;
}[];

beforeEach(async () => {
  host = createManualHost();
  const world = createMemoryWorld(host);
  desk = new WorkerDesk(world.open(), "w");
  await desk.open();
  calls = [];
  const handler = on(
    held,
    (call) => new Promise((resolve, reject) => calls.push({ call, end: resolve, fail: reject })),
  );
  const gathering = onBatch(gathered, { size: 2, withinMs: 3_000 }, (batch) =>
    Promise.all(
      batch.map((call) => new Promise((resolve, reject) => calls.push({ call, end: resolve, fail: reject }))),
    ),
  );
  const handlers = [handler, gathering];
  worker = await startWorkerOn({ engine: world.open(), host, handlers, id: "w", slots: 2 });
  await host.settle();
});

afterEach(async () => {
  for (const { end } of calls) end();
  const closing = worker.close({ timeoutMs: 1_000 });
  await host.advance(5_000);
  await closing;
  await desk.close();
});

async function run(
  number: number,
  fields: Parameters<typeof assign>[2] = {},
): Promise<(typeof calls)[number]> {
  await desk.tell(assign(number, "held", fields));
  await host.settle();
  const call = calls.at(-1);
  if (call === undefined) throw new Error("nothing was started");
  return call;
}

describe("an attempt over its timeout", () => {
  it("is aborted and fails with TIMED_OUT when it heeds that", async () => {
    const { call, fail } = await run(1, { timeoutMs: 1_000 });
    call.signal.addEventListener("abort", () => fail(new Error("stopped half way")));
    await host.advance(999);
    expect(desk.outcomes).toEqual([]);
    await host.advance(1);
    expect(call.signal.reason).toMatchObject({ code: "TIMED_OUT" });
    expect(desk.outcomes).toMatchObject([
      { kind: "failed", error: { code: "TIMED_OUT", message: expect.stringContaining("stopped half way") } },
    ]);
  });

  it("still succeeds within its grace", async () => {
    const { end } = await run(1, { timeoutMs: 1_000 });
    await host.advance(2_000);
    end("late");
    await host.settle();
    expect(desk.outcomes).toMatchObject([{ kind: "succeeded", result: '"late"' }]);
  });

  it("fails after its grace and keeps its slot until its handler ends", async () => {
    const { end } = await run(1, { timeoutMs: 1_000, graceMs: 500 });
    await host.advance(1_499);
    expect(desk.outcomes).toEqual([]);
    const mark = desk.frames.length;
    await host.advance(20);
    const frames = desk.frames.slice(mark).map(({ envelopes }) => envelopes);
    expect(frames.flat().filter(({ type }) => type !== "heartbeat")).toMatchObject([
      { type: "register", credit: 1 },
      { type: "outcome", kind: "failed", error: { code: "TIMED_OUT" } },
    ]);
    expect(worker.running).toBe(1);
    end("too late");
    await host.settle();
    expect([worker.running, desk.outcomes.length]).toEqual([0, 1]);
    expect(desk.of("register").at(-1)).toMatchObject({ credit: 2 });
  });

  it("has no timeout when that is 0", async () => {
    const { call } = await run(1, { timeoutMs: 0 });
    await host.advance(3_600_000);
    expect(call.signal.aborted).toBe(false);
  });
});

describe("a cancelled attempt", () => {
  const abort = { type: "abort", id: taskId(1), epoch: 1, attempt: 1, reason: "cancelled" } as const;

  it("sees its signal abort and ends as cancelled, whatever it returns", async () => {
    const { call, end } = await run(1);
    await desk.tell(abort);
    await host.settle();
    expect(call.signal.reason).toMatchObject({ code: "TASK_CANCELLED" });
    end("success");
    await host.settle();
    expect(desk.outcomes).toMatchObject([{ kind: "cancelled", error: { code: "TASK_CANCELLED" } }]);
  });

  it("has its signal among the rest of its call, also where nobody looked at it before", async () => {
    const { call } = await run(1);
    const { input, ...rest } = call;
    expect(
      Object.keys({ input, ...rest })
        .sort()
        .join(),
    ).toBe("attempt,input,log,progress,signal,submit,taskId");
    expect(rest.signal).toBe(call.signal);
    expect(new Proxy(call, {}).signal).toBe(call.signal);
    expect(Object.create(call).signal).toBe(call.signal);
    expect(Object.getOwnPropertySymbols({ ...call })).toEqual([]);
    await desk.tell(abort);
    await host.settle();
    expect(rest.signal.aborted).toBe(true);
  });

  it("ends as cancelled after its grace though it goes on", async () => {
    await run(1, { graceMs: 300 });
    await desk.tell(abort);
    await host.advance(320);
    expect(desk.outcomes).toMatchObject([{ kind: "cancelled" }]);
    expect(worker.running).toBe(1);
  });

  it("never starts when it waits", async () => {
    await run(2);
    await run(3);
    await desk.tell(assign(1, "held"), abort);
    await host.settle();
    expect(desk.outcomes).toMatchObject([{ id: taskId(1), kind: "cancelled", startedAt: 0 }]);
    for (const { end } of calls) end();
    await host.settle();
    expect(calls).toHaveLength(2);
  });

  it("is answered by the inventory when it is not here", async () => {
    const seen = desk.sent + 1;
    await desk.tell(abort);
    await host.settle();
    expect(desk.of("held")).toMatchObject([{ seen, attempts: [] }]);
  });

  it("leaves the next attempt of the same task alone", async () => {
    const first = await run(1);
    const second = await run(1, { attempt: 2 });
    await desk.tell(abort);
    await host.settle();
    expect([first.call.signal.aborted, second.call.signal.aborted]).toEqual([true, false]);
    expect([first.call.attempt, second.call.attempt]).toEqual([1, 2]);
  });
});

describe("news of an attempt", () => {
  it("are none when it is short and silent", async () => {
    const { end } = await run(1);
    await host.advance(99);
    end();
    await host.advance(1_000);
    expect(desk.of("note")).toEqual([]);
  });

  it("say that it runs, once, for all that started", async () => {
    const startedAt = host.now();
    await run(1);
    await run(2);
    await host.advance(5_000);
    const notes = desk.of("note").map(({ note }) => note);
    expect(notes).toMatchObject([
      { id: taskId(1), startedAt },
      { id: taskId(2), startedAt },
    ]);
    expect(desk.frames.filter(({ envelopes }) => envelopes[0]?.type === "note")).toHaveLength(1);
  });

  it("do not say that one runs that gathers for its batch, as it may still be cancelled", async () => {
    await desk.tell(assign(1, "gathered"));
    await host.advance(1_000);
    await desk.takeOver();
    await host.advance(1_000);
    expect(desk.of("held").at(-1)?.attempts).toMatchObject([{ id: taskId(1), state: "waiting" }]);
    expect(desk.of("note")).toEqual([]);
    await host.advance(2_000);
    expect(calls).toHaveLength(1);
    expect(desk.of("note")).toMatchObject([{ note: { id: taskId(1), startedAt: expect.any(Number) } }]);
  });

  it("tell the first progress at once and then the latest every 200 ms", async () => {
    const { call } = await run(1);
    await host.advance(1_000);
    const mark = desk.of("note").length;
    for (let step = 1; step <= 40; step += 1) {
      call.progress(step / 40, `step ${step}`);
      await host.advance(10);
    }
    const told = desk
      .of("note")
      .slice(mark)
      .map(({ note }) => note.progress?.note);
    expect(told.length).toBeLessThanOrEqual(4);
    await host.advance(200);
    expect(desk.of("note").at(-1)?.note.progress).toEqual({ fraction: 1, note: "step 40" });
  });

  it("keep the last 100 lines, each at most 4 KiB, and go with the outcome at the latest", async () => {
    const { call, end } = await run(1);
    for (let line = 0; line < 1_000; line += 1) call.log(`line ${line}`);
    call.log("é".repeat(5_000), "error");
    end();
    await host.settle();
    const logs = desk.of("note").flatMap(({ note }) => note.logs);
    expect(logs).toHaveLength(100);
    expect(logs[0]?.message).toBe("line 901");
    expect(logs.at(-1)?.level).toBe("error");
    expect(Buffer.byteLength(logs.at(-1)?.message ?? "")).toBeLessThanOrEqual(4_096);
    const types = desk.frames.flatMap(({ envelopes }) => envelopes.map(({ type }) => type));
    expect(types.indexOf("note")).toBeLessThan(types.indexOf("outcome"));
  });

  it("survive what is no number and no text", async () => {
    const { call, end } = await run(1);
    call.progress(Number.NaN, "\ud800");
    call.progress(7);
    end();
    await host.settle();
    expect(desk.of("note")[0]?.note.progress).toEqual({ fraction: 1, note: "" });
  });
});
