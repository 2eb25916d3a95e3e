import { describe, expect, it } from "vitest";
import { declare } from "../../test/explained.ts";
import { CLIENT, KernelYard, type TestWorker } from "../../test/kernel-yard.ts";

describe("a worker that was lost and is heard again", () => {
  it("is told to forget what was on its way to it", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w", { credit: 2 });
    const ids = [yard.submit({ spec: { attempts: 1 } }), yard.submit({ spec: { attempts: 1 } })];
    yard.tick();
    yard.tick(10_000);
    expect(ids.map((id) => yard.record(id).code)).toEqual(["WORKER_LOST", "WORKER_LOST"]);
    expect(yard.mailOf("worker:w", "abort")).toEqual([]);
    // Its registration was on its way for longer than that; what it was given still is.
    worker.isStubborn = true;
    worker.register();
    worker.beat();
    yard.tick();
    expect(yard.mailOf("worker:w", "abort")).toMatchObject(ids.map((id) => ({ id, attempt: 1 })));
    expect(yard.mailOf("worker:w", "heartbeatAnswer")).toMatchObject([{ known: true }]);
    expect(yard.kernel.answer({ type: "workers" }, yard.now)).toMatchObject([{ used: 2 }]);
    worker.held = [];
    worker.reportHeld();
    expect(yard.kernel.answer({ type: "workers" }, yard.now)).toMatchObject([{ used: 0 }]);
    worker.register();
    yard.tick();
    expect(yard.mailOf("worker:w", "abort")).toHaveLength(2);
  });
});

describe("a worker that takes its leave before its inventory comes", () => {
  it("is known until what it still runs has ended, which fills a place of the queue's limit (seed 227824)", () => {
    const yard = new KernelYard();
    declare(yard, { concurrency: 2 });
    yard.worker("w", { credit: 2 });
    const [unseen, stray] = [yard.submit(), yard.submit()];
    yard.tick();
    // The engine has lost that one of them was given to it, and the other never came to it.
    const row = yard.rows.get(stray);
    if (row !== undefined)
      yard.rows.set(stray, { ...row, task: { ...row.task, state: "ready", attempt: 0 } });
    yard.workers.delete("w");
    yard.takeover();
    yard.worker("other", { credit: 2 });
    yard.kernel.apply({ type: "workerLeft", worker: "w" }, yard.now);
    const attempts = [{ id: stray, epoch: 1, attempt: 1, state: "running" }] as const;
    const held = { type: "held", worker: "w", epoch: yard.epoch, seen: 0, attempts } as const;
    yard.kernel.apply({ type: "attemptsHeld", held }, yard.now);
    yard.tick();
    const active = (): number => [unseen, stray].filter((id) => yard.state(id) === "assigned").length;
    expect(active()).toBe(1);
    const outcome = { type: "outcome", id: stray, epoch: 1, attempt: 1, kind: "cancelled" } as const;
    const rest = { delayMs: 0, result: "", error: null, startedAt: 0 };
    yard.kernel.apply({ type: "outcomeReported", outcome: { ...outcome, ...rest }, worker: "w" }, yard.now);
    yard.tick();
    expect(active()).toBe(2);
    expect(yard.kernel.answer({ type: "workers" }, yard.now)).toMatchObject([{ id: "other" }]);
  });
});

describe("a frozen worker that may still start what it was given", () => {
  it("keeps a cancel from being confirmed when the attempt runs over its time (seed 15388)", () => {
    const yard = new KernelYard();
    yard.worker("w").isStubborn = true;
    const id = yard.submit({ spec: { timeoutMs: 1_000, graceMs: 0 } });
    yard.tick();
    yard.cancel(id);
    yard.tick(3_000);
    yard.tick(3_999);
    expect([yard.state(id), yard.mailOf(CLIENT, "cancelDone")]).toEqual(["assigned", []]);
    yard.tick(1);
    expect(yard.mailOf(CLIENT, "cancelDone")).toMatchObject([{ id, state: "cancelled" }]);
  });

  it("is given no second try to cancel while the first may start", () => {
    const yard = new KernelYard();
    yard.worker("w").isStubborn = true;
    const id = yard.submit({ spec: { timeoutMs: 1_000, graceMs: 0 } });
    yard.tick();
    yard.tick(6_999);
    expect(yard.state(id)).toBe("assigned");
    yard.tick(1);
    expect(yard.record(id)).toMatchObject({ state: "scheduled", error: { code: "TIMED_OUT" } });
  });

  it("loses the attempt in the end, although its heartbeats go on", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    worker.isStubborn = true;
    const id = yard.submit({ spec: { timeoutMs: 1_000, graceMs: 0 } });
    yard.tick();
    for (let second = 0; second < 9; second++) {
      yard.tick(1_000);
      worker.beat();
      expect(yard.state(id)).toBe("assigned");
    }
    yard.tick(1_000);
    expect(yard.record(id)).toMatchObject({ state: "scheduled", error: { code: "TIMED_OUT" } });
  });
});

describe("a worker that was lost because it was out of sight and may still start what it was given", () => {
  const ABSENT = { type: "workerLost", worker: "w", cause: "absent" } as const;

  /** A task whose worker was out of sight one second after it was heard last. */
  function lostYard(): { yard: KernelYard; worker: TestWorker; id: string } {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    worker.isStubborn = true;
    const id = yard.submit();
    yard.tick();
    yard.tick(1_000);
    return { yard, worker, id };
  }

  function confirmed(yard: KernelYard): unknown[] {
    return yard.mailOf(CLIENT, "cancelDone").map(({ state }) => state);
  }

  function expectConfirmedAfter(yard: KernelYard, id: string, ms: number): void {
    yard.tick(ms - 1);
    expect([yard.state(id), confirmed(yard)]).toEqual(["scheduled", []]);
    yard.tick(1);
    expect([yard.state(id), confirmed(yard)]).toEqual(["cancelled", ["cancelled"]]);
  }

  it("keeps a cancel of the task from being confirmed while it waits for its next attempt (seed 28430)", () => {
    const { yard, id } = lostYard();
    yard.kernel.apply(ABSENT, yard.now);
    yard.tick();
    expect(yard.state(id)).toBe("ready");
    yard.cancel(id);
    yard.tick();
    yard.worker("other");
    yard.tick(5_999);
    expect([yard.record(id), confirmed(yard)]).toMatchObject([
      { state: "scheduled", cancelRequested: true },
      [],
    ]);
    yard.cancel(id, 2);
    yard.tick(1);
    expect([yard.state(id), confirmed(yard)]).toEqual(["cancelled", ["cancelled", "cancelled"]]);
  });

  it("keeps it from being confirmed when it came before the loss", () => {
    const { yard, id } = lostYard();
    yard.cancel(id);
    yard.kernel.apply(ABSENT, yard.now);
    expectConfirmedAfter(yard, id, 6_000);
  });

  it("keeps it from being confirmed when the worker of the next attempt has ended that", () => {
    const { yard, id } = lostYard();
    yard.kernel.apply(ABSENT, yard.now);
    const other = yard.worker("other");
    yard.tick();
    yard.cancel(id);
    yard.tick();
    expect([other.held, yard.state(id), confirmed(yard)]).toEqual([[], "scheduled", []]);
    yard.tick(6_000);
    expect([yard.state(id), confirmed(yard)]).toEqual(["cancelled", ["cancelled"]]);
  });

  it("keeps it from being confirmed by the next owner too, whenever the cancel comes", () => {
    for (const isEarly of [true, false]) {
      const { yard, id } = lostYard();
      yard.kernel.apply(ABSENT, yard.now);
      yard.tick();
      if (isEarly) yard.cancel(id);
      yard.tick();
      // Its clock is another one.
      yard.now -= 60_000;
      yard.takeover();
      yard.tick();
      yard.cancel(id);
      expectConfirmedAfter(yard, id, 7_000);
    }
  });

  it("keeps it from being confirmed by the next owner although the worker was heard again before", () => {
    const { yard, worker, id } = lostYard();
    yard.kernel.apply(ABSENT, yard.now);
    yard.tick();
    worker.beat();
    yard.tick();
    expect(yard.record(id)).toMatchObject({ state: "ready", deaths: 0 });
    yard.takeover();
    yard.tick();
    yard.cancel(id);
    expectConfirmedAfter(yard, id, 7_000);
  });

  it("confirms a cancel in time although the worker is heard again and the task's retry is later", () => {
    const yard = new KernelYard();
    const a = yard.worker("a");
    const spec = { attempts: 9, speculation: { afterFactor: 1, afterMs: 0 } };
    for (let done = 0; done < 3; done++) {
      yard.submit({ spec });
      yard.tick();
      a.finish();
      yard.tick();
    }
    const id = yard.submit({ spec });
    yard.tick();
    yard.kernel.apply({ ...ABSENT, worker: "a" }, yard.now);
    yard.worker("b");
    yard.tick();
    yard.kernel.apply({ ...ABSENT, worker: "b" }, yard.now);
    const [c, d] = [yard.worker("c"), yard.worker("d")];
    yard.tick();
    const [runs, joins] = c.held.length > 0 ? [c, d] : [d, c];
    runs.start();
    yard.tick(200);
    expect(joins.held).toMatchObject([{ assign: { id, attempt: 4 } }]);
    yard.kernel.apply({ ...ABSENT, worker: joins.id }, yard.now);
    runs.finish("retryIn", { delayMs: 3_600_000 });
    yard.tick();
    yard.cancel(id);
    yard.tick();
    expect(yard.record(id)).toMatchObject({ state: "scheduled", deaths: 3, cancelRequested: true });
    joins.beat();
    yard.tick();
    expect([yard.record(id).deaths, confirmed(yard)]).toEqual([2, []]);
    yard.tick(7_000);
    expect([yard.state(id), confirmed(yard)]).toEqual(["cancelled", ["cancelled"]]);
  });

  it("does not keep a cancel waiting for what is known to have started, or for a process that died", () => {
    const started = lostYard();
    started.worker.start();
    const died = lostYard();
    started.yard.kernel.apply(ABSENT, started.yard.now);
    died.yard.kernel.apply({ ...ABSENT, cause: "died" }, died.yard.now);
    for (const { yard, id } of [started, died]) {
      yard.cancel(id);
      yard.tick();
      expect([yard.state(id), confirmed(yard)]).toEqual(["cancelled", ["cancelled"]]);
    }
  });

  it("changes nothing any more by a success that comes while the cancel waits", () => {
    const { yard, worker, id } = lostYard();
    yard.kernel.apply(ABSENT, yard.now);
    yard.cancel(id);
    yard.tick();
    worker.finish("succeeded");
    yard.tick(6_000);
    expect([yard.state(id), confirmed(yard)]).toEqual(["cancelled", ["cancelled"]]);
  });

  it("ends the task as cancelled although it would expire earlier", () => {
    const yard = new KernelYard();
    yard.worker("w").isStubborn = true;
    const id = yard.submit({ expiresInMs: 2_000 });
    yard.tick();
    yard.cancel(id);
    yard.kernel.apply(ABSENT, yard.now);
    yard.tick(6_999);
    expect(yard.state(id)).toBe("scheduled");
    yard.tick(1);
    expect(yard.state(id)).toBe("cancelled");
  });

  it("leaves no second attempt behind where a handler ends the task as cancelled by itself", () => {
    const yard = new KernelYard();
    const first = yard.worker("a");
    const spec = { speculation: { afterFactor: 1, afterMs: 0 } };
    for (let done = 0; done < 3; done++) {
      yard.submit({ spec });
      yard.tick();
      first.finish();
      yard.tick();
    }
    const id = yard.submit({ spec });
    yard.tick();
    yard.kernel.apply({ ...ABSENT, worker: "a" }, yard.now);
    const [second, third] = [yard.worker("b"), yard.worker("c")];
    yard.tick();
    const [runs, joins] = second.held.length > 0 ? [second, third] : [third, second];
    runs.start();
    yard.tick(200);
    expect(joins.held).toMatchObject([{ assign: { id, attempt: 3 } }]);
    runs.finish("cancelled");
    yard.tick();
    expect([yard.state(id), joins.held]).toEqual(["scheduled", []]);
    yard.tick(7_000);
    expect(yard.state(id)).toBe("cancelled");
  });
});

describe("a task that was handed back", () => {
  it("keeps all of its attempts, although the same worker gets it under another number, over a failover too", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    const id = yard.submit({ spec: { attempts: 2 } });
    yard.tick();
    worker.finish("returned");
    yard.tick();
    expect(yard.record(id)).toMatchObject({ state: "assigned", attempt: 2, skipped: 1 });
    worker.finish("failed");
    yard.tick();
    yard.takeover();
    worker.beat();
    yard.tick();
    yard.tick(1_000);
    expect(yard.record(id)).toMatchObject({ state: "assigned", attempt: 3 });
    worker.finish("failed");
    yard.tick();
    expect(yard.record(id).state).toBe("failed");
  });
});
