import { optionCheck } from "../definition/options.ts";
import { type QueueDefinition, queueRecordOf } from "../definition/queue.ts";
import type { EndedAttempt, RunningAttempt, ShardActivity, WaitingHead } from "../protocol/activity.ts";
import { checkDelay, checkName } from "../protocol/check.ts";
import type { Command, Query, WorkerOrder } from "../protocol/envelope.ts";
import { isCode, YardmasterError } from "../protocol/errors.ts";
import { type Explanation, explainRecord, explainSilence } from "../protocol/explanation.ts";
import { shardOf } from "../protocol/ids.ts";
import { shardOfQueue } from "../protocol/shards.ts";
import { addStats, type QueueStats, type ShardStats } from "../protocol/stats.ts";
import { type Chapter, storyOf } from "../protocol/story.ts";
import {
  isTerminal,
  type QueueRecord,
  STATES,
  type State,
  type TaskId,
  type TaskRecord,
} from "../protocol/task.ts";
import { Archive } from "./archive.ts";
import { checkFilter, type ListFilter, type TaskFilter, type TaskPage } from "./filters.ts";
import { idsOfKey } from "./keyed-tasks.ts";
import { checkLimit } from "./limit.ts";
import { changed, type QueueChanges } from "./queue-changes.ts";
import { scopedKey } from "./submission.ts";
import type { Switchboard } from "./switchboard.ts";
import {
  isoTime,
  type LiveTask,
  shownChapter,
  statusOfLive,
  statusOfRecord,
  type TaskChapter,
  type TaskStatus,
} from "./task-status.ts";

/** How long a question waits for a dispatcher. */
const ANSWER_MS = 10_000;
/** Shorter where the store has an answer that is only a little older. */
const FRESHER_ANSWER_MS = 2_000;
const WAITING_STATES: readonly State[] = STATES.filter((state) => !isTerminal(state));
const MAX_LIVE_SLOTS = 10_000;

/** A queue's settings and how many tasks it has. */
export interface QueueStatus extends QueueRecord {
  /** Waiting for their time or for their next attempt. */
  readonly scheduled: number;
  /** Waiting for other tasks, or for the rest of their graph. */
  readonly blocked: number;
  /** Waiting for a worker. */
  readonly ready: number;
  /** Assigned or running. */
  readonly active: number;
  /** Waiting in the store, because the dispatcher's memory is full. */
  readonly parked: number;
}

/** A worker as its dispatchers see it. */
export interface WorkerStatus {
  readonly id: string;
  /** The most unfinished tasks that it takes. */
  readonly credit: number;
  readonly used: number;
  readonly draining: boolean;
  /** False between a takeover and the worker's registration. */
  readonly registered: boolean;
  /** ISO time. */
  readonly lastHeardAt: string | null;
  readonly labels: Readonly<Record<string, string>>;
  /** What it offers, and how much of that is in use. */
  readonly resources: Readonly<Record<string, number>>;
  readonly resourcesUsed: Readonly<Record<string, number>>;
  /** `name@version` of each task that it handles. */
  readonly tasks: readonly string[];
}

/** What dispatchers have counted, by queue, each since it took its shards over; and how full the workers are. */
export interface YardStats {
  readonly queues: readonly QueueStats[];
  /** How many attempts run at a time at most, and how many do. */
  readonly slots: number;
  readonly used: number;
  /**
   * How many commits of the dispatchers at work were refused since they started, as the store had a later owner of the
   * shard: a dispatcher that was frozen or cut off came back too late, and wrote nothing.
   */
  readonly fencedCommits: number;
}

/** How far `activity` has told of each shard: pass it on. */
export type ActivityMark = Readonly<
  Record<number, { readonly epoch: number; readonly ended: number } | undefined>
>;

/** What goes on in the yard. Times are milliseconds since the Unix epoch, by the dispatchers' clocks. */
export interface YardActivity {
  readonly at: number;
  /** The latest attempts that ended since `since`, oldest first: of a busy yard a sample. */
  readonly ends: readonly EndedAttempt[];
  /** How many ended since then in all. */
  readonly ended: number;
  readonly running: readonly RunningAttempt[];
  /** The tasks at the heads of lines, and why they are still there. */
  readonly heads: readonly WaitingHead[];
  readonly mark: ActivityMark;
}

type LiveWorker = Omit<WorkerStatus, "lastHeardAt"> & { readonly lastHeardAt: number };

/** How far this machine's wall clock is ahead of a dispatcher's. */
export interface ClockReport {
  readonly shard: number;
  /** Negative where it is behind. */
  readonly aheadMs: number;
  /** How far off that may be. */
  readonly withinMs: number;
}

/** Looks at tasks, queues and workers, and gives orders to dispatchers. */
export class Directory {
  private readonly switchboard: Switchboard;
  private readonly archive: Archive;

  constructor(switchboard: Switchboard) {
    this.switchboard = switchboard;
    this.archive = new Archive(switchboard);
  }

  status(id: TaskId): Promise<TaskStatus | null> {
    return this.look(id, "status", statusOfLive, statusOfRecord);
  }

  /** Where no dispatcher answers, that is why. */
  async explain(id: TaskId): Promise<Explanation | null> {
    try {
      return await this.look(id, "explain", (live: Explanation) => live, explainRecord, null);
    } catch (error) {
      if (!isCode(error, "BROKER_UNAVAILABLE")) throw error;
      const record = await this.switchboard.record(id);
      if (record !== null && isTerminal(record.state)) return explainRecord(record);
      const target = record?.id ?? id;
      return explainSilence(target, shardOf(target), record?.state ?? "submitted");
    }
  }

  async story(id: TaskId): Promise<TaskChapter[] | null> {
    const story = await this.look(id, "story", (live: readonly Chapter[]) => live, storyOf);
    return story?.map(shownChapter) ?? null;
  }

  /**
   * The store knows what has ended; only the owner knows exactly where the rest is. `late` is what to make of a record
   * whose owner does not answer; null where only the owner's word will do.
   */
  private async look<Live, T>(
    id: TaskId,
    type: "status" | "explain" | "story",
    fromLive: (live: Live) => T,
    fromRecord: (record: TaskRecord) => T,
    late: ((record: TaskRecord) => T) | null = fromRecord,
  ): Promise<T | null> {
    const record = await this.switchboard.record(id);
    if (record !== null && isTerminal(record.state)) return fromRecord(record);
    const target = record?.id ?? id;
    if (!this.switchboard.hasShardOf(target)) return null;
    try {
      const timeoutMs = record === null ? ANSWER_MS : FRESHER_ANSWER_MS;
      const live = await this.ask<Live | null>(shardOf(target), { type, id: target }, timeoutMs);
      if (live !== null) return fromLive(live);
    } catch (error) {
      if (record === null || late === null || !isCode(error, "BROKER_UNAVAILABLE")) throw error;
      return late(record);
    }
    // It ended or was parked between the two looks; or the question had overtaken its submission.
    const later = await this.switchboard.record(target);
    if (later !== null && record === null && !isTerminal(later.state))
      return this.look(id, type, fromLive, fromRecord, late);
    return later === null ? null : fromRecord(later);
  }

  /** Unfinished tasks first, oldest first; then those that ended, newest first. */
  async list(filter: ListFilter = {}): Promise<TaskStatus[]> {
    checkFilter(filter);
    if (filter.key !== undefined) return this.keyed(filter, filter.key);
    const { state, queue, name, after, unfinished = after !== undefined } = filter;
    const limit = checkLimit(filter.limit);
    const wanted = {
      ...(queue === undefined ? {} : { queue }),
      ...(name === undefined ? {} : { name }),
      limit,
    };
    const live =
      state !== undefined && isTerminal(state)
        ? []
        : await this.askAll<LiveTask[]>({
            type: "list",
            ...wanted,
            ...(state === undefined ? {} : { state }),
            ...(after === undefined ? {} : { after }),
          });
    const byId = new Map<TaskId, TaskStatus>();
    for (const task of live.flat()) byId.set(task.id, statusOfLive(task));
    if (after === undefined) {
      const states = state === undefined ? (unfinished ? WAITING_STATES : undefined) : [state];
      // What ended between the two looks is shown as it ended.
      for (const task of await this.archive.list({ ...wanted, ...(states === undefined ? {} : { states }) }))
        byId.set(task.id, task);
    }
    const shown = [...byId.values()].filter((task) => !unfinished || !isTerminal(task.state));
    return shown.sort(inListOrder).slice(0, limit);
  }

  /** Through the index that keeps submissions with the same key apart; nothing is searched. */
  private async keyed(filter: ListFilter, key: string): Promise<TaskStatus[]> {
    this.switchboard.throwIfClosed();
    const { name = "", queue, state, unfinished, routingKey } = filter;
    const { engine, host } = this.switchboard;
    const kept = routingKey === undefined ? key : scopedKey(key, routingKey);
    const ids = await idsOfKey(engine, host.now(), name, kept);
    // A key may be kept for longer than the record of its task.
    const tasks = (await Promise.all(ids.map((id) => this.status(id)))).filter((task) => task !== null);
    const fits = (task: TaskStatus): boolean =>
      (queue === undefined || task.queue === queue) &&
      (state === undefined || task.state === state) &&
      !(unfinished === true && isTerminal(task.state));
    return tasks.filter(fits).sort(inListOrder);
  }

  find(filter: TaskFilter = {}): Promise<TaskPage> {
    return this.archive.find(filter);
  }

  /** Workers declare their queues in every shard; what the shards say of one is added up. */
  async queues(): Promise<QueueStatus[]> {
    const byName = new Map<string, QueueStatus>();
    for (const [shard, queues] of (await this.askAll<QueueStatus[]>({ type: "queues" })).entries()) {
      for (const queue of queues) {
        const known = byName.get(queue.name);
        const isHome = shardOfQueue(queue.name, this.shards.length) === shard;
        if (known === undefined) byName.set(queue.name, queue);
        else byName.set(queue.name, isHome ? sum(queue, known) : sum(known, queue));
      }
    }
    return [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Of shards that share a queue, the numbers are added up. */
  async stats(): Promise<YardStats> {
    const shards = await this.askAll<ShardStats>({ type: "stats" });
    const byName = new Map<string, QueueStats>();
    for (const queue of shards.flatMap(({ queues }) => queues)) {
      const known = byName.get(queue.queue);
      byName.set(queue.queue, known === undefined ? queue : addStats(known, queue));
    }
    const slots = shards.reduce((sum, { credit }) => sum + credit, 0);
    return {
      queues: [...byName.values()].sort((a, b) => (a.queue < b.queue ? -1 : 1)),
      slots,
      used: shards.reduce((sum, { used }) => sum + used, 0),
      fencedCommits: shards.reduce((sum, { fencedCommits = 0 }) => sum + fencedCommits, 0),
    };
  }

  /** `limit` is for each shard. */
  async activity(since: ActivityMark, limit: number): Promise<YardActivity> {
    const shards = await Promise.all(
      this.shards.map((shard) =>
        this.ask<ShardActivity>(shard, { type: "activity", after: since[shard]?.ended ?? 0, limit }),
      ),
    );
    let ended = 0;
    const mark: Record<number, { epoch: number; ended: number }> = {};
    for (const [shard, one] of shards.entries()) {
      const last = since[shard];
      // A new owner counts anew.
      ended += last?.epoch === one.epoch ? one.ended - last.ended : one.ended;
      mark[shard] = { epoch: one.epoch, ended: one.ended };
    }
    return {
      at: Math.max(...shards.map(({ at }) => at)),
      ends: shards.flatMap(({ ends }) => ends).sort((a, b) => a.endedAt - b.endedAt),
      ended,
      running: shards.flatMap(({ running }) => running),
      heads: shards.flatMap(({ heads }) => heads),
      mark,
    };
  }

  async clocks(): Promise<ClockReport[]> {
    const { host } = this.switchboard;
    return Promise.all(
      this.shards.map(async (shard) => {
        const [askedAt, from] = [host.now(), host.monotonic()];
        const { at } = await this.ask<ShardStats>(shard, { type: "stats" });
        const tookMs = host.monotonic() - from;
        // The answer was made at some time in between, most likely in the middle.
        return { shard, aheadMs: Math.round(askedAt + tookMs / 2 - at), withinMs: Math.ceil(tookMs / 2) };
      }),
    );
  }

  /** A worker serves all shards; what they say of it is added up. */
  async workers(): Promise<WorkerStatus[]> {
    const byId = new Map<string, LiveWorker>();
    for (const worker of (await this.askAll<LiveWorker[]>({ type: "workers" })).flat()) {
      const known = byId.get(worker.id);
      byId.set(worker.id, known === undefined ? worker : together(known, worker));
    }
    const workers = [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    return workers.map((worker) => ({ ...worker, lastHeardAt: isoTime(worker.lastHeardAt) }));
  }

  async setPaused(queue: string, isPaused: boolean): Promise<void> {
    checkName(queue, "The queue's name", "queue");
    const command: Command = { type: isPaused ? "pause" : "resume", queue };
    await this.commandAll(command, `${command.type} ${queue}`);
  }

  async apply(queues: readonly QueueDefinition[]): Promise<void> {
    const isList = Array.isArray(queues) && queues.every((queue) => typeof queue?.name === "string");
    if (!isList) optionCheck("apply").refuse("queues", "an array of what defineQueue makes", queues);
    await this.commandAll({ type: "apply", queues: queues.map(queueRecordOf) }, "apply queues");
  }

  async drain(worker: string, withinMs: number | undefined): Promise<void> {
    if (withinMs !== undefined) checkDelay(withinMs, "withinMs");
    const within = withinMs === undefined ? {} : { withinMs };
    await this.orderWorker({ type: "drain", worker, ...within });
  }

  async setSlots(worker: string, slots: number): Promise<void> {
    optionCheck("setSlots").whole("slots", slots, { min: 1, max: MAX_LIVE_SLOTS, otherwise: 1 });
    await this.orderWorker({ type: "slots", worker, slots });
  }

  /** Every shard has attempts of its own with a worker. Throws INVALID_NAME where none knows it. */
  async active(worker: string): Promise<TaskStatus[]> {
    checkName(worker, "The worker's id", "worker");
    const shards = await this.askAll<LiveTask[] | null>({ type: "active", worker });
    if (shards.every((tasks) => tasks === null))
      throw new YardmasterError("INVALID_NAME", `There is no worker ${JSON.stringify(worker)}.`);
    return shards.flatMap((tasks) => tasks ?? []).map(statusOfLive);
  }

  /** The queue's settings with some of them changed; nobody else's change is lost but one of the same moment. */
  async configure(name: string, changes: QueueChanges): Promise<QueueStatus> {
    checkName(name, "The queue's name", "queue");
    const known = (await this.queues()).find((queue) => queue.name === name);
    if (known === undefined)
      throw new YardmasterError("INVALID_NAME", `There is no queue ${JSON.stringify(name)}.`);
    await this.commandAll({ type: "apply", queues: [changed(known, changes)] }, `configure ${name}`);
    return (await this.queues()).find((queue) => queue.name === name) ?? known;
  }

  /** Throws INVALID_NAME only when no shard knows the worker. */
  private async orderWorker(order: WorkerOrder): Promise<void> {
    checkName(order.worker, "The worker's id", "worker");
    const orders = this.shards.map((shard) => this.command(shard, order, `${order.type} ${order.worker}`));
    const results = await Promise.allSettled(orders);
    const failed = results.filter((result) => result.status === "rejected");
    const [first] = failed;
    if (failed.length === results.length && first !== undefined) throw first.reason;
  }

  private get shards(): number[] {
    return Array.from({ length: this.switchboard.engine.shards }, (_, shard) => shard);
  }

  /** Of a queue's name alone nobody knows whether it is spread over the shards: its settings are the same in all. */
  private async commandAll(command: Command, what: string): Promise<void> {
    await Promise.all(this.shards.map((shard) => this.command(shard, command, what)));
  }

  private command(shard: number, command: Command, what: string): Promise<unknown> {
    return this.switchboard.requests.ask(shard, what, (request) => ({ type: "command", request, command }));
  }

  private async ask<T>(shard: number, query: Query, timeoutMs: number = ANSWER_MS): Promise<T> {
    const value = await this.switchboard.requests.ask(
      shard,
      `query ${query.type}`,
      (request) => ({ type: "query", request, query }),
      timeoutMs,
    );
    // The answer to a question of ours from a dispatcher of this yard; frames of other versions are refused.
    return value as T;
  }

  private askAll<T>(query: Query): Promise<T[]> {
    return Promise.all(this.shards.map((shard) => this.ask<T>(shard, query)));
  }
}

function inListOrder(a: TaskStatus, b: TaskStatus): number {
  const ended = Number(isTerminal(a.state)) - Number(isTerminal(b.state));
  if (ended !== 0) return ended;
  const older = a.id < b.id ? -1 : 1;
  return isTerminal(a.state) ? -older : older;
}

/** One queue with the counts of both. */
function sum(a: QueueStatus, b: QueueStatus): QueueStatus {
  return {
    ...a,
    scheduled: a.scheduled + b.scheduled,
    blocked: a.blocked + b.blocked,
    ready: a.ready + b.ready,
    active: a.active + b.active,
    parked: a.parked + b.parked,
  };
}

function together(a: LiveWorker, b: LiveWorker): LiveWorker {
  return {
    ...a,
    credit: a.credit + b.credit,
    used: a.used + b.used,
    draining: a.draining || b.draining,
    registered: a.registered && b.registered,
    lastHeardAt: Math.max(a.lastHeardAt, b.lastHeardAt),
    resources: added(a.resources, b.resources),
    resourcesUsed: added(a.resourcesUsed, b.resourcesUsed),
  };
}

function added(
  a: Readonly<Record<string, number>>,
  b: Readonly<Record<string, number>>,
): Record<string, number> {
  const sums = new Map(Object.entries(a));
  for (const [name, amount] of Object.entries(b)) sums.set(name, (sums.get(name) ?? 0) + amount);
  return Object.fromEntries(sums);
}
