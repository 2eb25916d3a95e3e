import type { Random } from "./random.ts";

/** What one run asks of the yard, drawn from its seed. Times are virtual milliseconds from the start of the run. */
export interface Workload {
  readonly tasks: readonly TaskPlan[];
  readonly slots: number;
  readonly dispatchers: number;
  readonly workers: number;
  readonly clients: number;
  readonly shards: number;
  /** The most tasks of a shard that a dispatcher keeps in memory; the rest is parked in the store. */
  readonly maxLive: number;
  readonly queues: readonly QueuePlan[];
}

export interface QueuePlan {
  readonly at: number;
  readonly forMs: number;
  readonly queue: QueueName;
}

/** `spread` is spread over the shards by its tasks' routes. */
export type QueueName = "fifo" | "urgent" | "spread";

export interface TaskPlan {
  /** Its input. Tasks that share an idempotency key and are meant to be the same have the same. */
  readonly index: number;
  readonly submitAt: number;
  readonly client: number;
  readonly kind: "usual" | "once";
  readonly queue: QueueName;
  readonly priority: number;
  readonly delayMs: number;
  /** 0 for never. */
  readonly expiresInMs: number;
  readonly attempts: number;
  readonly timeoutMs: number;
  /** Tasks with the same key are the same to the yard; null for none. */
  readonly key: string | null;
  /** How long after the submission it is cancelled; null for never. */
  readonly cancelAfterMs: number | null;
  readonly handler: HandlerPlan;
}

export interface HandlerPlan {
  readonly runMs: number;
  /** So many attempts fail, each in the given way, before one succeeds. */
  readonly failures: number;
  readonly failure: "throw" | "final" | "retryIn";
  /** Whether it ends when it is told to, or runs on. */
  readonly heedsSignal: boolean;
  /** Pads the result, so that some results are too large to travel in messages. */
  readonly resultBytes: number;
  readonly inputBytes: number;
}

export function drawWorkload(random: Random): Workload {
  const spreadMs = random.pick([200, 5_000, 30_000]);
  const clients = random.integer(1, 2);
  const first = new Map<string, TaskPlan>();
  const tasks = Array.from({ length: random.integer(20, 60) }, (_, index) => {
    const task = drawTask(random, index, spreadMs, clients);
    return task.key === null ? task : sameAsFirst(random, task, task.key, first);
  });
  const queues = random.chance(0.25)
    ? [{ at: random.below(15_000), forMs: random.between(100, 20_000), queue: random.pick(QUEUES) }]
    : [];
  return {
    tasks,
    clients,
    queues,
    slots: random.integer(1, 6),
    workers: random.integer(2, 3),
    shards: random.pick([1, 1, 2, 3, 4]),
    dispatchers: random.pick([1, 2, 2, 3]),
    maxLive: random.pick([1_000_000, 1_000_000, 20, 5]),
  };
}

const QUEUES: readonly [QueueName, ...QueueName[]] = ["fifo", "urgent", "spread"];

function drawTask(random: Random, index: number, spreadMs: number, clients: number): TaskPlan {
  const kind = random.chance(0.15) ? "once" : "usual";
  return {
    index,
    submitAt: random.below(spreadMs),
    client: random.integer(0, clients - 1),
    kind,
    queue: random.pick(QUEUES),
    priority: random.integer(0, 255),
    delayMs: random.chance(0.15) ? random.integer(1, 15_000) : 0,
    expiresInMs: random.chance(0.08) ? random.integer(1, 20_000) : 0,
    attempts: random.integer(1, 5),
    timeoutMs: random.pick([0, 2_000, 10_000, 60_000]),
    key: kind === "usual" && random.chance(0.15) ? `key-${random.integer(0, 4)}` : null,
    cancelAfterMs: random.chance(0.12) ? random.below(random.pick([5, 500, 10_000])) : null,
    handler: {
      runMs: random.pick([0, 1, 5, 20, 100, 500, 3_000, 12_000]) * random.between(0.5, 1.5),
      failures: random.pick([0, 0, 0, 0, 1, 2, 9]),
      failure: random.pick(["throw", "throw", "throw", "final", "retryIn"]),
      heedsSignal: random.chance(0.7),
      resultBytes: random.chance(0.05) ? 6_000 : 0,
      inputBytes: random.chance(0.05) ? 6_000 : 0,
    },
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
