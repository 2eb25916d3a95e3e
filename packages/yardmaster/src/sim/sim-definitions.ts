import { defineQueue } from "../definition/queue.ts";
import { defineTask, type TaskDefinition } from "../definition.ts";
import type { QueueName, TaskPlan, Workload } from "./workload.ts";

export interface SimInput {
  readonly index: number;
  readonly padding: string;
}

export type SimDefinition = TaskDefinition<SimInput, SimInput>;

const ROUTES = 7;

/** Tasks in the queue `spread` that share a route are in one shard. */
function routeOf({ index }: { readonly index: number }): string {
  return `route-${index % ROUTES}`;
}

const QUEUES = {
  fifo: defineQueue({ name: "fifo" }),
  urgent: defineQueue({ name: "urgent", order: "priority" }),
  spread: defineQueue({ name: "spread", routeBy: routeOf }),
} as const satisfies { [Q in QueueName]: unknown };

/** The definitions that a workload needs: one for each set of options in it. */
export class SimDefinitions {
  readonly #byName = new Map<string, SimDefinition>();
  readonly #plans = new Map<number, TaskPlan>();
  readonly #tasks: readonly TaskPlan[];

  constructor({ tasks }: Workload) {
    this.#tasks = tasks;
    for (const task of tasks) {
      if (!this.#plans.has(task.index)) this.#plans.set(task.index, task);
      const name = nameOf(task);
      if (!this.#byName.has(name)) this.#byName.set(name, define(name, task));
    }
  }

  get all(): readonly SimDefinition[] {
    return [...this.#byName.values()];
  }

  of(task: TaskPlan): SimDefinition {
    return this.#byName.get(nameOf(task)) ?? define(nameOf(task), task);
  }

  /** Whether another task uses the same idempotency key with other input. */
  clashes(task: TaskPlan): boolean {
    const key = this.keyOf(task);
    return key !== "" && this.#tasks.some((other) => this.keyOf(other) === key && other.index !== task.index);
  }

  /** Tasks with the same are the same to the yard; "" for none. In a queue that is spread, keys count within a route. */
  keyOf(task: TaskPlan): string {
    if (task.key === null) return "";
    return task.queue === "spread" ? `${routeOf(task)}:${task.key}` : task.key;
  }

  /** The plan behind an input. */
  planOf({ index }: SimInput): TaskPlan {
    const plan = this.#plans.get(index);
    if (plan === undefined) throw new RangeError(`No task has the index ${index}`);
    return plan;
  }
}

function nameOf({ kind, queue, attempts, timeoutMs }: TaskPlan): string {
  return `${kind}.${queue}.${attempts}.${timeoutMs}`;
}

function define(name: string, { kind, queue, attempts, timeoutMs }: TaskPlan): SimDefinition {
  return defineTask<SimInput, SimInput>({
    name,
    queue: QUEUES[queue],
    attempts,
    timeoutMs,
    graceMs: 1_000,
    backoff: { type: "exponential", baseMs: 200, maxMs: 4_000, jitter: "full" },
    delivery: kind === "once" ? "at-most-once" : "at-least-once",
  });
}
