import { strict as assert } from "node:assert";
import { defineTask } from "yardmaster";
import { createHandlers, type Handler } from "yardmaster/worker";
import { type Feature, failureOf, play, results, type Turn } from "./feature.ts";

/* Debounce, throttle and replace, of which the first half comes to one owner and the second to the next. */

const { on } = createHandlers();
const task = defineTask<Turn, string>({ name: "replacing" });

export const handlers: readonly Handler[] = [on(task, (call) => play("replacing", call))];

export const replacing: Feature = {
  name: "debounce, throttle, replace",
  async begin(stage) {
    const { yard } = stage;
    const debounce = { key: "flurry", waitMs: 6_000 };
    const throttle = { key: "report", perMs: 60_000 };
    const early = await yard.submit(task, stage.turn("early"), { debounce });
    const earlier = await yard.submit(task, stage.turn("earlier"), { debounce });
    const first = await yard.submit(task, stage.turn("first"), { throttle });
    const old = await yard.submit(task, stage.turn("old"), { replace: { key: "r" }, delayMs: 60_000 });
    await Promise.all([early, earlier, first, old].map((one) => one.accepted()));
    assert.equal(await failureOf(early), "TASK_CANCELLED");
    await results([first]);
    return async () => {
      const last = await yard.submit(task, stage.turn("last"), { debounce: { ...debounce, waitMs: 500 } });
      const again = await yard.submit(task, stage.turn("again"), { throttle });
      const young = await yard.submit(task, stage.turn("young"), { replace: { key: "r" } });
      assert.deepEqual(await again.accepted(), { outcome: "duplicate", id: first.id });
      assert.deepEqual(await results([last, again, young]), ["last", "first", "young"]);
      for (const superseded of [earlier, old]) {
        assert.equal(await failureOf(superseded), "TASK_CANCELLED");
        assert.equal((await yard.status(superseded.id))?.code, "SUPERSEDED");
      }
      assert.deepEqual(stage.labels("replacing").sort(), ["first", "last", "young"]);
    };
  },
};
