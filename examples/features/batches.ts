import { strict as assert } from "node:assert";
import { defineTask } from "yardmaster";
import { createHandlers, fail, type Handler } from "yardmaster/worker";
import { type Feature, failureOf, play, results, type Turn } from "./feature.ts";

/* Several tasks in one call, each with an end of its own. A call goes on while the owner is replaced. */

const { onBatch } = createHandlers();
const GATE = "batches";
const SIZE = 4;
const insert = defineTask<Turn, { readonly label: string; readonly together: number }>({ name: "batches" });

export const handlers: readonly Handler[] = [
  onBatch(insert, { size: SIZE, withinMs: 200 }, async (calls) => {
    const labels = await Promise.all(calls.map((call) => play("batches", call)));
    return labels.map((label) => (label === "bad" ? fail("it is bad") : { label, together: calls.length }));
  }),
];

export const batches: Feature = {
  name: "batches",
  async begin(stage) {
    const labels = ["1", "2", "bad", "3", "4", "5", "6", "7"];
    const tasks = await Promise.all(
      labels.map((label) => stage.yard.submit(insert, stage.turn(label, GATE))),
    );
    await stage.began("batches", labels.length);
    return async () => {
      stage.open(GATE);
      const good = tasks.filter((_, index) => labels[index] !== "bad");
      const ends = await results(good);
      assert.deepEqual(
        ends.map(({ label }) => label),
        ["1", "2", "3", "4", "5", "6", "7"],
      );
      assert.ok(Math.max(...ends.map(({ together }) => together)) > 1, "tasks came together");
      assert.ok(Math.max(...ends.map(({ together }) => together)) <= SIZE, "no more than the size");
      for (const bad of tasks.filter((one) => !good.includes(one)))
        assert.equal(await failureOf(bad), "TASK_FAILED");
      assert.deepEqual([...stage.labels("batches")].sort(), [...labels].sort(), "none ran twice");
    };
  },
};
