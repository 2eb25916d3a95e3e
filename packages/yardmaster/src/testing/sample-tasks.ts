import type { Change, StoredItem } from "../protocol/change.ts";
import type { TaskId, TaskRecord, TaskSpec } from "../protocol/task.ts";
import type { Store } from "../stores/store.ts";

/** Records for the suites. */
export const SPEC: TaskSpec = {
  name: "image.resize",
  queue: "media",
  version: 2,
  attempts: 3,
  backoff: { type: "exponential", baseMs: 500, maxMs: 60_000, jitter: "full" },
  timeoutMs: 30_000,
  graceMs: 5_000,
  delivery: "at-least-once",
  keepResultMs: 86_400_000,
  keepFailureMs: 604_800_000,
};

/** A valid id; they sort as their numbers, which go up to 65,535. */
export function taskId(number: number): TaskId {
  return taskIdIn(0, number);
}

export function taskIdIn(shard: number, number: number): TaskId {
  const ending = shard.toString(16).padStart(12, "0");
  return `01900000-${number.toString(16).padStart(4, "0")}-7000-8000-${ending}`;
}

export function sampleTask(number: number, changed: Partial<TaskRecord> = {}): TaskRecord {
  return {
    id: taskId(number),
    spec: SPEC,
    state: "ready",
    priority: 0,
    attempt: 0,
    epoch: 0,
    deaths: 0,
    runAt: 0,
    expiresAt: 0,
    submittedAt: 1_700_000_000_000 + number,
    startedAt: 0,
    finishedAt: 0,
    worker: "",
    replyTo: "client:c1",
    retryOf: "",
    key: "",
    cancelRequested: false,
    code: "",
    error: null,
    aliasOf: "",
    payloadBytes: 2,
    terms: null,
    ...changed,
  };
}

export function inserted(
  task: TaskRecord,
  changed: Partial<Extract<Change, { type: "insert" }>> = {},
): Change {
  return { type: "insert", task, payload: "{}", parked: false, result: null, keepUntil: 0, ...changed };
}

export function updated(task: TaskRecord, payload: string | null = null): Change {
  return { type: "update", task, payload };
}

export function finished(
  task: TaskRecord,
  result: string | null,
  keepUntil: number,
  payload: string | null = null,
): Change {
  const ended: TaskRecord = { ...task, state: "succeeded", finishedAt: keepUntil };
  return { type: "finish", task: ended, payload, result, keepUntil };
}

/** Everything that a load yields, in order. */
export async function loaded(store: Store, shard = 0): Promise<StoredItem[]> {
  const items: StoredItem[] = [];
  for await (const batch of store.load(shard)) items.push(...batch);
  return items;
}

export async function loadedIds(store: Store, shard = 0): Promise<TaskId[]> {
  return (await loaded(store, shard)).flatMap((item) => (item.type === "task" ? [item.task.id] : []));
}

/** Acquires shard 0; the answer commits, one call after the other. */
export async function owner(store: Store): Promise<(...changes: readonly Change[]) => Promise<void>> {
  const lease = await store.acquire(0, "owner", 60_000);
  if (lease === null) throw new Error("Shard 0 of a new yard has an owner.");
  let sequence = 0;
  return async (...changes) => {
    await store.commit(lease, sequence + 1, changes);
    sequence += 1;
  };
}
