import { describe, expect, it } from "vitest";
import { KernelYard } from "../../test/kernel-yard.ts";
import type { ShardActivity } from "../protocol/activity.ts";

function activity(yard: KernelYard, after = 0, limit = 100): ShardActivity {
  return yard.kernel.answer({ type: "activity", after, limit }, yard.now) as ShardActivity;
}

describe("activity", () => {
  it("tells what runs, and each end once, with what the task came to", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w", { credit: 2 });
    const [a, b] = [yard.submit(), yard.submit({ spec: { attempts: 2 } })];
    yard.tick();
    expect(activity(yard).running.map(({ id, worker, attempt }) => ({ id, worker, attempt }))).toEqual([
      { id: a, worker: "w", attempt: 1 },
      { id: b, worker: "w", attempt: 1 },
    ]);
    yard.now += 40;
    worker.finish();
    worker.finish("failed");
    yard.tick();
    const first = activity(yard);
    expect(first.ends).toEqual([
      {
        id: a,
        name: "work",
        queue: "default",
        worker: "w",
        attempt: 1,
        startedAt: 1_000_000,
        endedAt: 1_000_040,
        as: "succeeded",
      },
      {
        id: b,
        name: "work",
        queue: "default",
        worker: "w",
        attempt: 1,
        startedAt: 1_000_000,
        endedAt: 1_000_040,
        as: "retried",
      },
    ]);
    expect(first).toMatchObject({ ended: 2, epoch: 1, running: [] });
    yard.now += 1_000;
    yard.tick();
    worker.finish("failed");
    yard.tick();
    expect(activity(yard, first.ended).ends).toMatchObject([{ id: b, attempt: 2, as: "failed" }]);
    expect(activity(yard, 3).ends).toEqual([]);
  });

  it("keeps the latest thousand, and tells no more than is asked for", () => {
    // Looking at everything after each of so many steps takes long and shows nothing more.
    const yard = new KernelYard({ validate: false });
    const worker = yard.worker("w", { credit: 1_100 });
    const ids = Array.from({ length: 1_100 }, () => yard.submit());
    yard.tick();
    for (let one = 0; one < ids.length; one++) worker.finish();
    yard.tick();
    const { ended, ends } = activity(yard, 0, 5_000);
    expect(ended).toBe(1_100);
    expect(ends.length).toBe(1_024);
    expect(ends.at(-1)?.as).toBe("succeeded");
    expect(activity(yard, 0, 3).ends).toEqual(ends.slice(-3));
  });

  it("says why the heads of lines wait, and not what was handed back", () => {
    const yard = new KernelYard();
    yard.submit({ spec: { name: "unknown" } });
    yard.tick();
    expect(activity(yard).heads).toMatchObject([
      { reason: "no-worker", name: "unknown", queue: "default", since: 1_000_000 },
    ]);
    const worker = yard.worker("w", { credit: 1 });
    const [a] = [yard.submit(), yard.submit()];
    yard.tick();
    worker.finish("returned");
    yard.tick();
    expect(activity(yard).ends).toEqual([]);
    expect(activity(yard).heads.map(({ reason }) => reason)).toContain("workers-busy");
    expect(activity(yard).running).toMatchObject([{ id: a }]);
  });

  it("tells one task of a queue that a limit of its definition keeps", () => {
    const yard = new KernelYard();
    yard.worker("w", { credit: 5 });
    const spec = { limits: { concurrency: 1, rate: null } };
    const [, second] = [yard.submit({ spec }), yard.submit({ spec }), yard.submit({ spec })];
    yard.tick();
    expect(activity(yard).heads).toMatchObject([{ id: second, reason: "concurrency" }]);
  });
});
