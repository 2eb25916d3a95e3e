import { strict as assert } from "node:assert";
import { call, chain, defineQueue, defineTask, group, type QueueOptions, type TaskHandle } from "yardmaster";
import { createHandlers, type Handler } from "yardmaster/worker";
import { type Feature, play, results, type Stage, type Turn } from "./feature.ts";

/*
 * A queue of each order, all of which run one task at a time: the first one holds the place while the others come and
 * the owner goes. They run in the order that the queue promises.
 */

const { on } = createHandlers();
const GATE = "orders";
type Order = NonNullable<QueueOptions["order"]>;

function queueOf(order: Order) {
  return defineQueue<Turn>({ name: `orders-${order}`, order, concurrency: 1 });
}

function taskOf(order: Exclude<Order, "fair" | "shortest">) {
  return defineTask<Turn, string>({ name: `orders.${order}`, queue: queueOf(order) });
}

const plain = {
  fifo: taskOf("fifo"),
  lifo: taskOf("lifo"),
  priority: taskOf("priority"),
  deadline: taskOf("deadline"),
  "critical-path": taskOf("critical-path"),
};
const fair = defineTask<Turn, string>({
  name: "orders.fair",
  queue: queueOf("fair"),
  fairness: { key: ({ label }) => label.slice(0, 1) },
});
/** Two definitions of one name are the same code: what is learnt in one queue counts in the other. */
const shortest = ["long", "short"].map((length) => {
  const name = `orders.${length}`;
  return {
    learnt: defineTask<Turn, string>({ name, queue: "orders-learning" }),
    task: defineTask<Turn, string>({ name, queue: queueOf("shortest") }),
  };
});
const LONG_MS = 400;

export const handlers: readonly Handler[] = [
  ...[...Object.values(plain), fair].map((task) => on(task, (one) => play(task.name, one))),
  ...shortest.map(({ task }) =>
    on(task, async (one) => {
      // One diary for both, as they are compared.
      const label = await play("orders.shortest", one);
      if (task.name === "orders.long") await new Promise((resolve) => setTimeout(resolve, LONG_MS));
      return label;
    }),
  ),
];

export const orders: Feature = {
  name: "orders",
  async begin(stage) {
    const waiting: TaskHandle[] = [];
    await holdPlaces(stage, waiting);
    await submitWaiting(stage, waiting);
    return async () => {
      await learn(stage);
      stage.open(GATE);
      await results(waiting);
      const expected: Record<string, readonly string[]> = {
        fifo: ["1", "2", "3"],
        lifo: ["3", "2", "1"],
        priority: ["high", "middle", "low"],
        deadline: ["soon", "later", "never"],
        fair: ["b1", "a2", "a3"],
        "critical-path": ["row1", "single", "row2"],
        shortest: ["short1", "short2", "long1", "long2"],
      };
      for (const [order, labels] of Object.entries(expected)) {
        const ran = stage
          .labels(`orders.${order}`)
          .filter((label) => !["first", "a1", "learnt"].includes(label));
        if (order === "critical-path") assert.equal(ran[0], "row1", `${order}: ${ran}`);
        else assert.deepEqual(ran, labels, order);
      }
    };
  },
};

async function holdPlaces(stage: Stage, waiting: TaskHandle[]): Promise<void> {
  const first = stage.turn("first", GATE);
  for (const task of Object.values(plain)) waiting.push(await stage.yard.submit(task, first));
  waiting.push(await stage.yard.submit(fair, stage.turn("a1", GATE)));
  for (const { task } of shortest.slice(0, 1)) waiting.push(await stage.yard.submit(task, first));
  for (const order of [...Object.keys(plain), "fair", "shortest"]) await stage.began(`orders.${order}`, 1);
}

/** One after the other is accepted: whoever comes in one millisecond has the same claim. */
async function submitWaiting(stage: Stage, waiting: TaskHandle[]): Promise<void> {
  const { yard } = stage;
  const input = (label: string): Turn => stage.turn(label);
  const add = async (task: Promise<TaskHandle>): Promise<void> => {
    const handle = await task;
    waiting.push(handle);
    await handle.accepted();
    await new Promise((resolve) => setTimeout(resolve, 2));
  };
  for (const label of ["1", "2", "3"]) {
    await add(yard.submit(plain.fifo, input(label)));
    await add(yard.submit(plain.lifo, input(label)));
  }
  for (const [label, priority] of [
    ["low", 1],
    ["high", 200],
    ["middle", 100],
  ] as const)
    await add(yard.submit(plain.priority, input(label), { priority }));
  await add(yard.submit(plain.deadline, input("never")));
  for (const [label, deadlineInMs] of [
    ["later", 200_000],
    ["soon", 100_000],
  ] as const)
    await add(yard.submit(plain.deadline, input(label), { deadlineInMs }));
  for (const label of ["a2", "a3", "b1"]) await add(yard.submit(fair, input(label)));
  for (const { task } of shortest)
    for (const number of [1, 2])
      await add(yard.submit(task, input(`${task.name.slice("orders.".length)}${number}`)));
  const path = plain["critical-path"];
  const row = chain(call(path, input("row1")), call(path, input("row2")));
  const graph = await yard.submitGraph(group([call(path, input("single")), row]));
  waiting.push(...graph.tasks);
}

/** A new owner knows what tasks take only as far as its predecessor had written it down. */
async function learn(stage: Stage): Promise<void> {
  for (const { learnt } of shortest) await results([await stage.yard.submit(learnt, stage.turn("learnt"))]);
}
