import { strict as assert } from "node:assert";
import { defineTask, type TaskHandle } from "yardmaster";
import { createHandlers, type Handler } from "yardmaster/worker";
import { type Feature, play, results, type Turn, until } from "./feature.ts";

/* Why tasks wait, asked of one owner and of the next. */

const { on } = createHandlers();
const GATE = "explanations";
const limited = defineTask<Turn, string>({ name: "explanations.limited", concurrency: 1 });
const unknown = defineTask<Turn, string>({ name: "explanations.unknown" });
const demanding = defineTask<Turn, string>({ name: "explanations.limited", needs: { gpu: 1_000 } });

export const handlers: readonly Handler[] = [on(limited, (call) => play("explanations", call))];

export const explanations: Feature = {
  name: "explain",
  async begin(stage) {
    const { yard } = stage;
    const runs = await yard.submit(limited, stage.turn("runs", GATE));
    await stage.began("explanations", 1);
    const waits = await yard.submit(limited, stage.turn("waits"));
    const stranger = await yard.submit(unknown, stage.turn("stranger"));
    const large = await yard.submit(demanding, stage.turn("large"));
    const delayed = await yard.submit(limited, stage.turn("delayed"), { delayMs: 600_000 });
    const after = await yard.submit(limited, stage.turn("after"), { after: [waits] });
    const expected: readonly (readonly [TaskHandle, string, RegExp])[] = [
      [runs, "running", /Attempt 1 runs on worker/],
      [waits, "concurrency", /1 of 1 held by/],
      [stranger, "unknown-name", /No connected worker knows explanations.unknown/],
      [large, "no-such-resource", /No connected worker offers gpu: 1000/],
      [delayed, "delay", /not due before/],
      [after, "dependencies", /./],
    ];
    const ask = async (): Promise<void> => {
      for (const [task, reason, sentence] of expected) {
        // Workers introduce themselves to a new owner one after the other.
        await until(`${reason} of ${task.id}`, async () => (await yard.explain(task.id))?.reason === reason);
        assert.match((await yard.explain(task.id))?.sentence ?? "", sentence);
      }
    };
    await ask();
    return async () => {
      await ask();
      stage.open(GATE);
      await results([runs, waits, after]);
      for (const task of [stranger, large, delayed]) assert.equal(await task.cancel(), "cancelled");
      const story = (await yard.story(runs.id)) ?? [];
      assert.deepEqual(
        story.map(({ state }) => state),
        ["submitted", "ready", "running", "succeeded"],
      );
    };
  },
};
