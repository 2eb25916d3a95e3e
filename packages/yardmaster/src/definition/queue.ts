import { checkName } from "../protocol/check.ts";
import type { QueueRecord } from "../protocol/task.ts";
import { optionCheck } from "./options.ts";

export interface QueueOptions {
  /** At most 256 bytes, without control characters. */
  readonly name: string;
  /** `fifo` (default) starts tasks in order of submission, `priority` those with the larger priority first. */
  readonly order?: "fifo" | "priority";
  /** Which of the workers with a free slot takes a task; default `least-loaded`. */
  readonly placement?: "least-loaded" | "random";
}

/** A named line of tasks. A starting worker creates it where it is absent and never changes one that exists. */
export interface QueueDefinition {
  readonly name: string;
  readonly order: "fifo" | "priority";
  readonly placement: "least-loaded" | "random";
}

/** The queue of definitions that name none. */
export const DEFAULT_QUEUE = "default";

/**
 * Declares a queue. Throws INVALID_NAME or INVALID_OPTIONS.
 *
 * @example
 * const media = defineQueue({ name: "media", order: "priority" });
 */
export function defineQueue(options: QueueOptions): QueueDefinition {
  const check = optionCheck(`defineQueue ${JSON.stringify(options?.name)}`);
  check.known(options, ["name", "order", "placement"]);
  checkName(options.name, "A queue's name");
  return Object.freeze({
    name: options.name,
    order: check.oneOf("order", options.order, ["fifo", "priority"]),
    placement: check.oneOf("placement", options.placement, ["least-loaded", "random"]),
  });
}

/** The record that a worker or `apply` offers for a queue; its revision counts from 1. */
export function queueRecordOf({ name, order, placement }: QueueDefinition): QueueRecord {
  return { name, order, placement, paused: false, revision: 1 };
}
