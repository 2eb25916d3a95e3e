import { strict as assert } from "node:assert";
import { defineQueue, defineTask } from "yardmaster";
import { createHandlers, type Handler } from "yardmaster/worker";
import { type Feature, mostAtOnce, play, results, type Turn } from "./feature.ts";

/* Limits of a definition, of each key and of a queue: full when the owner goes, and just as full under the next one. */

const { on } = createHandlers();
const GATE = "limits";
const LIMIT = 2;

const ofDefinition = defineTask<Turn, string>({ name: "limits.definition", concurrency: LIMIT });
const ofKey = defineTask<Turn, string>({
  name: "limits.key",
  concurrency: { limit: LIMIT, key: ({ label }) => label.slice(0, 1) },
});
const ofQueue = defineTask<Turn, string>({
  name: "limits.queue",
  queue: defineQueue<Turn>({ name: "limits", concurrency: LIMIT }),
});

export const handlers: readonly Handler[] = [ofDefinition, ofKey, ofQueue].map((task) =>
  on(task, (call) => play(task.name, call)),
);

export const limits: Feature = {
  name: "limits",
  async begin(stage) {
    const { yard } = stage;
    const labels = ["a1", "b1", "a2", "b2", "a3", "b3"];
    const submitted = labels.flatMap((label) =>
      [ofDefinition, ofKey, ofQueue].map((task) => yard.submit(task, stage.turn(label, GATE))),
    );
    const tasks = await Promise.all(submitted);
    await stage.began("limits.definition", LIMIT);
    await stage.began("limits.key", 2 * LIMIT);
    await stage.began("limits.queue", LIMIT);
    return async () => {
      const more = await yard.submit(ofDefinition, stage.turn("more"));
      await more.accepted();
      // The new owner has decided about it, and about all others.
      assert.equal((await yard.explain(more.id))?.reason, "concurrency");
      assert.equal(stage.lines("limits.definition").length, LIMIT);
      assert.equal(stage.lines("limits.key").length, 2 * LIMIT);
      assert.equal(stage.lines("limits.queue").length, LIMIT);
      stage.open(GATE);
      await results([...tasks, more]);
      for (const task of ["limits.definition", "limits.queue"])
        assert.equal(mostAtOnce(stage, task), LIMIT, task);
      for (const key of ["a", "b"])
        assert.equal(
          mostAtOnce(stage, "limits.key", ({ label }) => label.startsWith(key)),
          LIMIT,
          key,
        );
    };
  },
};
