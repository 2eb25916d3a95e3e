import { bytesOf, textArray, uuidArray } from "../postgres/arrays.ts";
import type { Row, Value } from "../postgres/driver.ts";
import type { Yard } from "../postgres/yard.ts";
import { fromBuffer } from "../protocol/bytes.ts";
import { type KeyRecord, keyOf, type StoredItem, type StoredTask } from "../protocol/change.ts";
import { isTaskId } from "../protocol/ids.ts";
import { decodeQueue, decodeRecord } from "../protocol/record.ts";
import { INLINE_BYTES, type TaskId, type TaskRecord } from "../protocol/task.ts";
import { LIVE_EACH } from "./postgres-changes.ts";
import {
  type FindFilter,
  isOfShard,
  MOST_LOOKED_AT,
  matches,
  type ReadAnswer,
  type ReadQuery,
  type Store,
} from "./store.ts";

const HALF = "STORE_UNAVAILABLE";

/**
 * OFFSET keeps the look at one key apart: without it, a plan that is made while there are no keys reads all of the shard's
 * with each look, until the server next analyzes the table.
 */
export const READ_KEYS = `
  SELECT k.* FROM unnest($2::text[], $3::text[]) v (name, key) CROSS JOIN LATERAL (
    SELECT name, key, id, hash, keep FROM @.key WHERE shard = $1 AND name = v.name AND key = v.key OFFSET 0
  ) k`;

/** What is read from a store, in steps that are short for the event loop. */
export function createPostgresReads(yard: Yard): Pick<Store, "load" | "parked" | "read" | "find"> {
  const run = (name: string, sql: string, ...values: Value[]): Promise<readonly Row[]> =>
    yard.link.run(HALF, { name, text: yard.sql(sql) }, values);
  return {
    load: (shard) => load(run, shard),
    parked: async (shard, limit) => {
      const rows = await run(
        "parked",
        `SELECT record, ${SMALL_PAYLOAD} FROM @.task WHERE parked = $1 ORDER BY due, rank, id LIMIT $2`,
        shard,
        limit,
      );
      return rows.map(([record, payload]) => stored(record, payload, null));
    },
    read: (query) => read(run, query),
    find: (filter) => find(run, filter),
  };
}

type Run = (name: string, sql: string, ...values: Value[]) => Promise<readonly Row[]>;

/** Nobody but the owner changes a shard's tasks, so that steps read one after the other fit together. */
async function* load(run: Run, shard: number): AsyncGenerator<StoredItem[]> {
  const first = await loadFirst(run, shard);
  if (first.length > 0) yield first;
  for (let live = shard * LIVE_EACH, id = NO_ID; ; ) {
    const rows = await run(
      "load",
      `SELECT record, ${SMALL_PAYLOAD}, live, id FROM @.task
       WHERE live IS NOT NULL AND (live, id) > ($1::int, $2::uuid) AND live < $3 ORDER BY live, id LIMIT $4`,
      live,
      id,
      (shard + 1) * LIVE_EACH,
      LOAD_STEP,
    );
    const last = rows.at(-1);
    if (last === undefined) break;
    yield rows.map(([record, payload]): StoredItem => ({ type: "task", ...stored(record, payload, null) }));
    live = Number(last[2]);
    id = last[3] ?? NO_ID;
  }
  for (let after = NO_ID; ; ) {
    const rows = await run(
      "tombstones",
      "SELECT id, keep FROM @.tombstone WHERE shard = $1 AND id > $2 ORDER BY id LIMIT $3",
      shard,
      after,
      LOAD_STEP,
    );
    if (rows.length === 0) return;
    yield rows.map(
      ([id, keep]): StoredItem => ({ type: "tombstone", id: id ?? "", keepUntil: Number(keep) }),
    );
    after = rows.at(-1)?.[0] ?? NO_ID;
  }
}

async function loadFirst(run: Run, shard: number): Promise<StoredItem[]> {
  const [queues, sides, parked] = await Promise.all([
    run("queues", "SELECT record FROM @.queue WHERE shard = $1 ORDER BY name", shard),
    run("sides", "SELECT kind, key, value FROM @.side WHERE shard = $1 ORDER BY kind, key", shard),
    run("parked_count", "SELECT count(*) FROM @.task WHERE parked = $1", shard),
  ]);
  const count = Number(parked[0]?.[0]);
  return [
    ...queues.map(([record]): StoredItem => ({ type: "queue", queue: decodeQueue(bytesOf(record)) })),
    ...sides.map(
      ([kind, key, value]): StoredItem => ({
        type: "row",
        kind: kind ?? "",
        key: key ?? "",
        value: fromBuffer(bytesOf(value)),
      }),
    ),
    ...(count > 0 ? [{ type: "parked", count } as const] : []),
  ];
}

async function read(
  run: Run,
  { ids = [], keys = [], shard = 0, bytes = false }: ReadQuery,
): Promise<ReadAnswer> {
  const array = uuidArray(ids.filter(isTaskId));
  const [tasks, found] = await Promise.all([
    array === null
      ? []
      : bytes
        ? run("read_bytes", "SELECT record, payload, result FROM @.task WHERE id = ANY ($1)", array)
        : run("read", "SELECT record, NULL, NULL FROM @.task WHERE id = ANY ($1)", array),
    keys.length === 0
      ? []
      : run(
          "read_keys",
          READ_KEYS,
          shard,
          textArray(keys.map(({ name }) => name)),
          textArray(keys.map(({ key }) => key)),
        ),
  ]);
  return {
    tasks: new Map<TaskId, StoredTask>(
      tasks.map(([record, payload, result]) => {
        const task = stored(record, payload, result);
        return [task.task.id, task];
      }),
    ),
    keys: new Map(
      found.map(([name, key, id, hash, keep]): [string, KeyRecord] => [
        keyOf(name ?? "", key ?? ""),
        {
          name: name ?? "",
          key: key ?? "",
          id: id ?? "",
          inputHash: fromBuffer(bytesOf(hash)),
          expiresAt: Number(keep),
        },
      ]),
    ),
  };
}

async function find(
  run: Run,
  filter: FindFilter,
): Promise<{ tasks: readonly TaskRecord[]; cursor: string | null }> {
  const tasks: TaskRecord[] = [];
  let cursor: string | null = filter.cursor ?? LAST_ID;
  for (let left = filter.most ?? MOST_LOOKED_AT; left > 0 && cursor !== null; left -= FIND_STEP) {
    const step = Math.min(left, FIND_STEP);
    const rows: readonly Row[] = await run(
      "find",
      "SELECT id, CASE WHEN live IS NULL THEN record END FROM @.task WHERE id < $1 ORDER BY id DESC LIMIT $2",
      isTaskId(cursor) ? cursor : LAST_ID,
      step,
    );
    cursor = rows.length < step ? null : (rows.at(-1)?.[0] ?? null);
    for (const [id, record] of rows) {
      if (record === null || record === undefined || !isOfShard(id ?? "", filter)) continue;
      const task = decodeRecord(bytesOf(record));
      if (!matches(task, filter)) continue;
      tasks.push(task);
      if (tasks.length === filter.limit) return { tasks, cursor: id ?? null };
    }
  }
  return { tasks, cursor };
}

function stored(
  record: string | null | undefined,
  payload: string | null | undefined,
  result: string | null | undefined,
): StoredTask {
  return {
    task: decodeRecord(bytesOf(record)),
    payload: typeof payload === "string" ? fromBuffer(bytesOf(payload)) : null,
    result: typeof result === "string" ? fromBuffer(bytesOf(result)) : null,
  };
}

/** Large ones stay in the store; their length is known without reading them. */
const SMALL_PAYLOAD = `CASE WHEN octet_length(payload) <= ${INLINE_BYTES} THEN payload END`;
const NO_ID = "00000000-0000-0000-0000-000000000000";
const LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff";
const LOAD_STEP = 500;
const FIND_STEP = 500;
