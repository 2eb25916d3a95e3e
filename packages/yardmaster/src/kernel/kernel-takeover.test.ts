import { describe, expect, it } from "vitest";
import { CLIENT, KernelYard } from "../../test/kernel-yard.ts";
import { INLINE_BYTES } from "../protocol/task.ts";

describe("a new owner", () => {
  it("leaves healthy work where it is", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w", { credit: 2 });
    const [running, waiting] = [yard.submit(), yard.submit()];
    yard.tick();
    worker.start();
    yard.takeover();
    expect(yard.state(running)).toBe("assigned");
    yard.tick();
    expect(yard.mailOf("worker:w", "takeover")).toHaveLength(1);
    expect([yard.state(running), yard.state(waiting)]).toEqual(["running", "assigned"]);
    worker.finish();
    worker.finish();
    yard.tick();
    expect(yard.record(running)).toMatchObject({ state: "succeeded", attempt: 1, epoch: 1 });
    expect(yard.record(waiting)).toMatchObject({ state: "succeeded", attempt: 1 });
  });

  it("gives anew what never arrived, at no cost", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    const id = yard.submit({ spec: { delivery: "at-most-once" } });
    yard.tick();
    worker.held = [];
    yard.takeover();
    yard.tick();
    yard.tick();
    expect(yard.record(id)).toMatchObject({ state: "assigned", attempt: 1, epoch: 2 });
  });

  it("starts nothing that is to be cancelled, also where an earlier release has put it in line", () => {
    const yard = new KernelYard();
    const id = yard.submit();
    yard.tick();
    const row = yard.rows.get(id);
    if (row === undefined) throw new Error("no row");
    yard.rows.set(id, { ...row, task: { ...row.task, cancelRequested: true } });
    yard.takeover();
    yard.worker("w");
    yard.cancel(id);
    yard.tick();
    expect([yard.state(id), yard.mailOf(CLIENT, "cancelDone").map(({ state }) => state)]).toEqual([
      "cancelled",
      ["cancelled"],
    ]);
    expect(yard.mailOf("worker:w", "assign")).toEqual([]);
  });

  it("loses a worker that does not answer", () => {
    const yard = new KernelYard();
    yard.worker("w");
    const id = yard.submit();
    yard.tick();
    yard.workers.clear();
    yard.takeover();
    yard.tick(9_999);
    expect(yard.state(id)).toBe("assigned");
    yard.tick(1);
    expect(yard.record(id)).toMatchObject({ state: "ready", attempt: 1 });
  });

  it("does not know a worker that only beats", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    yard.submit();
    yard.tick();
    worker.isStubborn = true;
    yard.takeover();
    worker.beat();
    expect(yard.kernel.answer({ type: "workers" }, yard.now)).toMatchObject([
      { registered: false, used: 1, tasks: [] },
    ]);
    yard.tick();
    expect(yard.mailOf("worker:w", "heartbeatAnswer")).toMatchObject([{ known: false, sent: 1 }]);
  });

  it("keeps the success of a task that waits again for what the engine has lost", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    const first = yard.submit();
    const links = { graph: "", members: 0, after: [first], onFailure: "fail", fed: false } as const;
    const last = yard.submit({ links });
    yard.tick();
    const [rows, side] = [[...yard.rows], [...yard.side]];
    worker.finish();
    yard.tick();
    expect(yard.state(last)).toBe("assigned");
    for (const [id, row] of rows) yard.rows.set(id, row);
    for (const [key, row] of side) yard.side.set(key, row);
    yard.takeover();
    expect([yard.state(first), yard.state(last)]).toEqual(["assigned", "blocked"]);
    worker.finish();
    yard.tick();
    expect(yard.record(last)).toMatchObject({ state: "succeeded", attempt: 1, epoch: 1, worker: "w" });
    expect(yard.rows.get(last)?.result).toBe('"done"');
    expect(yard.side.size).toBe(0);
    yard.tick();
    worker.finish();
    yard.tick();
    expect(yard.record(first)).toMatchObject({ state: "succeeded", epoch: 2 });
  });

  it("finds waiting, delayed, cancelled and early cancelled tasks as they were", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    worker.isStubborn = true;
    const cancelled = yard.submit();
    yard.tick();
    yard.cancel(cancelled);
    yard.cancel("early");
    const delayed = yard.submit({ delayMs: 50, retryOf: "t0" });
    const expiring = yard.submit({ expiresInMs: 60 });
    const large = yard.submit({ payload: "x".repeat(INLINE_BYTES + 1) });
    const first = yard.submit({ key: { key: "k", windowMs: 10, inputHash: "" } });
    const alias = yard.submit({ key: { key: "k", windowMs: 10, inputHash: "" } });
    yard.kernel.apply(
      { type: "commanded", command: { type: "pause", queue: "default" }, request: 1, replyTo: CLIENT },
      yard.now,
    );
    yard.tick();
    yard.takeover();
    expect([delayed, expiring, large, first].map((id) => yard.state(id))).toEqual([
      "scheduled",
      "ready",
      "ready",
      "ready",
    ]);
    expect(yard.kernel.has(alias)).toBe(false);
    yard.submit({ id: "early" });
    yard.tick(60);
    expect(yard.mailOf("worker:w", "abort")).toHaveLength(1);
    yard.tick();
    expect(yard.mailOf("worker:w", "abort")).toHaveLength(2);
    expect(yard.record("early").state).toBe("cancelled");
    expect(yard.record(delayed)).toMatchObject({ state: "ready", retryOf: "t0" });
    expect(yard.record(expiring).state).toBe("expired");
    expect(yard.record(first)).toMatchObject({ state: "ready", key: "k" });
    expect(yard.kernel.answer({ type: "queues" }, yard.now)).toMatchObject([{ paused: true, ready: 3 }]);
  });

  it("passes over what has ended or is there already", () => {
    const yard = new KernelYard();
    const id = yard.submit();
    yard.tick();
    const item = { type: "task", payload: "", result: null } as const;
    yard.kernel.restore({ ...item, task: yard.record(id) }, yard.now);
    yard.kernel.restore({ ...item, task: { ...yard.record(id), id: "x", state: "failed" } }, yard.now);
    yard.kernel.checkInvariants();
    expect(yard.kernel.live).toBe(1);
  });
});

describe("parking", () => {
  it("keeps no more tasks in memory than allowed, and brings them back in order", () => {
    const yard = new KernelYard({ maxLive: 10 });
    const ids = Array.from({ length: 25 }, () => yard.submit());
    expect(yard.tick().wantParked).toBe(0);
    expect(yard.kernel.live).toBe(10);
    expect([...yard.rows.values()].filter(({ parked }) => parked)).toHaveLength(15);
    expect(yard.kernel.answer({ type: "queues" }, yard.now)).toMatchObject([{ ready: 10, parked: 15 }]);
    const worker = yard.worker("w", { credit: 4 });
    const done: string[] = [];
    for (let round = 0; round < 60; round++) {
      const { wantParked } = yard.tick();
      if (wantParked > 0) yard.page(wantParked);
      while (worker.held.length > 0) done.push(worker.finish().id);
    }
    expect(done).toEqual(ids);
    expect(yard.kernel.live).toBe(0);
  });

  it("parks newcomers behind parked ones, also when there is room", () => {
    const yard = new KernelYard({ maxLive: 10 });
    for (let count = 0; count < 11; count++) yard.submit();
    const worker = yard.worker("w", { credit: 5 });
    yard.tick();
    while (worker.held.length > 0) worker.finish();
    expect(yard.tick().wantParked).toBe(5);
    const late = yard.submit();
    const elsewhere = yard.submit({ spec: { queue: "other" } });
    const { wantParked } = yard.tick();
    expect([yard.rows.get(late)?.parked, yard.rows.get(elsewhere)?.parked]).toEqual([true, false]);
    yard.page(wantParked);
    const next = yard.submit();
    yard.tick();
    expect([yard.rows.get(late)?.parked, yard.rows.get(next)?.parked]).toEqual([false, false]);
  });

  it("parks what is due late when memory is half full, and by bytes", () => {
    const yard = new KernelYard({ maxLive: 10, maxLiveBytes: 100 });
    const early = yard.submit({ delayMs: 100_000, payload: "" });
    for (let count = 0; count < 5; count++) yard.submit({ payload: "" });
    const [far, near] = [
      yard.submit({ delayMs: 100_000, payload: "" }),
      yard.submit({ delayMs: 60_000, payload: "x".repeat(100) }),
    ];
    const full = yard.submit({ payload: "" });
    yard.tick();
    expect([early, far, near, full].map((id) => yard.rows.get(id)?.parked)).toEqual([
      false,
      true,
      false,
      true,
    ]);
  });

  it("ends parked tasks where they are when they are cancelled", () => {
    const yard = new KernelYard({ maxLive: 1 });
    const ids = [yard.submit(), yard.submit(), yard.submit()];
    yard.cancel(ids[1] ?? "");
    yard.tick();
    yard.cancel(ids[2] ?? "");
    yard.cancel(ids[2] ?? "", 2);
    yard.watch(ids[2] ?? "", "client:x");
    yard.tick();
    expect(ids.map((id) => yard.record(id).state)).toEqual(["ready", "cancelled", "cancelled"]);
    expect(yard.mailOf(CLIENT, "cancelDone")).toHaveLength(3);
    expect(yard.kernel.answer({ type: "queues" }, yard.now)).toMatchObject([{ ready: 1, parked: 0 }]);
  });

  it("lets no newcomer overtake what an earlier owner parked", () => {
    const yard = new KernelYard({ maxLive: 4 });
    for (let count = 0; count < 5; count++) yard.submit();
    const far = yard.submit({ delayMs: 1_000_000 });
    yard.tick();
    yard.takeover();
    const worker = yard.worker("w", { credit: 4 });
    const late = yard.submit();
    yard.tick();
    expect(yard.rows.get(late)?.parked).toBe(true);
    while (worker.held.length > 0) worker.finish();
    const { wantParked } = yard.tick();
    expect(wantParked).toBe(4);
    const sameTick = yard.submit();
    yard.page(wantParked);
    yard.tick();
    expect([late, far, sameTick].map((id) => yard.rows.get(id)?.parked)).toEqual([false, false, true]);
    while (worker.held.length > 0) worker.finish();
    yard.page(yard.tick().wantParked);
    yard.tick();
    expect(yard.state(sameTick)).toBe("assigned");
  });

  it("concerns newcomers no more when the future is all that is parked", () => {
    const yard = new KernelYard({ maxLive: 8 });
    const ready = Array.from({ length: 5 }, () => yard.submit());
    const far = Array.from({ length: 9 }, () => yard.submit({ delayMs: 1_000_000 }));
    yard.tick();
    yard.takeover();
    for (const id of ready) yard.cancel(id);
    const { wantParked } = yard.tick();
    expect(wantParked).toBe(8);
    yard.page(wantParked);
    for (const id of far.slice(0, 2)) yard.cancel(id);
    yard.tick();
    const next = yard.submit();
    yard.tick();
    expect([far.at(-1) ?? "", next].map((id) => yard.rows.get(id)?.parked)).toEqual([true, false]);
  });
});
