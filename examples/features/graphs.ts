import { strict as assert } from "node:assert";
import { call, chain, chord, defineTask, group, map, step } from "yardmaster";
import { createHandlers, fail, type Handler } from "yardmaster/worker";
import { type Feature, failureOf, play, type Turn } from "./feature.ts";

/* Graphs of which a part has ended, a part runs and a part waits when the owner goes. */

const { on } = createHandlers();
const GATE = "graphs";
const work = defineTask<Turn, string>({ name: "graphs.work" });
const join = defineTask<readonly (string | null)[], string>({ name: "graphs.join" });
const broken = defineTask<Turn, string>({ name: "graphs.broken" });

export const handlers: readonly Handler[] = [
  on(work, (one) => play("graphs.work", one)),
  on(join, ({ input }) => input.map((label) => label ?? "-").join("+")),
  on(broken, async (one) => {
    await play("graphs.broken", one);
    return fail("as planned");
  }),
];

export const graphs: Feature = {
  name: "graphs",
  async begin(stage) {
    const { yard } = stage;
    const turns = ["1", "2", "3"].map((label) => stage.turn(label, label === "1" ? "" : GATE));
    const total = await yard.submitGraph(chain(map(work, turns), join));
    const nested = await yard.submitGraph(
      chord([chain(map(work, turns), join), call(work, stage.turn("4", GATE)), chain(group([]), join)], join),
    );
    const failing = chain(group([call(broken, stage.turn("5", GATE)), call(work, stage.turn("6"))]), join);
    const failed = await yard.submitGraph(failing);
    const anyway = await yard.submitGraph(
      chain(
        group([call(broken, stage.turn("7", GATE)), call(work, stage.turn("8"))]),
        step(join, { ifDependencyFails: "run-anyway" }),
      ),
    );
    const cancelled = await yard.submitGraph(
      chain(call(work, stage.turn("9", GATE)), call(work, stage.turn("10"))),
    );
    await stage.began("graphs.work", 10);
    await stage.began("graphs.broken", 2);
    return async () => {
      await cancelled.cancel("not wanted any more");
      stage.open(GATE);
      assert.equal(await total.result(), "1+2+3");
      assert.equal(await nested.result(), "1+2+3+4+");
      assert.equal(await anyway.result(), "-+8");
      const last = failed.tasks.at(-1);
      assert.ok(last !== undefined);
      assert.equal(await failureOf(last), "TASK_FAILED");
      assert.equal((await yard.status(last.id))?.code, "DEPENDENCY_FAILED");
      for (const task of cancelled.tasks) assert.equal(await failureOf(task), "TASK_CANCELLED");
      assert.equal(stage.labels("graphs.work").includes("10"), false, "what was cancelled does not start");
      assert.equal(
        stage.lines("graphs.work").every(({ attempt }) => attempt === 1),
        true,
        "none ran twice",
      );
    };
  },
};
