import type { QueueRecord } from "../protocol/task.ts";
import { fifo } from "./fifo-ordering.ts";
import type { OrderingPolicy } from "./ordering.ts";
import { priority } from "./priority-ordering.ts";

/** Every order that a queue can have. */
export const ORDERINGS: Readonly<Record<QueueRecord["order"], OrderingPolicy>> = { fifo, priority };
