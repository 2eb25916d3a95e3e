import type { TaskId, TaskRecord } from "../protocol/task.ts";
import { fieldOf, idOf } from "../redis/keys.ts";
import { buffersIn } from "../redis/replies.ts";
import { WALK } from "../redis/scripts.ts";
import type { Servers } from "../redis/servers.ts";
import { partsOf } from "./redis-reads.ts";
import { type FindFilter, MOST_LOOKED_AT, matches } from "./store.ts";

/** A task on the way down, and its value; "" if it was swept or brought in meanwhile. */
interface Found {
  readonly id: TaskId;
  readonly value: Buffer;
}

/** Finished and parked tasks of all shards, newest first: each shard has them in order, and steps are merged. */
export async function findTasks(
  servers: Servers,
  shards: number,
  filter: FindFilter,
): Promise<{ tasks: TaskRecord[]; cursor: string | null }> {
  const tasks: TaskRecord[] = [];
  let cursor: string | null = filter.cursor ?? null;
  const numbers =
    filter.shard === undefined ? Array.from({ length: shards }, (_, shard) => shard) : [filter.shard];
  for (let left = filter.most ?? MOST_LOOKED_AT; left > 0; left -= STEP) {
    const { found, isEnd } = await walk(servers, numbers, cursor, Math.min(left, STEP));
    for (const { id, value } of found) {
      cursor = id;
      const task = value.length === 0 ? null : partsOf(value).task;
      if (task === null || !matches(task, filter)) continue;
      tasks.push(task);
      if (tasks.length === filter.limit) return { tasks, cursor };
    }
    if (isEnd) return { tasks, cursor: null };
  }
  return { tasks, cursor };
}

/** The next tasks below an id. Of what one shard has, only that counts which no other can still undercut. */
async function walk(
  servers: Servers,
  shards: readonly number[],
  before: TaskId | null,
  step: number,
): Promise<{ found: Found[]; isEnd: boolean }> {
  const each = Math.max(MIN_STEP, Math.ceil(step / shards.length));
  const walks = await Promise.all(shards.map((shard) => walkShard(servers, shard, before, each)));
  const unfinished = walks.filter((walked) => walked.length === each);
  const bound = unfinished.map((walked) => walked.at(-1)?.id ?? "").reduce((a, b) => (a > b ? a : b), "");
  const found = walks
    .flat()
    .filter(({ id }) => id >= bound)
    .sort((a, b) => (a.id < b.id ? 1 : -1));
  return { found, isEnd: unfinished.length === 0 };
}

async function walkShard(
  servers: Servers,
  shard: number,
  before: TaskId | null,
  count: number,
): Promise<Found[]> {
  const keys = ["walk", "parked", "done"].map((name) => servers.keys.key(shard, name));
  const args = [startBelow(shard, before), String(count)];
  const flat = buffersIn(await servers.script("STORE_UNAVAILABLE", shard, WALK, keys, args));
  const found: Found[] = [];
  for (let at = 0; at + 1 < flat.length; at += 2) {
    const [field, value] = [flat[at], flat[at + 1]];
    if (field && value) found.push({ id: idOf(field, shard), value });
  }
  return found;
}

/** Of two tasks with the same field, that of the higher shard has the higher id. */
function startBelow(shard: number, before: TaskId | null): string | Buffer {
  if (before === null) return "+";
  const field = fieldOf(before);
  const isBelow = idOf(field, shard) < before;
  return Buffer.concat([Buffer.from(isBelow ? "[" : "("), field]);
}

const STEP = 500;
const MIN_STEP = 20;
