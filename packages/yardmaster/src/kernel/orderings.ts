import type { Order } from "../protocol/task.ts";
import { deadline } from "./deadline-ordering.ts";
import { fair } from "./fair-ordering.ts";
import { fifo } from "./fifo-ordering.ts";
import type { OrderingPolicy } from "./ordering.ts";
import { criticalPath, lifo, priority, shortest } from "./ranked-orderings.ts";

/** Every order that a queue can have. */
export const ORDERINGS: Readonly<Record<Order, OrderingPolicy>> = {
  fifo,
  priority,
  lifo,
  fair,
  deadline,
  shortest,
  "critical-path": criticalPath,
};
