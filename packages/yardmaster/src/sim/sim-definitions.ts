import { defineQueue, type QueueDefinition } from "../definition/queue.ts";
import { defineTask, type TaskDefinition } from "../definition.ts";
import type { QueueName, QueueShape } from "./definition-plan.ts";
import { MAX_RESULT_BYTES, type TaskPlan } from "./task-plan.ts";
import type { Workload } from "./workload.ts";

export interface SimInput {
  readonly index: number;
  readonly padding: string;
}

export type SimDefinition = TaskDefinition<SimInput, SimInput>;

const ROUTES = 7;
const TENANTS = 3;

/** Tasks in the queue `spread` that share a route are in one shard. */
function routeOf({ index }: { readonly index: number }): string {
  return `route-${index % ROUTES}`;
}

function tenantOf({ index }: { readonly index: number }): string {
  return `tenant-${index % TENANTS}`;
}

/** The definitions that a workload needs: one for each set of options in it. */
export class SimDefinitions {
  readonly #byName = new Map<string, SimDefinition>();
  readonly #plans = new Map<number, TaskPlan>();
  readonly #firstOf = new Map<string, TaskPlan>();
  readonly #tasks: readonly TaskPlan[];
  readonly #queues: { readonly [Q in QueueName]: QueueDefinition<SimInput> };
  readonly #workload: Workload;

  constructor(workload: Workload) {
    const { tasks, schedules, shapes } = workload;
    this.#workload = workload;
    this.#tasks = tasks;
    this.#queues = {
      fifo: declare("fifo", shapes.fifo),
      shaped: declare("shaped", shapes.shaped),
      spread: declare("spread", shapes.spread),
    };
    for (const task of [...tasks, ...schedules.map(({ task }) => task)]) {
      if (!this.#plans.has(task.index)) this.#plans.set(task.index, task);
      const name = nameOf(task);
      if (this.#byName.has(name)) continue;
      this.#byName.set(name, this.#define(name, task));
      this.#firstOf.set(name, task);
    }
  }

  /** Each with one of the tasks that are so defined. */
  *all(): Generator<readonly [SimDefinition, TaskPlan]> {
    for (const [name, task] of this.#firstOf)
      yield [this.#byName.get(name) ?? this.#define(name, task), task];
  }

  of(task: TaskPlan): SimDefinition {
    const known = this.#byName.get(nameOf(task));
    // Those that may be joined share a name and no options.
    return known === undefined || isJoinable(task) ? this.#define(nameOf(task), task) : known;
  }

  /** Whether another task uses the same idempotency key with other input. */
  clashes(task: TaskPlan): boolean {
    const key = this.keyOf(task);
    return key !== "" && this.#tasks.some((other) => this.keyOf(other) === key && other.index !== task.index);
  }

  /** Whether a dispatcher may refuse it: as a clash, for its deadline, or as one too many that must stay in memory. */
  mayBeRefused(task: TaskPlan): boolean {
    const { shapes, features, maxLive } = this.#workload;
    const missesDeadline = task.deadlineInMs > 0 && shapes[task.queue].admission === "refuse";
    const hasLinks = features.includes("dependencies") || features.includes("graphs");
    const isOneTooMany = maxLive < this.#tasks.length && (task.collapse !== null || hasLinks);
    return missesDeadline || isOneTooMany || this.clashes(task);
  }

  /** Whether another shard may count its limits. */
  isBound({ queue, definition }: TaskPlan): boolean {
    const { concurrency, rate } = this.#workload.shapes[queue];
    const isLimited =
      concurrency > 0 || rate !== null || definition.concurrency !== null || definition.rate !== null;
    return isLimited && this.#workload.shards > 1;
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

  #define(name: string, task: TaskPlan): SimDefinition {
    const { kind, queue, attempts, timeoutMs, definition } = task;
    const { order, placement } = this.#workload.shapes[queue];
    const key = queue === "spread" ? routeOf : tenantOf;
    const { concurrency, rate } = definition;
    return defineTask<SimInput, SimInput>({
      name,
      queue: this.#queues[queue],
      attempts,
      timeoutMs,
      graceMs: 1_000,
      maxResultBytes: MAX_RESULT_BYTES,
      backoff: { type: "exponential", baseMs: 200, maxMs: 4_000, jitter: "full" },
      delivery: kind === "once" ? "at-most-once" : "at-least-once",
      speculative: isJoinable(task) ? { afterFactor: 1.5, afterMs: 200 } : false,
      ...(concurrency === null
        ? {}
        : { concurrency: { limit: concurrency.limit, ...(concurrency.keyed ? { key } : {}) } }),
      ...(rate === null
        ? {}
        : {
            rate: { limit: rate.limit, perMs: rate.perMs, burst: rate.burst, ...(rate.keyed ? { key } : {}) },
          }),
      ...(order === "fair"
        ? { fairness: { key: tenantOf, weight: ({ index }) => 1 + (index % TENANTS) } }
        : {}),
      ...(placement === "sticky" ? { affinity: { key: tenantOf } } : {}),
    });
  }
}

/** A third of the usual tasks may have a second attempt: by their number, so that nothing more has to be drawn. */
export function isJoinable({ index, kind, key, collapse }: TaskPlan): boolean {
  return kind === "usual" && key === null && collapse === null && index % 3 === 0;
}

/** Durations are known by name: those that may be joined have one, so that some soon are. */
function nameOf(task: TaskPlan): string {
  const { definition, kind, queue, attempts, timeoutMs } = task;
  return isJoinable(task)
    ? `joined.${definition.label}.${queue}`
    : `${definition.label}.${kind}.${queue}.${attempts}.${timeoutMs}`;
}

function declare(name: QueueName, shape: QueueShape): QueueDefinition<SimInput> {
  const { order, placement, concurrency, rate, weight, precedence, admission } = shape;
  return defineQueue<SimInput>({
    name,
    order,
    placement,
    weight,
    precedence,
    ...(concurrency === 0 ? {} : { concurrency }),
    ...(rate === null ? {} : { rate }),
    ...(order === "deadline" ? { admission } : {}),
    ...(name === "spread" ? { routeBy: routeOf } : {}),
  });
}
