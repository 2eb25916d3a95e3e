import type { Change } from "../src/protocol/change.ts";
import type { QueueRecord, State, TaskError, TaskRecord } from "../src/protocol/task.ts";
import type { Fact } from "../src/testing/fact.ts";
import { sampleTask } from "../src/testing/sample-tasks.ts";

export const SPEC: TaskRecord["spec"] = {
  name: "resize",
  queue: "default",
  version: 1,
  attempts: 2,
  backoff: { type: "fixed", baseMs: 0, jitter: "none" },
  timeoutMs: 0,
  graceMs: 0,
  delivery: "at-least-once",
  keepResultMs: 0,
  keepFailureMs: 0,
};

export const INTENT = { attempts: 2, atMostOnce: false, mayGiveUp: false, key: "", dueAt: 0 };
export const RUN = { id: "t1", attempt: 1, process: "w1" };

export function submitting(intent: Partial<typeof INTENT> = {}): Fact {
  return { type: "submitting", at: 0, label: "task", intent: { ...INTENT, ...intent } };
}

export function submitted(): Fact {
  return { type: "submitted", at: 0, label: "task", id: "t1" };
}

export function acquired(epoch: number): Fact {
  return { type: "acquired", at: 0, lease: { shard: 0, owner: "d1", epoch } };
}

export function committed(epoch: number, sequence: number, changes: readonly Change[]): Fact {
  return { type: "committed", at: 1, lease: { shard: 0, owner: "d1", epoch }, sequence, changes };
}

export function started(run: Partial<typeof RUN> = {}, at = 1): Fact {
  return { type: "started", at, label: "task", ...RUN, ...run };
}

export function effect(): Fact {
  return { type: "effect", at: 1, ...RUN };
}

export function ended(): Fact {
  return { type: "ended", at: 1, ...RUN };
}

export function queue(fields: Partial<QueueRecord>): Change {
  const plain = {
    name: "default",
    order: "fifo",
    placement: "least-loaded",
    paused: false,
    revision: 1,
  } as const;
  return { type: "queue", queue: { ...plain, ...fields } };
}

export function read(state: "succeeded" | "failed", result: string): Fact {
  return { type: "read", at: 2, id: "t1", state, result };
}

export function settled(state: "succeeded" | "failed" | "cancelled"): Fact {
  return { type: "settled", at: 2, id: "t1", state };
}

export function insert(state: State, fields: Partial<TaskRecord> = {}): Extract<Change, { type: "insert" }> {
  return {
    type: "insert",
    task: record(state, fields),
    payload: "",
    parked: false,
    result: null,
    keepUntil: 9,
  };
}

export function update(state: State, fields: Partial<TaskRecord> = {}): Change {
  return { type: "update", task: record(state, fields), payload: null };
}

export function error(code: string): TaskError {
  return { code, message: "", stack: "" };
}

export function record(state: State, fields: Partial<TaskRecord> = {}): TaskRecord {
  const times = { submittedAt: 1, startedAt: 1, finishedAt: 1 };
  const first = { id: "t1", spec: SPEC, attempt: 1, epoch: 1, worker: "w1", replyTo: "", payloadBytes: 0 };
  return sampleTask(1, { ...first, ...times, state, ...fields });
}
