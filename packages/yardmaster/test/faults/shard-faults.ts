import { expect, it } from "vitest";
import type { TaskHandle } from "../../src/client/handle.ts";
import { defineTask } from "../../src/definition.ts";
import { shardOfQueue } from "../../src/protocol/shards.ts";
import { connect, type Yard } from "../../src/yard.ts";
import { startedFor } from "../server-tests.ts";
import { type Actor, Cast } from "./actors.ts";
import { type Work, type Worked, work } from "./fault-tasks.ts";
import { type Scene, started } from "./process-faults.ts";

const SHARDS = 2;
const names = Array.from({ length: 50 }, (_, number) => `queue-${number}`);
/** The same work in a queue of each shard. */
const tasks = Array.from({ length: SHARDS }, (_, shard) =>
  defineTask<Work, Worked>({
    name: work.name,
    queue: names.find((name) => shardOfQueue(name, SHARDS) === shard) ?? "",
    attempts: 10,
  }),
);

async function submit(yard: Yard, count: number, until: string): Promise<TaskHandle<Worked>[]> {
  const numbers = Array.from({ length: count }, (_, number) => number);
  return await Promise.all(
    numbers.map((number) => yard.submit(tasks[number % SHARDS] ?? work, { number, until })),
  );
}

async function doubled(handles: readonly TaskHandle<Worked>[]): Promise<number[]> {
  return await Promise.all(handles.map(async (task) => (await task.result({ timeoutMs: 60_000 })).doubled));
}

/** Resolves when a dispatcher has taken shards so many times. */
function taken(dispatcher: Actor, times: number): Promise<true> {
  return told(dispatcher, "SHARD_TAKEN", times);
}

function told(dispatcher: Actor, code: string, times: number): Promise<true> {
  return dispatcher.until(() => (dispatcher.alarms(code).length >= times ? true : null));
}

/** Two dispatchers at work on one yard: the same on every engine. */
export function shardFaults(scene: Scene): void {
  it(`two dispatchers share two shards on ${scene.name}, and one goes on alone when the other is killed`, {
    timeout: 90_000,
  }, async (context) => {
    const cast = new Cast(await startedFor(context, () => scene.address()));
    const yard = await connect(cast.address, { shards: SHARDS });
    try {
      const first = await cast.start("dispatcher");
      await taken(first, SHARDS);
      await cast.start("worker", { slots: 4 });
      const gate = cast.gate("gate");
      const running = await submit(yard, 4, gate.path);
      await started(cast, 4);
      const second = await cast.start("dispatcher");
      await taken(second, 1);
      await told(first, "SHARD_HANDED_OVER", 1);
      expect(first.alarms("SHARD_HANDED_OVER")).toHaveLength(1);
      expect(first.alarms("SHARD_LOST")).toEqual([]);
      gate.open();
      expect(await doubled(running)).toEqual([0, 2, 4, 6]);
      expect(await doubled(await submit(yard, 200, ""))).toHaveLength(200);
      const later = cast.gate("later");
      const held = await submit(yard, 4, later.path);
      await started(cast, 208);
      await first.kill();
      await taken(second, SHARDS);
      later.open();
      expect(await doubled(held)).toEqual([0, 2, 4, 6]);
      expect(await doubled(await submit(yard, 200, ""))).toHaveLength(200);
      expect(cast.runs()).toHaveLength(408);
      expect(cast.runs().filter(({ attempt }) => attempt > 1)).toEqual([]);
    } finally {
      await yard.close();
      await cast.close();
    }
  });
}
