import { strict as assert } from "node:assert";
import { defineQueue, defineTask, isCode } from "yardmaster";
import { createHandlers, type Handler } from "yardmaster/worker";
import { type Feature, failureOf, play, results, type Turn } from "./feature.ts";

/* Delays, times, expiries and deadlines that are set under one owner and come true under the next. */

const { on } = createHandlers();
const GATE = "times";
const DELAY_MS = 5_000;
const EXPIRES_MS = 3_000;
const task = defineTask<Turn, string>({ name: "times" });
const queued = defineTask<Turn, string>({
  name: "times.queued",
  queue: defineQueue<Turn>({ name: "times", order: "deadline", admission: "refuse", concurrency: 1 }),
});

export const handlers: readonly Handler[] = [task, queued].map((one) =>
  on(one, (call) => play(one.name, call)),
);

export const times: Feature = {
  name: "delays, expiry, deadlines",
  async begin(stage) {
    const { yard } = stage;
    const at = Date.now() + DELAY_MS;
    const delayed = await yard.submit(task, stage.turn("delayed"), { delayMs: DELAY_MS });
    const timed = await yard.submit(task, stage.turn("timed"), { runAt: at });
    const holder = await yard.submit(queued, stage.turn("holder", GATE));
    await stage.began("times.queued", 1);
    const late = await yard.submit(queued, stage.turn("late"), { expiresInMs: EXPIRES_MS });
    const due = await yard.submit(queued, stage.turn("due"), { deadlineInMs: 120_000 });
    const past = yard.submit(queued, stage.turn("past"), { deadline: Date.now() - 1 });
    await assert.rejects(past, (error) => isCode(error, "INVALID_OPTIONS"));
    await Promise.all([delayed, timed, late, due].map((one) => one.accepted()));
    return async () => {
      assert.equal(await failureOf(late), "TASK_EXPIRED");
      stage.open(GATE);
      assert.deepEqual(await results([holder, due, delayed, timed]), ["holder", "due", "delayed", "timed"]);
      for (const { label, at: begunAt } of stage.lines("times"))
        assert.ok(begunAt >= at, `${label} began ${at - begunAt} ms before its time`);
      assert.deepEqual(stage.labels("times.queued"), ["holder", "due"]);
    };
  },
};
