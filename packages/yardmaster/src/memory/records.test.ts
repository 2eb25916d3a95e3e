import { describe, expect, it } from "vitest";
import { finished, inserted, sampleTask, taskId } from "../testing/sample-tasks.ts";
import { IdOrder } from "./id-order.ts";
import { Records } from "./records.ts";

describe("the records in memory", () => {
  it("are looked at no further than was asked, whatever is wanted of them", () => {
    const records = new Records(() => 0);
    const lease = records.leases.acquire(0, "owner", 1_000, undefined);
    if (lease === null) throw new Error("There is no other owner.");
    const tasks = Array.from({ length: 500 }, (_, number) => sampleTask(number));
    records.commit(
      lease,
      1,
      tasks.map((task) => inserted(task)),
    );
    records.commit(
      lease,
      2,
      tasks.slice(0, 100).map((task) => finished(task, null, 5_000)),
    );
    const page = records.find({ shard: 0, limit: 100, most: 200 });
    expect(page).toEqual({ tasks: [], cursor: taskId(300) });
    expect(records.find({ shard: 1, limit: 100, most: 200 }).cursor).toBe(taskId(300));
    const last = records.find({ shard: 0, limit: 100, most: 500 });
    expect([last.tasks.length, last.cursor]).toEqual([100, null]);
  });

  it("are put in order anew rather than kept with all that are gone", () => {
    const live = new Map<string, number>();
    const order = new IdOrder(live);
    expect([...order.below("~")]).toEqual([]);
    for (let number = 0; number < 10_000; number++) {
      live.set(taskId(number), number);
      order.add(taskId(number));
      live.delete(taskId(number - 10));
      expect(order.size).toBeLessThan(2_000);
    }
    const newest = Array.from({ length: 10 }, (_, index) => taskId(9_999 - index));
    expect([...order.below("~")]).toEqual(newest);
  });
});
