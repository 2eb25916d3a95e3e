import { strict as assert } from "node:assert";
import { defineQueue, defineTask } from "yardmaster";
import { createHandlers, type Handler } from "yardmaster/worker";
import { type Feature, type Line, play, results, type Turn } from "./feature.ts";

/* Rates of a queue and of each key. What an owner has let start counts under the next one. */

const { on } = createHandlers();
const RATE = { limit: 1, perMs: 3_000, burst: 2 } as const;
/** How much later than another an attempt may begin that was let start at the same time. */
const ON_THE_WAY_MS = 2_500;
const COUNT = 5;

const ofQueue = defineTask<Turn, string>({
  name: "rates.queue",
  queue: defineQueue<Turn>({ name: "rates", rate: RATE }),
});
const ofKey = defineTask<Turn, string>({
  name: "rates.key",
  rate: { ...RATE, key: ({ label }) => label.slice(0, 1) },
});

export const handlers: readonly Handler[] = [ofQueue, ofKey].map((task) =>
  on(task, (call) => play(task.name, call)),
);

export const rates: Feature = {
  name: "rates",
  async begin(stage) {
    const { yard } = stage;
    const numbers = Array.from({ length: COUNT }, (_, number) => number);
    const submitted = numbers.flatMap((number) => [
      yard.submit(ofQueue, stage.turn(`q${number}`)),
      yard.submit(ofKey, stage.turn(`a${number}`)),
      yard.submit(ofKey, stage.turn(`b${number}`)),
    ]);
    const tasks = await Promise.all(submitted);
    await stage.began("rates.queue", RATE.burst);
    return async () => {
      await results(tasks);
      const keys = ["q", "a", "b"].map((key) => {
        const lines = [...stage.lines("rates.queue"), ...stage.lines("rates.key")];
        return lines.filter(({ label }) => label.startsWith(key));
      });
      for (const lines of keys) {
        assert.equal(lines.length, COUNT);
        checkRate(lines);
      }
    };
  },
};

/** At most the burst and the rate times the time, in every interval. */
function checkRate(lines: readonly Line[]): void {
  const times = lines.map(({ at }) => at).sort((a, b) => a - b);
  for (const [first, from] of times.entries()) {
    for (const [offset, to] of times.slice(first).entries()) {
      const allowed = RATE.burst + (RATE.limit * (to - from + ON_THE_WAY_MS)) / RATE.perMs;
      assert.ok(offset + 1 <= allowed, `${offset + 1} starts in ${to - from} ms`);
    }
  }
}
