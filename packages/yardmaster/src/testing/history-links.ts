import { isTerminal, type TaskId, type TaskRecord } from "../protocol/task.ts";

/** Why a task may not run yet as far as the records say, or null. */
export function whyTooEarly(id: TaskId, records: ReadonlyMap<TaskId, TaskRecord>): string | null {
  const { links } = records.get(id) ?? {};
  for (const dependency of links?.after ?? []) {
    const record = records.get(dependency);
    // An alias ends as its first task does.
    const first = record === undefined || record.aliasOf === "" ? record : records.get(record.aliasOf);
    const state = first?.state ?? "unknown";
    const hasEnded = state !== "unknown" && isTerminal(state);
    if (!hasEnded) return `${dependency}, which it waits for, is ${state}`;
    if (state !== "succeeded" && links?.onFailure !== "run-anyway")
      return `${dependency}, without which it must not run, is ${state}`;
  }
  return null;
}
