import {
  type DefinitionPlan,
  drawDefinitions,
  drawQueues,
  QUEUE_NAMES,
  type QueueName,
  type QueueShapes,
} from "./definition-plan.ts";
import { drawFeatures, type Feature } from "./features.ts";
import type { Random } from "./random.ts";
import { drawSchedules, type SchedulePlan } from "./schedule-plan.ts";
import { type CollapsePlan, type HandlerPlan, MAX_RESULT_BYTES, type TaskPlan } from "./task-plan.ts";

/** What one run asks of the yard, drawn from its seed. Times are virtual milliseconds from the start of the run. */
export interface Workload {
  /** What was drawn, for whoever reads it. */
  readonly features: readonly Feature[];
  readonly tasks: readonly TaskPlan[];
  readonly slots: number;
  readonly dispatchers: number;
  readonly workers: number;
  readonly clients: number;
  readonly shards: number;
  /** The most tasks of a shard that a dispatcher keeps in memory; the rest is parked in the store. */
  readonly maxLive: number;
  readonly shapes: QueueShapes;
  readonly queues: readonly QueuePlan[];
  readonly schedules: readonly SchedulePlan[];
}

/** A pause of a queue. */
export interface QueuePlan {
  readonly at: number;
  readonly forMs: number;
  readonly queue: QueueName;
}

/** A handler that runs so long never answers. */
const NEVER_MS = 10_000_000;
/** Longer than a run by the clocks of any two owners. */
const LONG_WINDOW_MS = 3_600_000;

interface Frame {
  readonly random: Random;
  readonly features: ReadonlySet<Feature>;
  readonly definitions: readonly [DefinitionPlan, ...DefinitionPlan[]];
  readonly spreadMs: number;
  readonly clients: number;
}

export function drawWorkload(random: Random): Workload {
  const features = drawFeatures(random.fork("features"));
  const own = random.fork("definitions");
  const shapes = drawQueues(own, features);
  const definitions = drawDefinitions(own, features);
  const spreadMs = random.pick([200, 2_000, 8_000, 20_000]);
  const clients = random.integer(1, 2);
  const frame: Frame = { random, features, definitions, spreadMs, clients };
  const first = new Map<string, TaskPlan>();
  const tasks = Array.from({ length: random.integer(4, random.pick([12, 25, 45])) }, (_, index) => {
    const task = drawTask(frame, index);
    return task.key === null ? task : sameAsFirst(random, task, task.key, first);
  });
  const queues = features.has("pauses")
    ? [{ at: random.below(8_000), forMs: random.between(100, 12_000), queue: random.pick(QUEUE_NAMES) }]
    : [];
  return {
    features: [...features],
    tasks,
    clients,
    shapes,
    queues,
    slots: random.integer(1, 6),
    workers: random.pick([1, 2, 2, 3]),
    shards: random.pick([1, 1, 1, 1, 2, 3]),
    dispatchers: random.pick([1, 1, 2, 2, 2, 3]),
    maxLive: features.has("parking") ? random.pick([20, 5, 5]) : 1_000_000,
    schedules: features.has("schedules") ? drawScheduled({ ...frame, random: own }, tasks.length) : [],
  };
}

function drawTask({ random, features, definitions, spreadMs, clients }: Frame, index: number): TaskPlan {
  const definition = random.pick(definitions);
  const { kind, queue, attempts, timeoutMs } = definition;
  const often = (feature: Feature): boolean => random.chance(0.3) && features.has(feature);
  const collapse = drawCollapse(random, features);
  return {
    index,
    definition,
    kind,
    queue,
    attempts,
    timeoutMs,
    collapse,
    submitAt: random.below(spreadMs),
    client: random.integer(0, clients - 1),
    priority: random.integer(0, 255),
    delayMs: often("delays") && collapse === null ? random.integer(1, random.pick([2_000, 12_000])) : 0,
    expiresInMs: often("expiry") ? random.integer(1, 20_000) : 0,
    deadlineInMs: often("deadlines") ? random.integer(1, 10_000) : 0,
    key:
      often("keys") && kind === "usual" && collapse === null && definition.batch === null
        ? `key-${random.integer(0, 4)}`
        : null,
    cancelAfterMs: often("cancels") ? random.below(random.pick([5, 500, 10_000])) : null,
    handler: drawHandler(random, features, timeoutMs),
  };
}

function drawHandler(random: Random, features: ReadonlySet<Feature>, timeoutMs: number): HandlerPlan {
  const isLarge = (): boolean => random.chance(0.15) && features.has("large");
  const never = random.chance(0.04) && timeoutMs > 0 && timeoutMs < 60_000;
  return {
    runMs: never
      ? NEVER_MS
      : random.pick([0, 1, 5, 20, 100, 500, 500, 2_000, 8_000]) * random.between(0.5, 1.5),
    failures: random.pick([0, 0, 0, 0, 1, 2, 9]),
    failure: random.pick(["throw", "throw", "throw", "throw", "final", "retryIn", "retryIn", "die"]),
    heedsSignal: random.chance(0.7) || never,
    resultBytes: isLarge() ? random.pick([6_000, 6_000, 2 * MAX_RESULT_BYTES]) : 0,
    inputBytes: isLarge() ? 6_000 : 0,
  };
}

function drawCollapse(random: Random, features: ReadonlySet<Feature>): CollapsePlan | null {
  const ways = (["debounce", "throttle", "replace"] as const).filter((way) => features.has(way));
  const [first, ...rest] = ways;
  if (first === undefined || !random.chance(0.4)) return null;
  const how = random.pick([first, ...rest]);
  // All with a key are alike.
  const key = random.integer(0, 2);
  const times = how === "debounce" ? [500, 2_000, 500] : [500, LONG_WINDOW_MS, LONG_WINDOW_MS];
  return {
    how,
    key: `${how}-${key}`,
    ms: times[key] ?? 500,
    maxWaitMs: key === 0 ? 3_000 : 0,
  };
}

/** A task with a key used before is that task again, but now and then another that clashes with it. */
function sameAsFirst(random: Random, task: TaskPlan, key: string, first: Map<string, TaskPlan>): TaskPlan {
  const earlier = first.get(key);
  if (earlier === undefined) {
    first.set(key, task);
    return task;
  }
  const { submitAt, client } = task;
  const index = random.chance(0.2) ? task.index : earlier.index;
  return { ...earlier, index, submitAt, client, cancelAfterMs: null };
}

/** Their tasks are as others, and nobody waits for them. */
function drawScheduled(frame: Frame, from: number): SchedulePlan[] {
  const { random } = frame;
  const tasks = Array.from({ length: random.integer(1, 2) }, (_, index) => {
    const task = drawTask(frame, from + index);
    const runMs = random.pick([0, 20, 500, 2_500]) * random.between(0.5, 1.5);
    const handler = { ...task.handler, runMs, failures: random.pick([0, 0, 1]), failure: "throw" as const };
    return { ...task, handler, key: null, collapse: null, delayMs: 0, cancelAfterMs: null };
  });
  return drawSchedules(random, tasks);
}
