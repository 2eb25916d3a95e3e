import { z } from "zod";
import type { ShardStatus } from "../shard-status.ts";
import { LIVE_TOPICS, type LiveQuery, ROLES, type ScheduleTicks, type SessionAnswer } from "./api.ts";
import { taskStatus } from "./schemas.ts";

export const shardList: z.ZodType<{ readonly shards: readonly ShardStatus[] }> = z.object({
  shards: z.array(
    z.object({
      shard: z.int(),
      owner: z.string().nullable(),
      epoch: z.int(),
      lease: z.enum(["held", "over", "none"]),
      submitLag: z.int().nullable(),
      controlLag: z.int().nullable(),
    }),
  ),
});

export const scheduleTicks: z.ZodType<ScheduleTicks> = z.object({
  next: z.array(z.string()),
  past: z.array(z.object({ at: z.string(), task: taskStatus })),
});

export const sessionAnswer: z.ZodType<SessionAnswer> = z.object({
  role: z.enum(ROLES),
  shards: z.int(),
});

const MAX_TOPICS = 10;
const topic = z.enum(LIVE_TOPICS);
export const liveQuery: z.ZodType<LiveQuery> = z.strictObject({
  topic: z.union([topic, z.array(topic).min(1).max(MAX_TOPICS)]),
});
