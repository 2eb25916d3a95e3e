import { optionCheck } from "../definition/options.ts";
import type { State, TaskId } from "../protocol/task.ts";
import type { FindFilter } from "../stores/store.ts";
import type { TaskStatus } from "./task-status.ts";

/** Which tasks `list` shows. */
export interface ListFilter {
  readonly state?: State;
  readonly queue?: string;
  readonly name?: string;
  /** With `name`: only the task that this idempotency key of the definition stands for, ended or not, while its window lasts. */
  readonly key?: string;
  /** With `key`, where the definition's queue is spread by one: the routing key. */
  readonly routingKey?: string;
  /** Only those that have not ended. */
  readonly unfinished?: boolean;
  /** Only unfinished tasks in a dispatcher's memory, behind this one: the last of a page that was full. */
  readonly after?: TaskId;
  /** 1 to 1,000; default 100. */
  readonly limit?: number;
}

/** Which records `find` reads; `limit` is 1 to 1,000, default 100. */
export type TaskFilter = Omit<FindFilter, "limit" | "shard" | "most"> & { readonly limit?: number };

/** One page of records. */
export interface TaskPage {
  readonly tasks: readonly TaskStatus[];
  /** Pass it on for the next page; null after the last. */
  readonly cursor: string | null;
}

/** Callers without a compiler, and the command line, pass what they like. */
export function checkFilter(filter: ListFilter & TaskFilter): void {
  const check = optionCheck("find");
  if (typeof filter !== "object" || filter === null) check.refuse("filter", "an object", filter);
  const { state, states, queue, name, key, routingKey, from, to, cursor } = filter;
  for (const [field, text] of Object.entries({ state, queue, name, key, routingKey, cursor }))
    if (text !== undefined && typeof text !== "string") check.refuse(field, "text", text);
  if (key !== undefined && name === undefined)
    check.refuse("name", "that of a definition where key is given", name);
  if (key === undefined && routingKey !== undefined) check.refuse("key", "given where routingKey is", key);
  for (const [field, time] of Object.entries({ from, to }))
    if (time !== undefined && !Number.isFinite(time)) check.refuse(field, "milliseconds", time);
  if (states !== undefined && !Array.isArray(states)) check.refuse("states", "an array", states);
}
