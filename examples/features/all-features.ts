import type { Handler } from "yardmaster/worker";
import { batches, handlers as batchHandlers } from "./batches.ts";
import { handlers as explanationHandlers, explanations } from "./explanations.ts";
import type { Feature } from "./feature.ts";
import { handlers as graphHandlers, graphs } from "./graphs.ts";
import { handlers as limitHandlers, limits } from "./limits.ts";
import { handlers as orderHandlers, orders } from "./orders.ts";
import { placements } from "./placements.ts";
import { queues } from "./queues.ts";
import { handlers as rateHandlers, rates } from "./rates.ts";
import { replacing, handlers as replacingHandlers } from "./replacing.ts";
import { handlers as scheduleHandlers, schedules } from "./schedules.ts";
import { secondAttempts, handlers as secondHandlers } from "./second-attempts.ts";
import { handlers as timeHandlers, times } from "./times.ts";

export const FEATURES: readonly Feature[] = [
  orders,
  placements,
  queues,
  limits,
  rates,
  replacing,
  batches,
  times,
  schedules,
  graphs,
  secondAttempts,
  explanations,
];

/** Those of all features but `placements` and `queues`, which have workers of their own. */
export const HANDLERS: readonly Handler[] = [
  ...orderHandlers,
  ...limitHandlers,
  ...rateHandlers,
  ...replacingHandlers,
  ...batchHandlers,
  ...timeHandlers,
  ...scheduleHandlers,
  ...graphHandlers,
  ...secondHandlers,
  ...explanationHandlers,
];
