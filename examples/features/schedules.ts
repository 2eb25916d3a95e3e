import { strict as assert } from "node:assert";
import { defineTask } from "yardmaster";
import { createHandlers, type Handler } from "yardmaster/worker";
import { type Feature, play, results, type Turn, until } from "./feature.ts";

/* Ticks of an interval and of a cron line go on under the next owner, each of them once. */

const { on } = createHandlers();
const EVERY_MS = 1_000;
const interval = defineTask<Turn, string>({ name: "schedules.interval" });
const cron = defineTask<Turn, string>({ name: "schedules.cron" });

export const handlers: readonly Handler[] = [interval, cron].map((task) =>
  on(task, (call) => play(task.name, call)),
);

export const schedules: Feature = {
  name: "schedules",
  async begin(stage) {
    const { yard } = stage;
    await yard.schedule("beat", interval, stage.turn("beat"), { everyMs: EVERY_MS, missed: "all" });
    const options = { cron: "* * * * * *", timeZone: "Europe/Berlin" };
    await yard.schedule("cron", cron, stage.turn("cron"), options);
    await yard.schedule("paused", interval, stage.turn("paused"), { everyMs: EVERY_MS });
    await yard.schedules.pause("paused");
    await stage.began("schedules.interval", 2);
    return async () => {
      const seen = stage.lines("schedules.cron").length;
      await stage.began("schedules.cron", seen + 2);
      await yard.schedules.pause("beat");
      const beat = (await yard.schedules.list()).find(({ name }) => name === "beat");
      const ran = (): string[] =>
        stage.lines("schedules.interval").flatMap(({ id, label }) => (label === "beat" ? [id] : []));
      await until("the last ticks", async () => ran().length === beat?.fired);
      const at = ran().map(tickOf);
      assert.equal(new Set(ran()).size, ran().length, "each tick made its task once");
      const gaps = at.slice(1).map((time, index) => time - (at[index] ?? 0));
      assert.deepEqual(
        gaps,
        gaps.map(() => EVERY_MS),
        "no tick is left out",
      );
      const now = await yard.schedules.runNow("paused");
      assert.deepEqual(await results([now]), ["paused"]);
      assert.equal(stage.labels("schedules.interval").filter((label) => label === "paused").length, 1);
      for (const { name } of await yard.schedules.list()) await yard.schedules.remove(name);
      assert.deepEqual(await yard.schedules.list(), []);
    };
  },
};

/** The id of a tick's task begins with its time. */
function tickOf(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}
