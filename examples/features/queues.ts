import { strict as assert } from "node:assert";
import { setTimeout as pass } from "node:timers/promises";
import { defineQueue, defineTask, type TaskDefinition } from "yardmaster";
import { createHandlers, type Handler } from "yardmaster/worker";
import { type Feature, play, results, type Turn } from "./feature.ts";

/*
 * Queues that share one worker of one slot, which is held while their tasks come and the owner goes. The next one knows
 * which goes first, and which gets how much.
 */

const { on } = createHandlers();
const GATE = "queues";
const URGENT = 3;
const EACH = 30;
const WEIGHT = 3;
/** Long beside what a busy machine adds: what queues share is time. */
const TAKES_MS = 50;
/** Of the lighter queue's tasks, so many are to start before the heavier queue's last one. */
const EXPECTED = EACH / WEIGHT;

const holder = defineTask<Turn, string>({
  name: "queues.holder",
  queue: defineQueue({ name: "queues-holder" }),
});
const urgent = defineTask<Turn, string>({
  name: "queues.urgent",
  queue: defineQueue({ name: "queues-urgent", precedence: 1 }),
});
const heavy = defineTask<Turn, string>({
  name: "queues.heavy",
  queue: defineQueue({ name: "queues-heavy", weight: WEIGHT }),
});
const light = defineTask<Turn, string>({
  name: "queues.light",
  queue: defineQueue({ name: "queues-light" }),
});

/** One diary for all, as they are compared. */
export const queueHandlers: readonly Handler[] = [holder, urgent, heavy, light].map((task) =>
  on(task, async (call) => {
    await pass(TAKES_MS);
    return play("queues", call);
  }),
);

export const queues: Feature = {
  name: "queues",
  async begin(stage) {
    const held = await stage.yard.submit(holder, stage.turn("holder", GATE));
    await stage.began("queues", 1);
    const several = (task: TaskDefinition<Turn, string>, label: string, count: number) =>
      Array.from({ length: count }, () => stage.yard.submit(task, stage.turn(label)));
    const tasks = await Promise.all([
      ...several(light, "light", EACH),
      ...several(heavy, "heavy", EACH),
      ...several(urgent, "urgent", URGENT),
    ]);
    await Promise.all(tasks.map((task) => task.accepted()));
    return async () => {
      assert.deepEqual(stage.labels("queues"), ["holder"]);
      stage.open(GATE);
      await results([held, ...tasks]);
      const [, ...labels] = stage.labels("queues");
      assert.deepEqual(
        labels.slice(0, URGENT),
        Array.from({ length: URGENT }, () => "urgent"),
        "who has precedence goes first",
      );
      const shared = labels.slice(URGENT);
      const between = shared
        .slice(0, shared.lastIndexOf("heavy"))
        .filter((label) => label === "light").length;
      // What counts is the time that they take, and that varies.
      assert.ok(between >= EXPECTED / 2 && between <= 2 * EXPECTED, `${between} of the lighter queue passed`);
    };
  },
};
