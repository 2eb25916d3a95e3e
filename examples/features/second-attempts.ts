import { strict as assert } from "node:assert";
import { defineTask } from "yardmaster";
import { createHandlers, type Handler } from "yardmaster/worker";
import { type Feature, play, results, type Turn, until } from "./feature.ts";

/* An attempt that takes long, and a second one beside it when the owner goes. The first success counts, and only it. */

const { on } = createHandlers();
const NAME = "second-attempts";
/** Nothing is late before so many tasks of a definition have ended. */
const LEARNT = 3;
const task = defineTask<Turn, number>({
  name: NAME,
  attempts: 1,
  speculative: { afterFactor: 2, afterMs: 200 },
});

export const handlers: readonly Handler[] = [
  on(task, async ({ input, taskId, attempt }) => {
    const gate = input.gate === "" ? "" : gateOf(attempt);
    await play(NAME, { input: { ...input, gate }, taskId, attempt });
    return attempt;
  }),
];

/** Each attempt waits for a gate of its own. */
function gateOf(attempt: number): string {
  return `${NAME}-${attempt}`;
}

export const secondAttempts: Feature = {
  name: "second attempts",
  async begin(stage) {
    const { yard } = stage;
    for (let done = 0; done < LEARNT; done++) await results([await yard.submit(task, stage.turn("learnt"))]);
    const slow = await yard.submit(task, stage.turn("slow", "each"));
    await stage.began(NAME, LEARNT + 2);
    const runsTwice = async (): Promise<void> =>
      until("the second attempt", async () => (await yard.explain(slow.id))?.reason === "second-attempt");
    await runsTwice();
    return async () => {
      await runsTwice();
      stage.open(gateOf(2));
      assert.deepEqual(await results([slow]), [2], "the first success counts");
      stage.open(gateOf(1));
      const ran = (what: "began" | "ended") => stage.lines(NAME, what).filter(({ id }) => id === slow.id);
      await until("the first attempt to end", async () => ran("ended").length === 2);
      assert.deepEqual(
        ran("began").map(({ attempt }) => attempt),
        [1, 2],
        "it is joined once",
      );
      assert.equal(new Set(ran("began").map(({ pid }) => pid)).size, 2, "on another worker");
      const status = await yard.status(slow.id);
      assert.deepEqual([status?.state, await slow.result()], ["succeeded", 2]);
    };
  },
};
