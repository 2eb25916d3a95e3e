import type { GraphHandle } from "../client/graph-handle.ts";
import type { TaskHandle } from "../client/handle.ts";
import type { DependencyOptions } from "../client/linked.ts";
import { call, chain, group, type Plan } from "../client/plan.ts";
import { pause } from "../host.ts";
import { type ErrorCode, YardmasterError } from "../protocol/errors.ts";
import { shardOf } from "../protocol/ids.ts";
import type { TaskId, TerminalState } from "../protocol/task.ts";
import { type GraphPlan, type LinkPlan, NO_LINKS } from "./linked-tasks.ts";
import { MAX_LATE_MS } from "./remote-call.ts";
import type { SimDefinitions, SimInput } from "./sim-definitions.ts";
import type { SimProcess } from "./sim-process.ts";
import { labelOf } from "./sim-tasks.ts";
import type { QueuePlan, TaskPlan } from "./workload.ts";

function inputOf({ index, handler }: TaskPlan): SimInput {
  return { index, padding: "x".repeat(handler.inputBytes) };
}

function optionsOf({ priority, delayMs, expiresInMs }: TaskPlan): {
  priority: number;
  delayMs: number;
  expiresInMs?: number;
} {
  return { priority, delayMs, ...(expiresInMs === 0 ? {} : { expiresInMs }) };
}

/** What the simulation uses of a client. */
export interface SubmittingClient {
  submit(
    definition: ReturnType<SimDefinitions["of"]>,
    input: unknown,
    options: {
      readonly priority?: number;
      readonly delayMs?: number;
      readonly expiresInMs?: number;
      readonly idempotencyKey?: string;
    } & DependencyOptions,
  ): Promise<TaskHandle>;
  submitGraph(plan: Plan): Promise<GraphHandle>;
  get(id: TaskId): TaskHandle;
  pause(queue: string): Promise<void>;
  resume(queue: string): Promise<void>;
}

/** One client's part of a workload, which outlives the client's incarnations as a caller's database does. */
export class ClientScript {
  readonly #tasks: readonly TaskPlan[];
  /** Those that are not done with. */
  readonly #queues: Set<QueuePlan>;
  readonly #definitions: SimDefinitions;
  readonly #begun = new Set<TaskPlan>();
  readonly #acknowledged = new Map<TaskId, TaskPlan>();
  /** Ids of which the present incarnation waits for the end. */
  readonly awaited: Set<TaskId> = new Set();
  /** What the present incarnation has called and not heard of yet. */
  readonly pending: Set<string> = new Set();
  readonly #links: LinkPlan;
  readonly #graphs: readonly GraphPlan[];
  #process: SimProcess | null = null;

  constructor(
    tasks: readonly TaskPlan[],
    queues: readonly QueuePlan[],
    definitions: SimDefinitions,
    links: LinkPlan = NO_LINKS,
  ) {
    this.#tasks = tasks;
    this.#links = links;
    this.#graphs = links.graphs.filter(({ layers }) => layers.flat().some((task) => tasks.includes(task)));
    this.#queues = new Set(queues);
    this.#definitions = definitions;
  }

  /** Whether every task was submitted and every call has come back. */
  get isDone(): boolean {
    return (
      this.#queues.size === 0 &&
      this.#begun.size === this.#tasks.length &&
      this.pending.size === 0 &&
      this.#process?.alive === true
    );
  }

  /** Goes on in a new incarnation: waits again for what was acknowledged, and submits what was not tried yet. */
  play(process: SimProcess, client: SubmittingClient): void {
    this.#process = process;
    this.awaited.clear();
    this.pending.clear();
    for (const [id, task] of this.#acknowledged) this.#follow(process, client.get(id), task);
    const members = new Set(this.#graphs.flatMap(({ layers }) => layers.flat()));
    for (const graph of this.#graphs) this.#playGraph(process, client, graph);
    for (const task of this.#tasks) {
      if (this.#begun.has(task) || members.has(task)) continue;
      process.host.after(Math.max(0, task.submitAt - process.host.monotonic()), () => {
        this.#begun.add(task);
        this.#track(process, `submit of ${labelOf(task)}`, () => this.#submit(process, client, task));
      });
    }
    for (const plan of this.#queues) this.#playQueue(process, client, plan);
  }

  async #submit(process: SimProcess, client: SubmittingClient, task: TaskPlan): Promise<void> {
    this.#announce(process, task);
    const { key } = task;
    const handle = await client.submit(this.#definitions.of(task), inputOf(task), {
      ...optionsOf(task),
      ...(key === null ? {} : { idempotencyKey: key }),
      ...this.#dependenciesOf(client, task),
    });
    if (process.alive) this.#take(process, handle, task);
  }

  /** Those of its dependencies that are known to be submitted, as far as they are in one shard. */
  #dependenciesOf(client: SubmittingClient, task: TaskPlan): DependencyOptions {
    const plan = this.#links.after.get(task);
    if (plan === undefined) return {};
    const ids = [...this.#acknowledged].filter(([, other]) => plan.tasks.includes(other)).map(([id]) => id);
    const [first = ""] = ids;
    const after = ids.filter((id) => shardOf(id) === shardOf(first)).map((id) => client.get(id));
    return after.length === 0 ? {} : { after, ifDependencyFails: plan.onFailure };
  }

  #playGraph(process: SimProcess, client: SubmittingClient, plan: GraphPlan): void {
    const members = plan.layers.flat();
    const [first] = members;
    if (first === undefined || this.#begun.has(first)) return;
    process.host.after(Math.max(0, first.submitAt - process.host.monotonic()), () => {
      for (const task of members) this.#begun.add(task);
      this.#track(process, `graph of ${labelOf(first)}`, () => this.#submitGraph(process, client, plan));
    });
  }

  async #submitGraph(process: SimProcess, client: SubmittingClient, plan: GraphPlan): Promise<void> {
    const members = plan.layers.flat();
    for (const task of members) this.#announce(process, task);
    const layers: readonly Plan[] = plan.layers.map((layer) =>
      group(
        layer.map((task) =>
          call(this.#definitions.of(task), inputOf(task), {
            ...optionsOf(task),
            ifDependencyFails: plan.onFailure,
          }),
        ),
      ),
    );
    const graph = await client.submitGraph(layers.reduce((before, layer) => chain(before, layer)));
    if (!process.alive) return;
    process.note("graph", graph.id);
    for (const [index, task] of members.entries()) {
      const handle = graph.tasks[index];
      if (handle !== undefined) this.#take(process, handle, task);
    }
    const { cancelAfterMs } = plan;
    if (cancelAfterMs !== null) process.host.after(cancelAfterMs, () => this.#cancelGraph(process, graph));
  }

  #cancelGraph(process: SimProcess, graph: GraphHandle): void {
    process.note("cancelling", `graph ${graph.id}`);
    this.#track(process, `cancel of graph ${graph.id}`, async () => {
      await graph.cancel("planned");
      if (!process.alive) return;
      process.note("cancelled", `graph ${graph.id}`);
      for (const { id } of graph.tasks) process.observe({ type: "cancelled", id });
    });
  }

  #announce(process: SimProcess, task: TaskPlan): void {
    const label = labelOf(task);
    const { attempts, kind, delayMs } = task;
    // Whole milliseconds, and the clocks of two owners, whose times may meet in one task's record.
    const slackMs = 3 + 2 * process.world.faults.plan.wallSkewMs;
    const dueAt = process.host.monotonic() + delayMs - slackMs;
    const mayGiveUp = task.handler.failures > 0 && task.handler.failure === "final";
    const intent = {
      attempts,
      mayGiveUp,
      atMostOnce: kind === "once",
      key: this.#definitions.keyOf(task),
      dueAt,
    };
    process.observe({ type: "submitting", label, intent });
    process.note("submitting", label);
  }

  #take(process: SimProcess, handle: TaskHandle, task: TaskPlan): void {
    const label = labelOf(task);
    process.observe({ type: "submitted", label, id: handle.id });
    process.note("submitted", `${label} ${handle.id}`);
    this.#acknowledged.set(handle.id, task);
    this.#follow(process, handle, task);
    this.#accept(process, handle, task);
    const { cancelAfterMs } = task;
    if (cancelAfterMs !== null) process.host.after(cancelAfterMs, () => this.#cancel(process, handle));
  }

  #follow(process: SimProcess, handle: TaskHandle, task: TaskPlan): void {
    this.awaited.add(handle.id);
    this.#track(process, `end of ${handle.id}`, async () => {
      const end = await handle.settled();
      if (!process.alive) return;
      if (end.ok && !isResultOf(task, end.value))
        process.world.history.report("WRONG_RESULT", `${labelOf(task)} (${handle.id}) gave another's result`);
      const state = end.ok ? "succeeded" : stateOf(end.error);
      process.note("settled", `${handle.id} ${state}`);
      process.observe({ type: "settled", id: handle.id, state });
    });
  }

  #accept(process: SimProcess, handle: TaskHandle, task: TaskPlan): void {
    this.#track(process, `acceptance of ${handle.id}`, async () => {
      const outcome = await acceptanceOf(handle);
      if (outcome === "refused" && !this.#definitions.clashes(task))
        process.world.history.report(
          "WRONGLY_REFUSED",
          `${labelOf(task)} (${handle.id}) clashes with nothing`,
        );
      if (process.alive) process.observe({ type: "accepted", id: handle.id, outcome });
    });
  }

  #cancel(process: SimProcess, handle: TaskHandle): void {
    process.note("cancelling", handle.id);
    this.#track(process, `cancel of ${handle.id}`, async () => {
      const state = await handle.cancel("planned");
      if (!process.alive) return;
      process.note("cancelled", `${handle.id} ${state}`);
      process.observe({ type: "cancelled", id: handle.id });
    });
  }

  #playQueue(process: SimProcess, client: SubmittingClient, plan: QueuePlan): void {
    const { at, forMs, queue } = plan;
    process.host.after(Math.max(0, at - process.host.monotonic()), () =>
      this.#track(process, `pause of ${queue}`, async () => {
        // Whoever does not know whether a queue is paused goes on as if it were.
        await client
          .pause(queue)
          .catch((error: unknown) => process.note("failed", `pause: ${String(error)}`));
        await pause(process.host, forMs);
        await resumeUntilDone(process, client, queue);
        if (process.alive) this.#queues.delete(plan);
      }),
    );
  }

  /** Remembers a call until it comes back. A failure to learn an outcome is the caller's business; a bug is not. */
  #track(process: SimProcess, name: string, call: () => Promise<void>): void {
    this.pending.add(name);
    call()
      .catch((error: unknown) => {
        if (!process.alive) return;
        process.note("failed", `${name}: ${String(error)}`);
        if (!(error instanceof YardmasterError) || !EXPECTED.has(error.code))
          process.world.history.report("UNEXPECTED_ERROR", `${name}: ${String(error)}`);
      })
      .finally(() => {
        if (process === this.#process) this.pending.delete(name);
      });
  }
}

const EXPECTED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "BROKER_UNAVAILABLE",
  "STORE_UNAVAILABLE",
  "STORE_FULL",
  "CLOSED",
  "WAIT_TIMED_OUT",
]);

/**
 * A paused queue that is never resumed would be the workload's fault: a pause that was late enough to meet a new owner
 * is resumed once more when none can come any more.
 */
async function resumeUntilDone(process: SimProcess, client: SubmittingClient, queue: string): Promise<void> {
  const { healAt } = process.world.faults.plan;
  const isPauseUncertain = process.world.faults.plan.lateChance > 0;
  for (;;) {
    try {
      const sentAt = process.host.monotonic();
      await client.resume(queue);
      if (!isPauseUncertain || sentAt > healAt + MAX_LATE_MS) return;
      await pause(process.host, healAt + MAX_LATE_MS - sentAt);
    } catch (error) {
      if (error instanceof YardmasterError && error.code === "CLOSED") throw error;
      process.note("failed", `resume of ${queue}: ${String(error)}`);
    }
    await pause(process.host, 1_000);
  }
}

function isResultOf({ index, handler }: TaskPlan, value: unknown): boolean {
  return JSON.stringify(value) === JSON.stringify({ index, padding: "x".repeat(handler.resultBytes) });
}

async function acceptanceOf(handle: TaskHandle): Promise<"created" | "duplicate" | "refused"> {
  try {
    const { outcome } = await handle.accepted();
    return outcome;
  } catch (error) {
    if (isRefusal(error)) return "refused";
    throw error;
  }
}

function isRefusal(error: unknown): boolean {
  return (
    error instanceof YardmasterError &&
    (error.code === "TASK_REFUSED" || error.code === "IDEMPOTENCY_CONFLICT")
  );
}

function stateOf({ code }: YardmasterError): TerminalState {
  if (code === "TASK_CANCELLED") return "cancelled";
  return code === "TASK_EXPIRED" ? "expired" : "failed";
}
