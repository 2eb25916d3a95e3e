import { endedWithin } from "../deadline.ts";
import { decodeValue } from "../definition/codec.ts";
import { optionsOf } from "../definition/options.ts";
import type { QueueDefinition } from "../definition/queue.ts";
import type { AnyTask, TaskDefinition } from "../definition.ts";
import type { Engine } from "../engine.ts";
import { type Host, systemHost } from "../host.ts";
import { checkDelay } from "../protocol/check.ts";
import { YardmasterError } from "../protocol/errors.ts";
import type { Explanation } from "../protocol/explanation.ts";
import { isTaskId } from "../protocol/ids.ts";
import { quoted } from "../protocol/quotation.ts";
import { isTerminal, type TaskId, type TerminalState } from "../protocol/task.ts";
import type { TraceHeader, TraceTask } from "../protocol/yard-trace.ts";
import type { Tracing } from "../tracing.ts";
import {
  type ActivityMark,
  type ClockReport,
  Directory,
  type QueueStatus,
  type WorkerStatus,
  type YardActivity,
  type YardStats,
} from "./directory.ts";
import type { ListFilter, TaskFilter, TaskPage } from "./filters.ts";
import type { GraphHandle } from "./graph-handle.ts";
import { Graphs } from "./graphs.ts";
import type { TaskHandle } from "./handle.ts";
import { notFound } from "./inquiry.ts";
import { checkKnown, foreignIds } from "./known-tasks.ts";
import { checkLimit } from "./limit.ts";
import type { Plan } from "./plan.ts";
import type { QueueChanges } from "./queue-changes.ts";
import { checkHome, shardOfDraft } from "./routing.ts";
import { type ScheduleOptions, type ScheduleStatus, Schedules } from "./schedules.ts";
import { UNTYPED } from "./settlement.ts";
import { type Draft, draft, type SubmitOptions } from "./submission.ts";
import { submitGraph } from "./submit-graph.ts";
import { submitMany } from "./submit-many.ts";
import { clientClosed, Switchboard } from "./switchboard.ts";
import type { TaskChapter, TaskStatus } from "./task-status.ts";
import { traced } from "./traced.ts";
import { type TraceFilter, traceOf } from "./yard-trace.ts";

export interface ClientOptions {
  readonly engine: Engine;
  /** Default: this process's clock, timers and chance. */
  readonly host?: Host;
  /** Default: none. */
  readonly tracing?: Tracing | null;
}

const CLOSE_MS = 5_000;

/** Starts a client on an engine that the caller owns. It listens for results when this resolves. */
export async function startClient({
  engine,
  host = systemHost,
  tracing = null,
}: ClientOptions): Promise<Client> {
  const client = new Client(engine, host, tracing);
  try {
    await client.open();
    return client;
  } catch (error) {
    // The failure to start is the one to report.
    await client.close().catch(() => undefined);
    throw error;
  }
}

/** Submits tasks, waits for them, and looks at the yard. */
export class Client {
  /** The schedules of the yard: listed, paused, resumed, run now, removed. */
  readonly schedules: Schedules;
  /** The yard's graphs: listed, looked at, cancelled. */
  readonly graphs: Graphs;
  protected readonly host: Host;
  private readonly switchboard: Switchboard;
  private readonly directory: Directory;
  private readonly tracing: Tracing | null;
  private closing: Promise<void> | null = null;

  constructor(engine: Engine, host: Host, tracing: Tracing | null = null) {
    this.host = host;
    this.tracing = tracing;
    this.switchboard = new Switchboard(engine, host);
    this.directory = new Directory(this.switchboard);
    this.schedules = new Schedules(this.switchboard);
    this.graphs = new Graphs(this.switchboard);
  }

  /** Called once, before anything else. */
  open(): Promise<void> {
    return this.switchboard.open();
  }

  /**
   * Submits a task; resolves when the broker has it durably. From then on it reaches exactly one end, whatever fails.
   *
   * Throws INVALID_INPUT naming the path, INVALID_OPTIONS or INVALID_NAME naming the option, PAYLOAD_TOO_LARGE,
   * STORE_FULL, or BROKER_UNAVAILABLE after 30 s. What only a dispatcher can refuse, `accepted()` and `result()` throw.
   *
   * With `tx` it resolves when the statement has run, and throws what `tx` throws. Unless the schema is asynchronous,
   * `tx` is called before `submit` returns.
   *
   * @example
   * const task = await yard.submit(resize, { url, width: 320 }, { priority: 200 });
   * const { bytes } = await task.result({ timeoutMs: 10_000 });
   */
  submit<Input, Output, Parsed, Returned>(
    definition: TaskDefinition<Input, Output, Parsed, Returned>,
    input: Input,
    options?: SubmitOptions,
  ): Promise<TaskHandle<Output>> {
    try {
      // The types only narrow what may be called with it; nothing below looks at them.
      const task = definition as unknown as AnyTask;
      const drafted = draft(task, input, options, this.nowFor(options));
      const sent =
        drafted instanceof Promise
          ? drafted.then((ready) => this.post(ready, task, options))
          : this.post(drafted, task, options);
      // The handle decodes with the definition's codec, and the definition says what that yields.
      return sent as Promise<TaskHandle<Output>>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Submits many inputs in batches and yields their handles in order, reading at most 4,000 inputs ahead of the loop.
   *
   * Throws what `submit` throws, at the first input that is refused; inputs after it are not submitted.
   *
   * @example
   * for await (const task of yard.submitMany(resize, inputs)) console.log(task.id);
   */
  submitMany<Input, Output, Parsed, Returned>(
    definition: TaskDefinition<Input, Output, Parsed, Returned>,
    inputs: Iterable<Input> | AsyncIterable<Input>,
    options?: Omit<SubmitOptions, "idempotencyKey" | "idempotencyWindowMs">,
  ): AsyncGenerator<TaskHandle<Output>, void, undefined> {
    // As in `submit`.
    const task = definition as unknown as AnyTask;
    const source = {
      draft: (input: unknown) => draft(task, input, options, this.nowFor(options)),
      room: (drafted: Draft) => this.switchboard.room(drafted),
      send: (drafted: Draft) => this.post(drafted, task, options) as Promise<TaskHandle<Output>>,
    };
    return submitMany(source, inputs);
  }

  /**
   * Submits the tasks of a plan together; resolves when the broker has all of them durably. None starts before all have
   * arrived; what stays incomplete for ten minutes is cancelled.
   *
   * Throws what `submit` throws, and INVALID_GRAPH for a plan that contains itself, is too large, or cannot be in one
   * shard; then nothing was submitted.
   *
   * @example
   * const graph = await yard.submitGraph(chord([call(count, { file: "a" }), call(count, { file: "b" })], sum));
   * console.log(await graph.result());
   */
  submitGraph<Output>(plan: Plan<Output>): Promise<GraphHandle<Output>> {
    // The plan's types say what its results are.
    return submitGraph(this.switchboard, plan, this.host.now(), this.tracing) as Promise<GraphHandle<Output>>;
  }

  /**
   * Declares by its name a schedule that submits this task, with this input, again and again; a second call replaces the
   * first. The same ticks go on where they stood, other ones begin anew. Resolves when it is recorded.
   *
   * Throws INVALID_NAME, INVALID_OPTIONS naming the field, what `submit` throws, PAYLOAD_TOO_LARGE for more than 64 KiB,
   * and BROKER_UNAVAILABLE where no dispatcher answers within 30 s.
   *
   * @example
   * await yard.schedule("nightly", report, { kind: "sales" }, { cron: "0 3 * * *", timeZone: "Europe/Berlin" });
   */
  async schedule<Input, Output, Parsed, Returned>(
    name: string,
    definition: TaskDefinition<Input, Output, Parsed, Returned>,
    input: Input,
    options: ScheduleOptions,
  ): Promise<ScheduleStatus> {
    // As in `submit`.
    return this.schedules.put(name, definition as unknown as AnyTask, input, options);
  }

  /** A handle for a task that was submitted before, here or elsewhere. Throws INVALID_OPTIONS for what is no task id. */
  handle<Input, Output, Parsed, Returned>(
    definition: TaskDefinition<Input, Output, Parsed, Returned>,
    id: TaskId,
  ): TaskHandle<Output> {
    checkId(id);
    // As in `submit`.
    return this.switchboard.ticketOf(id, definition) as TaskHandle<Output>;
  }

  /** As `handle`, where the definition is not at hand: the result is read as JSON. */
  get(id: TaskId): TaskHandle {
    checkId(id);
    return this.switchboard.ticketOf(id, UNTYPED);
  }

  /** How a task stands; null when no such task is known. */
  async status(id: TaskId): Promise<TaskStatus | null> {
    checkId(id);
    return this.directory.status(id);
  }

  /**
   * Why a task is not running, in a sentence and in data, or that it is; null when no such task is known.
   *
   * @example
   * console.log((await yard.explain(id))?.sentence); // "No connected worker knows image.resize."
   */
  async explain(id: TaskId): Promise<Explanation | null> {
    checkId(id);
    return this.directory.explain(id);
  }

  /** What has happened to a task so far, in order: its last 16 attempts at most; null when no such task is known. */
  async story(id: TaskId): Promise<TaskChapter[] | null> {
    checkId(id);
    return this.directory.story(id);
  }

  /** The input of a recorded task, read as JSON. Throws TASK_NOT_FOUND, or INVALID_INPUT for what is not JSON. */
  async input(id: TaskId): Promise<unknown> {
    checkId(id);
    const stored = await this.switchboard.stored(id);
    if (stored === null || stored.payload === null) throw notFound(id);
    return decodeValue(UNTYPED, this.switchboard.openPayload(stored, stored.payload), "INVALID_INPUT");
  }

  /** As `handle(…).cancel(reason)`. */
  async cancel(id: TaskId, reason = ""): Promise<TerminalState> {
    checkId(id);
    return this.switchboard.cancel(id, reason);
  }

  /**
   * Submits an ended task's input again, as a new task whose record says `retryOf`; the old one stays as it ended.
   * Throws TASK_NOT_FOUND, or INVALID_OPTIONS while the task goes on.
   */
  async retry(id: TaskId): Promise<TaskHandle> {
    checkId(id);
    const stored = await this.switchboard.stored(id);
    if (stored === null || stored.payload === null) throw notFound(id);
    const { spec, state, priority, terms, links } = stored.task;
    if (!isTerminal(state)) {
      throw new YardmasterError("INVALID_OPTIONS", `Task ${id} has not ended (${state}): cancel it first.`);
    }
    const again: Draft = {
      spec,
      priority,
      runAt: 0,
      delayMs: 0,
      expiresInMs: 0,
      key: null,
      retryOf: id,
      route: null,
      // The first one's deadline does not bind the second.
      terms: terms === null ? null : { ...terms, deadline: 0 },
      payload: this.switchboard.openPayload(stored, stored.payload),
      // What it waited for has ended, and may still make its input.
      ...(links === undefined || links.after.length === 0
        ? {}
        : { links: { ...links, graph: "", members: 0 } }),
    };
    const decoding = { name: spec.name, codec: undefined };
    return traced(this.tracing, again, (draft) => this.switchboard.send(draft, decoding));
  }

  /**
   * Unfinished tasks first, oldest first; then those that ended, newest first. Where the dispatchers' index of those
   * does not reach, about 20,000 records are looked at: `find` also says whether there are more.
   */
  list(filter?: ListFilter): Promise<TaskStatus[]> {
    return this.directory.list(filter);
  }

  /** Ended and parked tasks from the store, newest first, a page at a time; needs no dispatcher. */
  find(filter?: TaskFilter): Promise<TaskPage> {
    return this.directory.find(filter);
  }

  /**
   * What the yard has done as far as it still knows, for `yardmaster simulate`: a header with its queues and workers,
   * then each task once, in no order. Has keys and labels, but no inputs, results or errors' texts. Throws as `list`.
   *
   * @example
   * for await (const line of yard.trace({ from: Date.now() - 3_600_000 })) file.write(`${JSON.stringify(line)}\n`);
   */
  trace(filter: TraceFilter = {}): AsyncGenerator<TraceHeader | TraceTask, void, undefined> {
    return traceOf(this.directory, this.switchboard, filter);
  }

  /** How many shards the yard has. */
  get shardCount(): number {
    return this.switchboard.engine.shards;
  }

  /** All queues with their settings and counts, by name. */
  queues(): Promise<QueueStatus[]> {
    return this.directory.queues();
  }

  /** What dispatchers have counted since they took their shards over: ends, waits, durations, backlog, by queue. */
  stats(): Promise<YardStats> {
    return this.directory.stats();
  }

  /** How far this machine's clock is ahead of that of each shard's dispatcher, for which tasks are due. */
  clocks(): Promise<ClockReport[]> {
    return this.directory.clocks();
  }

  /**
   * What goes on at the moment: attempts that ended since `since` (the mark of the answer before), those that run, and
   * why what waits at the heads of lines waits. At most `limit` (300) of each a shard; costs the same however much waits.
   */
  async activity(options: { since?: ActivityMark; limit?: number } = {}): Promise<YardActivity> {
    const { since = {}, limit = 300 } = optionsOf("activity", options);
    return this.directory.activity(optionsOf("activity since", since), checkLimit(limit));
  }

  /** All workers that a dispatcher knows, by id. */
  workers(): Promise<WorkerStatus[]> {
    return this.directory.workers();
  }

  /** Starts no more tasks of a queue; those that run go on. Resolves when it is recorded. */
  pause(queue: string): Promise<void> {
    return this.directory.setPaused(queue, true);
  }

  /** Starts tasks of a paused queue again. Resolves when it is recorded. */
  resume(queue: string): Promise<void> {
    return this.directory.setPaused(queue, false);
  }

  /** Gives queues the settings of their declarations; whether they are paused stays. */
  apply(queues: readonly QueueDefinition[]): Promise<void> {
    return this.directory.apply(queues);
  }

  /**
   * Changes some of a queue's settings while it runs; the others, and whether it is paused, stay. A limit is taken away
   * by `null`. Of a queue that is spread over shards, limits count in each. Throws INVALID_NAME or INVALID_OPTIONS.
   *
   * @example
   * await yard.configure("mail", { concurrency: 20, rate: { limit: 100, perMs: 1_000 } });
   */
  configure(queue: string, changes: QueueChanges): Promise<QueueStatus> {
    return this.directory.configure(queue, changes);
  }

  /** The tasks that a worker has, assigned or running. Throws INVALID_NAME where nobody knows it. */
  active(worker: string): Promise<TaskStatus[]> {
    return this.directory.active(worker);
  }

  /**
   * Tells a worker to take no more and to end when it is done; with `withinMs`, what still runs then is aborted, and the
   * worker ends. Throws INVALID_NAME where nobody knows it.
   */
  async drain(worker: string, options: { readonly withinMs?: number } = {}): Promise<void> {
    return this.directory.drain(worker, optionsOf("drain", options).withinMs);
  }

  /**
   * Tells a worker how many attempts to run at a time from now on: up to 1,000, or as many as it was started with. What
   * runs goes on, and threads of isolated handlers stay as many as they are. Throws INVALID_NAME or INVALID_OPTIONS.
   */
  setSlots(worker: string, slots: number): Promise<void> {
    return this.directory.setSlots(worker, slots);
  }

  /**
   * Waits for the broker to have what was submitted, then stops. Whatever still waits rejects with CLOSED; tasks go on.
   * Settles within `timeoutMs` (default 5,000) whatever the engine does; throws TIMED_OUT_CLOSING if that cut it short.
   */
  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    try {
      const { timeoutMs = CLOSE_MS } = optionsOf("close", options);
      checkDelay(timeoutMs, "timeoutMs");
      this.closing ??= this.shut(timeoutMs);
      return this.closing;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Only a deadline is worth a look at the clock. */
  private nowFor(options: SubmitOptions | undefined): number {
    return options?.deadline === undefined ? 0 : this.host.now();
  }

  private post(drafted: Draft, task: AnyTask, options: SubmitOptions | undefined): Promise<TaskHandle> {
    return traced(this.tracing, drafted, (draft) => this.place(draft, task, options));
  }

  private place(drafted: Draft, task: AnyTask, options: SubmitOptions | undefined): Promise<TaskHandle> {
    if (drafted.links !== undefined) this.checkPlace(drafted, task);
    if (options?.tx !== undefined) return this.switchboard.sendInside(drafted, task, options.tx);
    const foreign = foreignIds(options?.after);
    if (foreign.length === 0) return this.switchboard.send(drafted, task);
    return checkKnown(this.switchboard, foreign).then(() => this.switchboard.send(drafted, task));
  }

  private checkPlace(drafted: Draft, task: AnyTask): void {
    const { shards } = this.switchboard.engine;
    checkHome(drafted, task, shardOfDraft(drafted, shards), shards);
  }

  /** What closing means, once. */
  protected async shut(timeoutMs: number): Promise<void> {
    const closed = clientClosed();
    const until = this.host.monotonic() + timeoutMs;
    this.switchboard.refuseMore(closed);
    const isSent = await endedWithin(this.host, timeoutMs, this.switchboard.idle());
    const leftMs = Math.max(0, until - this.host.monotonic());
    const isGone = await endedWithin(this.host, leftMs, this.switchboard.close(closed));
    if (!isSent) throw timedOut("submissions that the broker had not confirmed were given up");
    if (!isGone) throw timedOut("the engine did not answer; the mailbox is swept later");
  }
}

function checkId(id: TaskId): void {
  if (typeof id === "string" && isTaskId(id)) return;
  throw new YardmasterError("INVALID_OPTIONS", `id must be a task id, not ${quoted(id)}.`, {
    details: { field: "id" },
  });
}

function timedOut(what: string): YardmasterError {
  return new YardmasterError("TIMED_OUT_CLOSING", `Closing took longer than allowed: ${what}.`);
}
