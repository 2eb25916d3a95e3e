import type { TaskRecord } from "../protocol/task.ts";
import type { FindFilter } from "./store.ts";

/** Whether a record is one that the filter asks for, its page aside. */
export function matches(task: TaskRecord, filter: FindFilter): boolean {
  return (
    (filter.states === undefined || filter.states.includes(task.state)) &&
    (filter.name === undefined || filter.name === task.spec.name) &&
    (filter.queue === undefined || filter.queue === task.spec.queue) &&
    (filter.from === undefined || task.submittedAt >= filter.from) &&
    (filter.to === undefined || task.submittedAt < filter.to)
  );
}
