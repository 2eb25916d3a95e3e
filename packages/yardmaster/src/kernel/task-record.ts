import { INLINE_BYTES, type Millis, type TaskRecord } from "../protocol/task.ts";
import { Details, type LiveTask } from "./live.ts";

export function detailsOf(task: LiveTask): Details {
  task.details ??= new Details(task);
  return task.details;
}

export function isActive(task: LiveTask): boolean {
  return task.state === "assigned" || task.state === "running";
}

export function isCancelRequested(task: LiveTask): boolean {
  return task.details?.cancelRequested === true;
}

/** The task as it is now, for the store: a copy, because the commit may be repeated while the task goes on. */
export function recordOf(task: LiveTask, finishedAt: Millis): TaskRecord {
  const { details, last } = task;
  return {
    id: task.id,
    spec: task.kind.spec,
    state: task.state,
    priority: task.priority,
    attempt: task.attempt,
    epoch: last === null ? 0 : last.epoch,
    deaths: details === null ? 0 : details.deaths,
    runAt: details === null ? 0 : details.runAt,
    expiresAt: details === null ? 0 : details.expiresAt,
    submittedAt: task.accepted.at,
    startedAt: last === null ? 0 : last.startedAt,
    finishedAt,
    worker: last === null ? "" : last.workerId,
    replyTo: task.replyTo,
    retryOf: details === null ? "" : details.retryOf,
    key: details === null ? "" : details.key,
    cancelRequested: details?.cancelRequested === true,
    code: details === null ? "" : details.code,
    error: details === null ? null : details.error,
    aliasOf: "",
    payloadBytes: payloadBytesOf(task),
    terms: task.terms,
  };
}

/** The payload's share of memory: a large one is let go once it is in the store. */
export function keptBytesOf(task: LiveTask): number {
  return task.payload === null || task.payload.length > INLINE_BYTES ? 0 : task.payload.length;
}

export function payloadBytesOf(task: LiveTask): number {
  if (task.payload !== null) return task.payload.length;
  return task.details === null ? 0 : task.details.payloadBytes;
}
