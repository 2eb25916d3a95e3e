import type { TaskStatus } from "../client/task-status.ts";
import { type Host, systemHost } from "../host.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { isTaskId } from "../protocol/ids.ts";
import type { Yard } from "../yard.ts";
import { EXIT } from "./exit-code.ts";
import { errorLine, type Output } from "./output.ts";
import { plainJson } from "./plain-text.ts";
import { shownValue } from "./task-view.ts";

/** After this long a wait says what it waits for: with no dispatcher or worker it may last for ever. */
const HINT_MS = 10_000;

/**
 * Waits for a task's end and prints its result, or its failure on stderr; answers with the exit code. With `--json`
 * the answer is the task with its `result`. Throws WAIT_TIMED_OUT and TASK_NOT_FOUND.
 */
export async function waitForEnd(
  yard: Yard,
  id: string,
  output: Output,
  timeoutMs: number | undefined,
  host: Host = systemHost,
): Promise<number> {
  checkId(id);
  const stopHint = host.after(HINT_MS, () =>
    output.note(`still waiting for ${id}; what it waits for says: yardmaster explain ${id}`),
  );
  const ending = yard.get(id).settled(timeoutMs === undefined ? {} : { timeoutMs });
  const end = await ending.finally(stopHint);
  const value = end.ok ? (end.value ?? null) : null;
  if (output.json) output.emit({ ...(await statusOf(yard, id)), result: value });
  else if (end.ok) output.say(shownValue(plainJson(value, 2)));
  if (end.ok) return EXIT.ok;
  output.note(errorLine(end.error));
  return EXIT.taskFailed;
}

/** How a task stands. Throws TASK_NOT_FOUND. */
export async function statusOf(yard: Yard, id: string): Promise<TaskStatus> {
  checkId(id);
  const task = await yard.status(id);
  if (task === null) throw notFound(id);
  return task;
}

/** What is no id at all is not found either: scripts have one case to handle. */
export function checkId(id: string): void {
  if (!isTaskId(id)) throw notFound(id);
}

export function notFound(id: string): YardmasterError {
  return new YardmasterError("TASK_NOT_FOUND", `No task ${id} is known (any more).`);
}
