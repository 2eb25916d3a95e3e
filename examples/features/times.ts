import { strict as assert } from "node:assert";
import { defineQueue, defineTask, isCode } from "yardmaster";
import { createHandlers, type Handler } from "yardmaster/worker";
import { type Feature, failureOf, play, results, type Stage, type Turn, until } from "./feature.ts";

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
const flagged = defineTask<Turn, string>({
  name: "times.flagged",
  queue: defineQueue<Turn>({ name: "times-flagged", order: "deadline", admission: "flag", concurrency: 1 }),
});
const LEARNING = "times-learning";
const FLAGGED_GATE = "times-flagged";
const TAKES_MS = 100;

export const handlers: readonly Handler[] = [task, queued, flagged].map((one) =>
  on(one, (call) => play(one.name, call)),
);

export const times: Feature = {
  name: "delays, expiry, deadlines",
  async begin(stage) {
    const { yard } = stage;
    const doubts = await beginDoubts(stage);
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
      await doubts();
    };
  },
};

/** A deadline that is doubted when the task is accepted stays doubtful under the next owner. */
async function beginDoubts(stage: Stage): Promise<() => Promise<void>> {
  const { yard } = stage;
  // Nothing is held against a definition of which no task has ended; this one takes a while.
  const learnt = await yard.submit(flagged, stage.turn("learnt", LEARNING));
  await stage.began("times.flagged", 1);
  await new Promise((resolve) => setTimeout(resolve, TAKES_MS));
  stage.open(LEARNING);
  await results([learnt]);
  const holder = await yard.submit(flagged, stage.turn("holder", FLAGGED_GATE));
  await stage.began("times.flagged", 2);
  const certain = await yard.submit(flagged, stage.turn("certain"), { deadlineInMs: 120_000 });
  const doubtful = await yard.submit(flagged, stage.turn("doubtful"), { deadlineInMs: 1 });
  await Promise.all([certain, doubtful].map((one) => one.accepted()));
  const look = async (): Promise<void> => {
    assert.equal((await yard.status(doubtful.id))?.code, "DEADLINE_DOUBTFUL");
    assert.equal((await yard.status(certain.id))?.code, null);
    assert.match((await yard.explain(doubtful.id))?.sentence ?? "", /that it can be met was doubted/);
  };
  await look();
  return async () => {
    await until(
      "both to be known",
      async () => (await yard.explain(doubtful.id))?.reason === "queue-concurrency",
    );
    await look();
    stage.open(FLAGGED_GATE);
    assert.deepEqual(await results([holder, doubtful, certain]), ["holder", "doubtful", "certain"]);
    assert.deepEqual(stage.labels("times.flagged"), ["learnt", "holder", "doubtful", "certain"]);
  };
}
