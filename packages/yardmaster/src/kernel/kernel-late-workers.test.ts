import { describe, expect, it } from "vitest";
import { KernelYard } from "../../test/kernel-yard.ts";

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
