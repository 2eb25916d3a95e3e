import { z } from "zod";
import type { QueueStatus, WorkerStatus, YardStats } from "../client/directory.ts";
import type { TaskPage } from "../client/filters.ts";
import type { QueueChanges } from "../client/queue-changes.ts";
import type { ScheduleStatus } from "../client/schedules.ts";
import type { TaskStatus } from "../client/task-status.ts";
import type { BackoffOptions } from "../definition/backoff.ts";
import type { Health } from "../health.ts";
import { isAmount, isKey, isName, MAX_DELAY_MS } from "../protocol/check.ts";
import { type Explanation, REASONS } from "../protocol/explanation.ts";
import { isTaskId } from "../protocol/ids.ts";
import { MISSED_POLICIES, OVERLAP_POLICIES } from "../protocol/schedule.ts";
import { DELIVERIES } from "../protocol/spec.ts";
import type { HistogramView } from "../protocol/stats.ts";
import {
  ADMISSIONS,
  isTerminal,
  MAX_AMOUNT,
  MAX_NAME_BYTES,
  MAX_PRIORITY,
  ORDERS,
  PLACEMENTS,
  type QueueSettings,
  STATES,
  type TaskId,
  TERMINAL_STATES,
} from "../protocol/task.ts";
import type {
  BatchAnswer,
  BatchBody,
  BulkAnswer,
  BulkCancelBody,
  BulkRetryBody,
  CancelAnswer,
  CancelBody,
  HistoryQuery,
  ListQuery,
  Problem,
  ResultAnswer,
  ResultQuery,
  RetryAnswer,
  StoryAnswer,
  SubmitBody,
  SubmitQuery,
  Submitted,
  TaskListAnswer,
  ValuesAnswer,
  WaitingState,
} from "./api.ts";

/** The longest that one request waits for a result. */
const MAX_WAIT_MS = 60_000;
const MAX_BATCH = 1_000;
const MAX_LIMIT = 1_000;
const MAX_REASON = 1_000;
const MAX_CURSOR = 4_096;
/** Every state that is not an end. */
const WAITING_STATES: readonly WaitingState[] = STATES.filter((state) => !isTerminal(state));

/** What the document names. Of its own: the global one may hold schemas of whoever embeds the server. */
export const documentSchemas: z.core.$ZodRegistry<{ id?: string }> = z.registry<{ id?: string }>();

const taskId: z.ZodType<string> = z.string().refine(isTaskId, "must be a task's id");
const name = z.string().refine(isName, "must have 1 to 256 bytes and no control characters");
const key = z.string().refine(isKey, "must have 1 to 1,024 bytes and no control characters");
const delayMs = z.number().min(0).max(MAX_DELAY_MS);
const amount = z.number().refine(isAmount, `must be a multiple of 0.001 from 0 to ${MAX_AMOUNT}`);
const askedLabels = z.record(name, z.string().max(MAX_NAME_BYTES));
const time = z.iso.datetime({ offset: true });
const limit = z.coerce.number().int().min(1).max(MAX_LIMIT);
const cursor = z.string().max(MAX_CURSOR);
const jitter = z.exactOptional(z.enum(["none", "full"]));

const backoff: z.ZodType<BackoffOptions> = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("fixed"), baseMs: delayMs, jitter }),
  z.strictObject({
    type: z.literal("exponential"),
    baseMs: z.exactOptional(delayMs),
    maxMs: z.exactOptional(delayMs),
    jitter,
  }),
  z.strictObject({ type: z.literal("list"), delaysMs: z.array(delayMs).min(1).max(100), jitter }),
]);

export const idParams: z.ZodType<{ id: string }> = z.strictObject({ id: taskId });
export const nameParams: z.ZodType<{ name: string }> = z.strictObject({ name });
export const nothing: z.ZodType<Record<string, never>> = z.strictObject({});

export const submitBody: z.ZodType<SubmitBody> = z
  .strictObject({
    name,
    input: z.exactOptional(z.unknown()),
    queue: z.exactOptional(name),
    version: z.exactOptional(z.int().min(1).max(65_535)),
    attempts: z.exactOptional(z.int().min(1).max(1_000)),
    backoff: z.exactOptional(backoff),
    timeoutMs: z.exactOptional(delayMs),
    delivery: z.exactOptional(z.enum(DELIVERIES)),
    priority: z.exactOptional(z.int().min(0).max(MAX_PRIORITY)),
    delayMs: z.exactOptional(delayMs),
    runAt: z.exactOptional(time),
    expiresInMs: z.exactOptional(delayMs),
    deadline: z.exactOptional(time),
    deadlineInMs: z.exactOptional(z.int().min(1).max(MAX_DELAY_MS)),
    needs: z.exactOptional(z.record(name, amount)),
    labels: z.exactOptional(
      z.strictObject({ required: z.exactOptional(askedLabels), preferred: z.exactOptional(askedLabels) }),
    ),
    affinityKey: z.exactOptional(key),
    idempotencyKey: z.exactOptional(key),
    idempotencyWindowMs: z.exactOptional(delayMs),
  })
  .register(documentSchemas, { id: "Submission" });

export const submitQuery: z.ZodType<SubmitQuery> = z.strictObject({
  accepted: z.exactOptional(z.stringbool()),
});

export const submitted: z.ZodType<Submitted> = z.object({
  id: taskId,
  outcome: z.enum(["created", "duplicate"]).nullable(),
});

const failure = z.object({ code: z.string(), message: z.string() });

export const batchBody: z.ZodType<BatchBody> = z.strictObject({
  tasks: z.array(submitBody).min(1).max(MAX_BATCH),
});
export const batchAnswer: z.ZodType<BatchAnswer> = z.object({
  tasks: z.array(z.union([z.object({ id: taskId }), z.object({ error: failure })])),
});

const taskError = z.object({ code: z.string(), message: z.string(), stack: z.string() });
export const taskStatus: z.ZodType<TaskStatus> = z
  .object({
    id: taskId,
    name: z.string(),
    queue: z.string(),
    state: z.enum(STATES),
    code: z.string().nullable(),
    attempt: z.int(),
    attempts: z.int(),
    priority: z.int(),
    submittedAt: z.string().nullable(),
    startedAt: z.string().nullable(),
    finishedAt: z.string().nullable(),
    worker: z.string().nullable(),
    error: taskError.nullable(),
  })
  .register(documentSchemas, { id: "Task" });

export const explanation: z.ZodType<Explanation> = z
  .object({
    id: taskId,
    state: z.enum(STATES),
    reason: z.enum(REASONS),
    sentence: z.string(),
    data: z.record(z.string(), z.unknown()),
  })
  .register(documentSchemas, { id: "Explanation" });

export const story: z.ZodType<StoryAnswer> = z.object({
  chapters: z.array(
    z
      .object({
        at: z.string().nullable(),
        state: z.enum(STATES),
        attempt: z.int(),
        worker: z.string().nullable(),
        code: z.string().nullable(),
        message: z.string().nullable(),
        until: z.string().nullable(),
      })
      .register(documentSchemas, { id: "Chapter" }),
  ),
});

export const resultQuery: z.ZodType<ResultQuery> = z.strictObject({
  waitMs: z.exactOptional(z.coerce.number().int().min(0).max(MAX_WAIT_MS)),
});
export const resultAnswer: z.ZodType<ResultAnswer> = z.union([
  z.object({ id: taskId, ended: z.literal(false) }),
  z.object({ id: taskId, ended: z.literal(true), ok: z.literal(true), result: z.unknown() }),
  z.object({
    id: taskId,
    ended: z.literal(true),
    ok: z.literal(false),
    error: failure.extend({ cause: failure.nullable() }),
  }),
]);

const shown = z.object({ json: z.string(), isCut: z.boolean() });
export const valuesAnswer: z.ZodType<ValuesAnswer> = z.object({
  input: shown.nullable(),
  result: shown.nullable(),
});

export const cancelBody: z.ZodType<CancelBody> = z.strictObject({
  reason: z.exactOptional(z.string().max(MAX_REASON)),
});
export const cancelAnswer: z.ZodType<CancelAnswer> = z.object({ id: taskId, state: z.enum(TERMINAL_STATES) });
export const retryAnswer: z.ZodType<RetryAnswer> = z.object({ id: taskId, retryOf: taskId });

export const listQuery: z.ZodType<ListQuery> = z.strictObject({
  state: z.exactOptional(z.enum(STATES)),
  queue: z.exactOptional(name),
  name: z.exactOptional(name),
  key: z.exactOptional(key),
  routingKey: z.exactOptional(key),
  unfinished: z.exactOptional(z.stringbool()),
  after: z.exactOptional(taskId),
  limit: z.exactOptional(limit),
});
export const taskList: z.ZodType<TaskListAnswer> = z.object({ tasks: z.array(taskStatus) });

export const historyQuery: z.ZodType<HistoryQuery> = z.strictObject({
  state: z.exactOptional(z.union([z.enum(STATES), z.array(z.enum(STATES)).max(STATES.length)])),
  queue: z.exactOptional(name),
  name: z.exactOptional(name),
  from: z.exactOptional(time),
  to: z.exactOptional(time),
  cursor: z.exactOptional(cursor),
  limit: z.exactOptional(limit),
});
export const taskPage: z.ZodType<TaskPage> = z.object({
  tasks: z.array(taskStatus),
  cursor: z.string().nullable(),
});

export const bulkCancelBody: z.ZodType<BulkCancelBody> = z
  .strictObject({
    queue: z.exactOptional(name),
    name: z.exactOptional(name),
    state: z.exactOptional(z.enum(WAITING_STATES)),
    reason: z.exactOptional(z.string().max(MAX_REASON)),
    cursor: z.exactOptional(cursor),
    limit: z.exactOptional(z.int().min(1).max(MAX_LIMIT)),
    dryRun: z.exactOptional(z.boolean()),
  })
  .refine((body) => [body.queue, body.name, body.state].some(isGiven), "needs a queue, name or state");

export const bulkRetryBody: z.ZodType<BulkRetryBody> = z
  .strictObject({
    queue: z.exactOptional(name),
    name: z.exactOptional(name),
    state: z.exactOptional(z.enum(TERMINAL_STATES)),
    from: z.exactOptional(time),
    to: z.exactOptional(time),
    cursor: z.exactOptional(cursor),
    limit: z.exactOptional(z.int().min(1).max(MAX_LIMIT)),
    dryRun: z.exactOptional(z.boolean()),
  })
  .refine(
    (body) => [body.queue, body.name, body.state, body.from, body.to].some(isGiven),
    "needs a queue, name, state or time",
  );

export const bulkAnswer: z.ZodType<BulkAnswer> = z.object({
  matched: z.array(taskId),
  done: z.int(),
  failed: z.array(failure.extend({ id: taskId })),
  more: z.boolean(),
  cursor: z.string().nullable(),
});

const queueSettings: z.ZodType<QueueSettings> = z.object({
  weight: z.number(),
  precedence: z.number(),
  agingMs: z.number(),
  concurrency: z.int(),
  rate: z.object({ limit: z.number(), perMs: z.number(), burst: z.number() }).nullable(),
  admission: z.enum(ADMISSIONS),
});
export const queueStatus: z.ZodType<QueueStatus> = z.object({
  name: z.string(),
  order: z.enum(ORDERS),
  placement: z.enum(PLACEMENTS),
  paused: z.boolean(),
  revision: z.int(),
  settings: z.exactOptional(queueSettings),
  orderByDefault: z.exactOptional(z.boolean()),
  scheduled: z.int(),
  ready: z.int(),
  active: z.int(),
  blocked: z.int(),
  parked: z.int(),
});
export const queueList: z.ZodType<{ readonly queues: readonly QueueStatus[] }> = z.object({
  queues: z.array(queueStatus),
});
/** What a declaration takes; `configure` says what does not go together. */
export const queueChanges: z.ZodType<QueueChanges> = z.strictObject({
  order: z.exactOptional(z.enum(ORDERS)),
  placement: z.exactOptional(z.enum(PLACEMENTS)),
  weight: z.exactOptional(z.int()),
  precedence: z.exactOptional(z.int()),
  agingMs: z.exactOptional(z.int()),
  concurrency: z.exactOptional(z.int().nullable()),
  rate: z.exactOptional(
    z.strictObject({ limit: z.int(), perMs: z.int(), burst: z.exactOptional(z.int()) }).nullable(),
  ),
  admission: z.exactOptional(z.enum(ADMISSIONS)),
});
export const pausedAnswer: z.ZodType<{ readonly queue: string; readonly paused: boolean }> = z.object({
  queue: z.string(),
  paused: z.boolean(),
});

export const workerList: z.ZodType<{ readonly workers: readonly WorkerStatus[] }> = z.object({
  workers: z.array(
    z.object({
      id: z.string(),
      credit: z.int(),
      used: z.int(),
      draining: z.boolean(),
      registered: z.boolean(),
      lastHeardAt: z.string().nullable(),
      labels: z.record(z.string(), z.string()),
      resources: z.record(z.string(), z.number()),
      resourcesUsed: z.record(z.string(), z.number()),
      tasks: z.array(z.string()),
    }),
  ),
});
const histogram: z.ZodType<HistogramView> = z.object({ counts: z.array(z.int()), sumMs: z.number() });
export const yardStats: z.ZodType<YardStats> = z.object({
  queues: z.array(
    z.object({
      queue: z.string(),
      submitted: z.int(),
      succeeded: z.int(),
      failed: z.int(),
      cancelled: z.int(),
      expired: z.int(),
      retried: z.int(),
      wait: histogram,
      run: histogram,
      total: histogram,
      backlogMs: z.number(),
    }),
  ),
  slots: z.int(),
  used: z.int(),
  fencedCommits: z.int(),
});
export const text: z.ZodType<string> = z.string();

export const scheduleStatus: z.ZodType<ScheduleStatus> = z.object({
  name: z.string(),
  task: z.string(),
  queue: z.string(),
  cron: z.string().nullable(),
  timeZone: z.string().nullable(),
  everyMs: z.number().nullable(),
  missed: z.enum(MISSED_POLICIES),
  missedLimit: z.int(),
  overlap: z.enum(OVERLAP_POLICIES),
  paused: z.boolean(),
  held: z.boolean(),
  nextAt: z.string().nullable(),
  lastAt: z.string().nullable(),
  lastTask: z.string().nullable(),
  fired: z.int(),
});
export const scheduleList: z.ZodType<{ readonly schedules: readonly ScheduleStatus[] }> = z.object({
  schedules: z.array(scheduleStatus),
});
export const startedAnswer: z.ZodType<{ readonly id: TaskId }> = z.object({ id: taskId });

export const drainBody: z.ZodType<{ readonly withinMs?: number }> = z.strictObject({
  withinMs: z.exactOptional(z.int().min(0)),
});
export const slotsBody: z.ZodType<{ readonly slots: number }> = z.strictObject({ slots: z.int().min(1) });
export const slotsAnswer: z.ZodType<{ readonly worker: string; readonly slots: number }> = z.object({
  worker: z.string(),
  slots: z.int(),
});
export const drainAnswer: z.ZodType<{ readonly worker: string; readonly draining: true }> = z.object({
  worker: z.string(),
  draining: z.literal(true),
});

const answered = z.object({ isUp: z.boolean(), tookMs: z.number(), trouble: z.string().nullable() });
export const health: z.ZodType<Health> = z.object({
  isUp: z.boolean(),
  engines: z.array(
    z.object({
      engine: z.string(),
      isUp: z.boolean(),
      trouble: z.string().nullable(),
      durability: z.string(),
      warnings: z.array(z.string()),
    }),
  ),
  broker: answered,
  store: answered,
  shards: z.array(
    z.object({
      shard: z.int(),
      owner: z.string().nullable(),
      epoch: z.int(),
      lease: z.enum(["held", "over", "none"]),
    }),
  ),
  node: z.string(),
});

export const probeAnswer: z.ZodType<{ readonly status: "ok" }> = z.object({ status: z.literal("ok") });

export const problem: z.ZodType<Problem> = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string(),
    retryable: z.boolean(),
    requestId: z.string(),
    errors: z.exactOptional(z.array(z.object({ path: z.string(), message: z.string() }))),
  })
  .register(documentSchemas, { id: "Problem" });

function isGiven(value: unknown): boolean {
  return value !== undefined;
}
