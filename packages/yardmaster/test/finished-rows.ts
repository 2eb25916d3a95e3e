import { openEngine } from "../src/connect.ts";
import type { EngineAddress } from "../src/engine.ts";
import { systemHost } from "../src/host.ts";
import { createTaskIds } from "../src/protocol/ids.ts";
import type { TaskId, TaskRecord } from "../src/protocol/task.ts";
import { inserted, owner, SPEC, sampleTask } from "../src/testing/sample-tasks.ts";

const STEP = 1_000;
const KEEP_MS = 86_400_000;

/**
 * Writes finished tasks straight through the store of a yard that nobody owns yet, oldest first, and answers their ids.
 * `change` says in what the nth differs from a success.
 */
export async function writeFinished(
  address: EngineAddress,
  count: number,
  change: (index: number) => Partial<TaskRecord>,
): Promise<TaskId[]> {
  const engine = await openEngine(address);
  try {
    const commit = await owner(engine.store);
    const ids: TaskId[] = [];
    const now = systemHost.now();
    const next = createTaskIds({ now: () => now - count + ids.length, random: systemHost.random });
    while (ids.length < count) {
      const changes = Array.from({ length: Math.min(STEP, count - ids.length) }, () => {
        const at = now - count + ids.length;
        const id = next.next(0);
        const task = sampleTask(0, {
          id,
          spec: SPEC,
          state: "succeeded",
          attempt: 1,
          submittedAt: at,
          finishedAt: at,
          replyTo: "",
          ...change(ids.length),
        });
        ids.push(id);
        const result = task.state === "succeeded" ? "1" : null;
        return inserted(task, { keepUntil: now + KEEP_MS, result });
      });
      await commit(...changes);
    }
    const holder = await engine.store.holder(0);
    if (holder !== null) await engine.store.release({ shard: 0, owner: holder.owner, epoch: holder.epoch });
    return ids;
  } finally {
    await engine.close({ timeoutMs: 5_000 });
  }
}
