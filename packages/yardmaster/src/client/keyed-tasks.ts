import type { Engine } from "../engine.ts";
import { keyOf } from "../protocol/change.ts";
import type { Millis, TaskId } from "../protocol/task.ts";

/** What an idempotency key stands for while its window lasts: one task, or one in each shard that the definition is sent to. */
export async function idsOfKey(
  { store, shards }: Engine,
  now: Millis,
  name: string,
  key: string,
): Promise<TaskId[]> {
  const numbers = Array.from({ length: shards }, (_, shard) => shard);
  const answers = await Promise.all(numbers.map((shard) => store.read({ shard, keys: [{ name, key }] })));
  return answers.flatMap(({ keys }) => {
    const record = keys.get(keyOf(name, key));
    return record === undefined || record.expiresAt <= now ? [] : [record.id];
  });
}
