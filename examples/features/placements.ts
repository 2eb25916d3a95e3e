import { strict as assert } from "node:assert";
import { defineQueue, defineTask, type QueueOptions, type TaskDefinition } from "yardmaster";
import { createHandlers, type Handler } from "yardmaster/worker";
import { type Feature, play, results, type Stage, type Turn } from "./feature.ts";

/*
 * Two workers of their own, of four slots and four cpu each, one of them in zone a and one in zone b. Some tasks hold
 * what they need of a worker while the owner goes; its successor must know of it when it places the next ones.
 */

const { on } = createHandlers();
type Placement = NonNullable<QueueOptions["placement"]>;
const GATE = "placements-held";

function taskOf(placement: Placement, cpu: number | null): TaskDefinition<Turn, string> {
  return defineTask<Turn, string>({
    name: `placements.${placement}`,
    queue: defineQueue<Turn>({ name: `placements-${placement}`, placement }),
    ...(cpu === null ? {} : { needs: { cpu } }),
  });
}

const tasks = {
  "two-choices": taskOf("two-choices", null),
  "least-loaded": taskOf("least-loaded", null),
  "idle-first": taskOf("idle-first", null),
  random: taskOf("random", null),
  spread: taskOf("spread", 1),
  pack: taskOf("pack", 2),
};
const sticky = defineTask<Turn, string>({
  name: "placements.sticky",
  queue: defineQueue<Turn>({ name: "placements-sticky", placement: "sticky" }),
  affinity: { key: ({ label }) => label },
});
const labelled = defineTask<Turn, string>({
  name: "placements.labelled",
  labels: { required: { zone: "b" } },
});
const preferring = defineTask<Turn, string>({
  name: "placements.preferring",
  labels: { preferred: { zone: "a" } },
});
/** Of the workers of this feature. */
const SLOTS = 4;

export const placementHandlers: readonly Handler[] = [
  ...Object.values(tasks),
  sticky,
  labelled,
  preferring,
].map((task) => on(task, (call) => play(task.name, call)));

export const placements: Feature = {
  name: "placements",
  async begin(stage) {
    await eachAlone(stage, "before");
    const held = await Promise.all(
      [1, 2].map((n) => stage.yard.submit(tasks.pack, stage.turn(`held${n}`, GATE))),
    );
    await stage.began("placements.pack", 4);
    return async () => {
      // One worker is full: what both would take for the fuller one goes to the other.
      const third = await stage.yard.submit(tasks.pack, stage.turn("third", GATE));
      await stage.began("placements.pack", 5);
      const pids = new Map(stage.lines("placements.pack").map(({ label, pid }) => [label, pid]));
      assert.equal(pids.get("held1"), pids.get("held2"), "pack fills one worker first");
      assert.notEqual(pids.get("third"), pids.get("held1"), "what is in use is known after a failover");
      stage.open(GATE);
      await results([...held, third]);
      await eachAlone(stage, "after");
      const [first, ...others] = stage.lines("placements.sticky").map(({ pid }) => pid);
      assert.deepEqual(
        others,
        others.map(() => first),
        "tasks of one key go to one worker, whoever places them",
      );
      assert.equal(new Set(stage.lines("placements.labelled").map(({ pid }) => pid)).size, 1);
      const [required] = stage.lines("placements.labelled");
      for (const time of TIMES) {
        const lines = stage.lines("placements.preferring").filter(({ label }) => label.startsWith(time));
        const elsewhere = lines.filter(({ pid }) => pid === required?.pid);
        assert.deepEqual(
          [lines.length, elsewhere.length],
          [SLOTS + 1, 1],
          "preferred, as long as it has room",
        );
      }
    };
  },
};

/** How many tasks of a placement are put on idle workers at a time, and how many then go to the one that has most. */
const SPLITS: readonly (readonly [keyof typeof tasks, number, number | null])[] = [
  ["two-choices", 4, 2],
  ["least-loaded", 4, 2],
  ["idle-first", 2, 1],
  ["random", 4, null],
  ["spread", 4, 2],
  ["pack", 2, 2],
];

const TIMES = ["before", "after"] as const;

async function eachAlone(stage: Stage, time: (typeof TIMES)[number]): Promise<void> {
  for (const [placement, count, most] of SPLITS) {
    const task = tasks[placement];
    const gate = `${placement}-${time}`;
    const before = stage.lines(task.name).length;
    const turns = Array.from({ length: count }, (_, index) => stage.turn(`${time}${index}`, gate));
    const handles = await Promise.all(turns.map((turn) => stage.yard.submit(task, turn)));
    await stage.began(task.name, before + count);
    const byWorker = new Map<number, number>();
    for (const { pid } of stage.lines(task.name).slice(before))
      byWorker.set(pid, (byWorker.get(pid) ?? 0) + 1);
    if (most !== null) assert.equal(Math.max(...byWorker.values()), most, `${placement} ${time}`);
    stage.open(gate);
    await results(handles);
  }
  for (let round = 0; round < 3; round++)
    await results([
      await stage.yard.submit(sticky, stage.turn("model")),
      await stage.yard.submit(labelled, stage.turn("zone")),
    ]);
  const gate = `preferring-${time}`;
  const begun = stage.lines("placements.preferring").length;
  const turns = Array.from({ length: SLOTS + 1 }, (_, index) => stage.turn(`${time}${index}`, gate));
  const preferred = await Promise.all(turns.map((turn) => stage.yard.submit(preferring, turn)));
  await stage.began("placements.preferring", begun + SLOTS + 1);
  stage.open(gate);
  await results(preferred);
}
