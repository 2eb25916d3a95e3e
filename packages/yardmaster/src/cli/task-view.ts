import type { TaskChapter, TaskStatus } from "../client/task-status.ts";
import type { ListView } from "./output.ts";
import { plain, plainLines, truncated } from "./plain-text.ts";
import { facts } from "./table.ts";

/** Tasks one a line. */
export const TASK_LIST: ListView<TaskStatus> = {
  headings: ["ID", "NAME", "QUEUE", "STATE", "ATTEMPT", "SUBMITTED", "WORKER"],
  row: (task) => [
    task.id,
    task.name,
    task.queue,
    task.code === null ? task.state : `${task.state} ${task.code}`,
    `${task.attempt}/${task.attempts}`,
    task.submittedAt ?? "",
    task.worker ?? "",
  ],
  json: (task) => task,
  none: "no tasks",
};

/** What has happened to a task, one thing a line. */
export const STORY: ListView<TaskChapter> = {
  headings: ["AT", "STATE", "ATTEMPT", "WORKER", "WHY"],
  row: ({ at, state, attempt, worker, code, message, until }) => [
    at ?? "",
    until === null ? state : `${state} until ${until}`,
    attempt === 0 ? "" : String(attempt),
    worker ?? "",
    [code, message].filter((part) => part !== null).join(": "),
  ],
  json: (chapter) => chapter,
  none: "nothing yet",
};

const MAX_VALUE = 2_000;
const MAX_STACK = 8_000;

/** All that a person wants to know about one task; `input` is its JSON where it is known. */
export function taskDetails(task: TaskStatus, input: string | null): string {
  const { error } = task;
  const lines = Object.entries({
    id: task.id,
    name: task.name,
    queue: task.queue,
    state: task.code === null ? task.state : `${task.state} (${task.code})`,
    attempt: `${task.attempt} of ${task.attempts}`,
    priority: String(task.priority),
    submitted: task.submittedAt,
    started: task.startedAt,
    finished: task.finishedAt,
    worker: task.worker,
    error: error === null ? null : `${error.code}: ${error.message}`,
    input,
  }).flatMap(([name, value]): [string, string][] =>
    value === null ? [] : [[name, plain(truncated(value, MAX_VALUE))]],
  );
  const stack = error?.stack ?? "";
  return stack === "" ? facts(lines) : `${facts(lines)}\n\n${truncated(plainLines(stack), MAX_STACK)}`;
}

/** A value for people: its JSON, shortened. */
export function shownValue(json: string): string {
  return truncated(plainLines(json), MAX_VALUE);
}
