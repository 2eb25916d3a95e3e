import { isName } from "../protocol/check.ts";
import { messageOf, YardmasterError } from "../protocol/errors.ts";
import { quoted } from "../protocol/quotation.ts";
import { MAX_NAME_BYTES } from "../protocol/task.ts";

/** The part of a queue's declaration that matters here. */
interface RoutedQueue {
  readonly name: string;
  routeBy?(input: unknown): string;
}

/** Limits that count over all tasks of a queue or of a definition, which nobody counts when they are in many shards. */
interface Limits {
  readonly concurrency?: unknown;
  readonly rate?: unknown;
}

/** Throws INVALID_ROUTING where a queue that is spread over the shards declares a limit for all of it. */
export function checkQueueRouting(name: string, options: Limits & { readonly routeBy?: unknown }): void {
  if (options.routeBy === undefined) return;
  if (typeof options.routeBy !== "function")
    throw invalid(`routeBy of queue ${quoted(name)} is no function.`);
  for (const field of ["concurrency", "rate"] as const) {
    if (options[field] === undefined) continue;
    const why = "is spread over the shards by routeBy, so that no shard can count all of it";
    throw invalid(`Queue ${quoted(name)} ${why}: leave ${field} out, or routeBy.`, field);
  }
}

/**
 * Throws INVALID_ROUTING where a definition has a limit that is not by the very key that its queue is spread by: then
 * the tasks that share it are not all in one shard.
 */
export function checkTaskRouting(
  name: string,
  queue: string | RoutedQueue | undefined,
  limits: Limits,
): void {
  if (typeof queue !== "object" || queue?.routeBy === undefined) return;
  for (const field of ["concurrency", "rate"] as const) {
    if (limits[field] === undefined || keyOf(limits[field]) === queue.routeBy) continue;
    const why = `its queue ${quoted(queue.name)} is spread over the shards by routeBy`;
    const cure = `leave ${field} out, or give it that same function as its key`;
    throw invalid(`${field} of ${quoted(name)} cannot be exact, as ${why}: ${cure}.`, field);
  }
}

function keyOf(limit: unknown): unknown {
  return typeof limit === "object" && limit !== null && "key" in limit ? limit.key : undefined;
}

/** What chooses a task's shard, asked of its parsed input; null where its queue does. Throws INVALID_ROUTING. */
export function routeOf(queue: RoutedQueue | undefined, parsed: unknown): string | null {
  if (queue?.routeBy === undefined) return null;
  const whose = `routeBy of queue ${quoted(queue.name)}`;
  let key: unknown;
  try {
    key = queue.routeBy(parsed);
  } catch (error) {
    throw invalid(`${whose} threw for this input: ${messageOf(error)}`, "routeBy", error);
  }
  if (typeof key === "string" && isName(key)) return key;
  throw invalid(
    `${whose} must return text of 1 to ${MAX_NAME_BYTES} bytes without control characters, and did not for this input.`,
  );
}

function invalid(message: string, field = "routeBy", cause?: unknown): YardmasterError {
  return new YardmasterError("INVALID_ROUTING", message, { cause, details: { field } });
}
