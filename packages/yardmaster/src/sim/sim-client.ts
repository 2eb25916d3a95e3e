import type { CollapsingOptions } from "../client/collapsing.ts";
import type { GraphHandle } from "../client/graph-handle.ts";
import type { TaskHandle } from "../client/handle.ts";
import type { DependencyOptions } from "../client/linked.ts";
import { call, chain, group, type Plan, type StepOptions } from "../client/plan.ts";

import type { SubmitOptions } from "../client/submission.ts";
import { type ErrorCode, isCode, YardmasterError } from "../protocol/errors.ts";
import { shardOf } from "../protocol/ids.ts";
import type { TaskId, TerminalState } from "../protocol/task.ts";
import { type ChoreClient, keepSchedule, pauseQueue } from "./client-chores.ts";
import { type GraphPlan, type LinkPlan, NO_LINKS } from "./linked-tasks.ts";
import type { SchedulePlan } from "./schedule-plan.ts";
import { isJoinable, type SimDefinitions, type SimInput } from "./sim-definitions.ts";
import type { SimProcess } from "./sim-process.ts";
import { labelOf } from "./sim-tasks.ts";
import type { TaskPlan } from "./task-plan.ts";
import type { QueuePlan, Workload } from "./workload.ts";

function inputOf({ index, handler }: TaskPlan): SimInput {
  return { index, padding: "x".repeat(handler.inputBytes) };
}

function optionsOf({ priority, delayMs, expiresInMs, deadlineInMs }: TaskPlan): StepOptions {
  return {
    priority,
    ...(delayMs === 0 ? {} : { delayMs }),
    ...(expiresInMs === 0 ? {} : { expiresInMs }),
    ...(deadlineInMs === 0 ? {} : { deadlineInMs }),
  };
}

function collapsingOf({ collapse }: TaskPlan): CollapsingOptions {
  if (collapse === null) return {};
  const { how, key, ms, maxWaitMs } = collapse;
  if (how === "replace") return { replace: { key } };
  if (how === "throttle") return { throttle: { key, perMs: ms } };
  return { debounce: { key, waitMs: ms, ...(maxWaitMs === 0 ? {} : { maxWaitMs }) } };
}

/** What the simulation uses of a client. */
export interface SubmittingClient extends ChoreClient {
  submit(
    definition: ReturnType<SimDefinitions["of"]>,
    input: unknown,
    options: SubmitOptions,
  ): Promise<TaskHandle>;
  submitGraph(plan: Plan): Promise<GraphHandle>;
  get(id: TaskId): TaskHandle;
}

/** One client's part of a workload, which outlives the client's incarnations as a caller's database does. */
export class ClientScript {
  readonly #tasks: readonly TaskPlan[];
  /** Those that are not done with. */
  readonly #queues: Set<QueuePlan>;
  /** With the names that it has got so far. */
  readonly #schedules: Map<SchedulePlan, string[]>;
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
    { queues, schedules }: Pick<Workload, "queues" | "schedules">,
    definitions: SimDefinitions,
    links: LinkPlan = NO_LINKS,
  ) {
    this.#tasks = tasks;
    this.#schedules = new Map(schedules.map((plan) => [plan, []]));
    this.#links = links;
    this.#graphs = links.graphs.filter(({ layers }) => layers.flat().some((task) => tasks.includes(task)));
    this.#queues = new Set(queues);
    this.#definitions = definitions;
  }

  /** Whether every task was submitted and every call has come back. */
  get isDone(): boolean {
    return (
      this.#queues.size === 0 &&
      this.#schedules.size === 0 &&
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
    for (const [plan, names] of this.#schedules) this.#playSchedule(process, client, plan, names);
  }

  async #submit(process: SimProcess, client: SubmittingClient, task: TaskPlan): Promise<void> {
    this.#announce(process, task);
    const { key } = task;
    if (task.index % WRONG_EVERY === 0) await this.#submitWrong(process, client, task);
    try {
      const handle = await client.submit(this.#definitions.of(task), inputOf(task), {
        ...optionsOf(task),
        ...collapsingOf(task),
        ...(key === null ? {} : { idempotencyKey: key }),
        ...this.#dependenciesOf(client, task),
      });
      if (process.alive) this.#take(process, handle, task);
    } catch (error) {
      // What the broker did with it nobody knows.
      if (process.alive) process.observe({ type: "submitFailed", label: labelOf(task), isCertain: false });
      throw error;
    }
  }

  /** The same with a mistake in it, which must not leave the client. */
  async #submitWrong(process: SimProcess, client: SubmittingClient, task: TaskPlan): Promise<void> {
    const label = `wrong ${labelOf(task)}`;
    const intent = { attempts: 0, atMostOnce: false, mayGiveUp: false, key: "", dueAt: 0 };
    process.observe({ type: "submitting", label, intent });
    try {
      await client.submit(this.#definitions.of(task), inputOf(task), { priority: WRONG_PRIORITY });
      process.world.history.report("WRONGLY_ACCEPTED", `${label} was submitted in spite of its priority`);
    } catch (error) {
      if (!isCode(error, "INVALID_OPTIONS")) throw error;
      process.observe({ type: "submitFailed", label, isCertain: true });
    }
  }

  /** Those of its dependencies that are known to be submitted, as far as they are in one shard. */
  #dependenciesOf(client: SubmittingClient, task: TaskPlan): DependencyOptions {
    const plan = this.#links.after.get(task);
    if (plan === undefined || this.#definitions.isBound(task)) return {};
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

  #announce(process: SimProcess, task: TaskPlan, repeats = false): void {
    const label = labelOf(task);
    const { attempts, kind, delayMs, collapse } = task;
    // Whole milliseconds, and the clocks of two owners, whose times may meet in one task's record.
    const slackMs = 3 + 2 * process.world.faults.mostWallErrorMs;
    // The first of a flurry may have set its end.
    const restMs = collapse?.how === "debounce" && collapse.maxWaitMs === 0 ? collapse.ms : 0;
    const dueAt = process.host.monotonic() + delayMs + restMs - slackMs;
    const mayGiveUp = task.handler.failures > 0 && task.handler.failure === "final";
    const intent = {
      // Each may be joined by a second one.
      // A failover may forget that a second one stood in: then there is one try more.
      attempts: isJoinable(task) ? 2 * (attempts + 1) : attempts,
      mayGiveUp,
      atMostOnce: kind === "once",
      key: this.#definitions.keyOf(task),
      dueAt,
      ...(repeats ? { repeats } : {}),
      // By the clocks of two owners it may be over that much earlier.
      ...(collapse?.how === "throttle" ? { keyWindowMs: collapse.ms - slackMs } : {}),
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
      const end = await this.#endOf(process, handle);
      if (!process.alive) return;
      if (end.ok && !isResultOf(task, end.value))
        process.world.history.report("WRONG_RESULT", `${labelOf(task)} (${handle.id}) gave another's result`);
      const state = end.ok ? "succeeded" : stateOf(end.error);
      process.note("settled", `${handle.id} ${state}`);
      process.observe({ type: "settled", id: handle.id, state });
      const result = JSON.stringify(end.ok ? end.value : end.error.code);
      process.observe({ type: "read", id: handle.id, state, result });
    });
  }

  /** Where a consumer keeps the submission, the owner knows nothing of it, and only asking later tells. */
  async #endOf(process: SimProcess, handle: TaskHandle): ReturnType<TaskHandle["settled"]> {
    for (;;) {
      try {
        return await handle.settled();
      } catch (error) {
        if (!isCode(error, "TASK_NOT_FOUND") || !process.world.faults.keepsFrames) throw error;
        await new Promise<void>((resolve) => process.host.after(ASK_AGAIN_MS, resolve));
      }
    }
  }

  #accept(process: SimProcess, handle: TaskHandle, task: TaskPlan): void {
    this.#track(process, `acceptance of ${handle.id}`, async () => {
      const outcome = await acceptanceOf(handle);
      if (outcome === "refused" && !this.#definitions.mayBeRefused(task))
        process.world.history.report(
          "WRONGLY_REFUSED",
          `${labelOf(task)} (${handle.id}) was refused without a reason`,
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
    process.host.after(Math.max(0, plan.at - process.host.monotonic()), () =>
      this.#track(process, `pause of ${plan.queue}`, async () => {
        await pauseQueue(process, client, plan);
        if (process.alive) this.#queues.delete(plan);
      }),
    );
  }

  /** Each incarnation gives it another name, as one that was taken away knows nothing of its earlier ticks. */
  #playSchedule(process: SimProcess, client: SubmittingClient, plan: SchedulePlan, names: string[]): void {
    process.host.after(Math.max(0, plan.at - process.host.monotonic()), () => {
      const name = `${plan.name}.${names.length + 1}`;
      names.push(name);
      this.#announce(process, plan.task, true);
      process.observe({ type: "scheduling", name, overlap: plan.overlap });
      const schedule = { name, plan, definition: this.#definitions.of(plan.task), input: inputOf(plan.task) };
      this.#track(process, `schedule ${name}`, async () => {
        await keepSchedule(process, client, schedule, [...names]);
        if (process.alive) this.#schedules.delete(plan);
      });
    });
  }

  /** Remembers a call until it comes back. A failure to learn an outcome is the caller's business; a bug is not. */
  #track(process: SimProcess, name: string, call: () => Promise<void>): void {
    this.pending.add(name);
    call()
      .catch((error: unknown) => {
        if (!process.alive) return;
        process.note("failed", `${name}: ${String(error)}`);
        // Whether it may be lost is told by the history; what is kept from the owner, it denies.
        if (isCode(error, "TASK_NOT_FOUND") && process.world.faults.mayDeny) return;
        if (!(error instanceof YardmasterError) || !EXPECTED.has(error.code))
          process.world.history.report("UNEXPECTED_ERROR", `${name}: ${String(error)}`);
      })
      .finally(() => {
        if (process === this.#process) this.pending.delete(name);
      });
  }
}

const ASK_AGAIN_MS = 10_000;
const WRONG_EVERY = 10;
const WRONG_PRIORITY = 1_000;

const EXPECTED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "BROKER_UNAVAILABLE",
  "STORE_UNAVAILABLE",
  "STORE_FULL",
  "CLOSED",
  "WAIT_TIMED_OUT",
]);

/** A throttled task may have the result of another with its key. */
function isResultOf({ index, handler, collapse }: TaskPlan, value: unknown): boolean {
  if (collapse?.how === "throttle") return true;
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
