import { optionCheck } from "../definition/options.ts";
import { isTaskId, shardOf } from "../protocol/ids.ts";
import {
  FAILED_DEPENDENCY_RULES,
  type FailedDependencyRule,
  MAX_AFTER,
  type TaskLinks,
} from "../protocol/task.ts";

/** What a task waits for. */
export interface DependencyOptions {
  /** Tasks, or their ids, that must have ended before this one may start; up to 100,000, all of one shard. */
  readonly after?: readonly (string | { readonly id: string })[];
  /**
   * What becomes of the task when one of those does not succeed: it fails (`fail`, the default), is cancelled with the
   * code SKIPPED (`skip`), or runs all the same (`run-anyway`).
   */
  readonly ifDependencyFails?: FailedDependencyRule;
}

/** Null for a task that waits for no other. Throws INVALID_OPTIONS. */
export function linksOf({ after, ifDependencyFails }: DependencyOptions): TaskLinks | null {
  const check = optionCheck("submit");
  if (ifDependencyFails !== undefined)
    check.oneOf("ifDependencyFails", ifDependencyFails, FAILED_DEPENDENCY_RULES);
  if (after === undefined) return null;
  if (!Array.isArray(after) || after.length > MAX_AFTER)
    return check.refuse("after", `a list of up to ${MAX_AFTER} tasks`, after);
  const ids = [...new Set(after.map((one) => (typeof one === "object" && one !== null ? one.id : one)))];
  const [first] = ids;
  if (first === undefined) return null;
  for (const id of ids) {
    if (typeof id !== "string" || !isTaskId(id)) check.refuse("after", "a list of tasks or their ids", id);
    if (shardOf(id) !== shardOf(first)) check.refuse("after", "a list of tasks of one shard", id);
  }
  return { graph: "", members: 0, after: ids, onFailure: ifDependencyFails ?? "fail", fed: false };
}
