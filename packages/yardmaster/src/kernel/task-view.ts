import type { Millis, State, TaskError, TaskId } from "../protocol/task.ts";
import type { LiveTask } from "./live.ts";

/** A task as people are shown it; times are milliseconds since the Unix epoch, null when they have not come. */
export interface TaskView {
  readonly id: TaskId;
  readonly name: string;
  readonly queue: string;
  readonly state: State;
  readonly code: string;
  readonly attempt: number;
  readonly attempts: number;
  readonly priority: number;
  readonly submittedAt: Millis;
  readonly startedAt: Millis | null;
  readonly finishedAt: Millis | null;
  readonly worker: string | null;
  readonly error: TaskError | null;
}

export function viewTask(task: LiveTask): TaskView {
  const { kind, details, last } = task;
  const { name, queue, attempts } = kind.spec;
  return {
    id: task.id,
    name,
    queue,
    state: task.state,
    code: details?.code ?? "",
    attempt: task.attempt,
    attempts,
    priority: task.priority,
    submittedAt: task.accepted.at,
    startedAt: last?.startedAt ?? null,
    finishedAt: null,
    worker: last?.workerId ?? null,
    error: details?.error ?? null,
  };
}
