import { withPast } from "../protocol/past-attempts.ts";
import { INLINE_BYTES, type Millis, type TaskError, type TaskRecord } from "../protocol/task.ts";
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
  const record: TaskRecord = {
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
  if (details === null) return record;
  const { past, links, skipped } = details;
  return {
    ...record,
    ...(past.length === 0 ? {} : { past }),
    ...(links === null ? {} : { links }),
    ...(skipped === 0 ? {} : { skipped }),
  };
}

/** Keeps for the task's story what its next attempt will overwrite. Called before `runAt` is. */
export function rememberAttempt(
  task: LiveTask,
  endedAt: Millis,
  resumesAt: Millis,
  { code, message }: Pick<TaskError, "code" | "message">,
): void {
  const { attempt, last } = task;
  const details = detailsOf(task);
  const submittedAt = task.accepted.at;
  if (details.past.length === 0 && details.runAt > submittedAt) {
    const first = {
      attempt: 0,
      worker: "",
      startedAt: submittedAt,
      endedAt: submittedAt,
      code: "",
      message: "",
    };
    details.past = [{ ...first, resumesAt: details.runAt }];
  }
  const { workerId: worker = "", startedAt = 0 } = last ?? {};
  details.past = withPast(details.past, { attempt, worker, startedAt, endedAt, resumesAt, code, message });
}

/** The payload's share of the memory that is shared out: a large one is let go once it is in the store, a blocked task's is counted by itself. */
export function keptBytesOf(task: LiveTask): number {
  return task.state === "blocked" ? 0 : inMemoryBytesOf(task);
}

export function inMemoryBytesOf(task: LiveTask): number {
  return task.payload === null || task.payload.length > INLINE_BYTES ? 0 : task.payload.length;
}

export function payloadBytesOf(task: LiveTask): number {
  if (task.payload !== null) return task.payload.length;
  return task.details === null ? 0 : task.details.payloadBytes;
}
