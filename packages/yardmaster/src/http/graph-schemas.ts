import { z } from "zod";
import type { GraphPage, GraphStatus, GraphSummary, GraphTask } from "../client/graphs.ts";
import { MAX_GRAPH_TASKS } from "../protocol/task.ts";
import { taskStatus } from "./schemas.ts";

const limit = z.coerce.number().int().min(1).max(1_000);
const place = z.int();

const summary = {
  id: z.string(),
  state: z.enum(["incomplete", "open", "ended"]),
  cancelled: z.boolean(),
  members: z.int(),
  arrived: z.int(),
  ended: z.int(),
  failed: z.int().nullable(),
  openedAt: z.string().nullable(),
};
const graphTask: z.ZodType<GraphTask> = taskStatus.and(
  z.object({ place, after: z.array(place), waitsFor: z.int() }),
);

export const graphsQuery: z.ZodType<{ readonly limit?: number }> = z.strictObject({
  limit: z.exactOptional(limit),
});
export const graphList: z.ZodType<{ readonly graphs: readonly GraphSummary[] }> = z.object({
  graphs: z.array(z.object(summary)),
});
export const graphQuery: z.ZodType<GraphPage> = z.strictObject({
  from: z.exactOptional(z.coerce.number().int().min(0).max(MAX_GRAPH_TASKS)),
  limit: z.exactOptional(limit),
});
export const graphStatus: z.ZodType<GraphStatus> = z.object({
  ...summary,
  tasks: z.array(graphTask),
  next: place.nullable(),
});
