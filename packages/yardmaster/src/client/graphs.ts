import { optionsOf } from "../definition/options.ts";
import { isCode, YardmasterError } from "../protocol/errors.ts";
import { idAfter, isTaskId, placeAfter, shardOf } from "../protocol/ids.ts";
import { quoted } from "../protocol/quotation.ts";
import { isTerminal, MAX_GRAPH_TASKS, type TaskId, type TaskRecord } from "../protocol/task.ts";
import { checkLimit } from "./limit.ts";
import type { Switchboard } from "./switchboard.ts";
import { isoTime, type LiveTask, statusOfLive, statusOfRecord, type TaskStatus } from "./task-status.ts";

const ANSWER_MS = 10_000;
/** The store has an answer that is only a little older. */
const FRESHER_ANSWER_MS = 2_000;
const READ_TASKS = 200;
/** The most arrows in one answer: a join of many tasks has as many. */
const MAX_ARROWS = 10_000;

/** A graph without its tasks. */
export interface GraphSummary {
  readonly id: TaskId;
  /** Not all of its tasks have arrived; some have not ended; all have ended. */
  readonly state: "incomplete" | "open" | "ended";
  /** It was cancelled as a whole, or stayed incomplete for too long. */
  readonly cancelled: boolean;
  /** How many tasks it has in all, and how many of them have arrived and ended. */
  readonly members: number;
  readonly arrived: number;
  readonly ended: number;
  /** How many have ended in another way than by success; null where that is not known any more without reading them all. */
  readonly failed: number | null;
  /** ISO time at which the first of its tasks arrived; null where that is not known any more. */
  readonly openedAt: string | null;
}

/** A task of a graph as it stands. */
export interface GraphTask extends TaskStatus {
  /** Its place in the graph: behind those that it waits for. */
  readonly place: number;
  /** The places of those that it waits or waited for; cut where there are very many. */
  readonly after: readonly number[];
  /** How many those are in all. */
  readonly waitsFor: number;
}

/** A graph with a part of its tasks. */
export interface GraphStatus extends GraphSummary {
  readonly tasks: readonly GraphTask[];
  /** Pass it on as `from` for the next tasks; null after the last. */
  readonly next: number | null;
}

/** Which tasks of a graph `get` shows. */
export interface GraphPage {
  /** The place to start at; default 0. */
  readonly from?: number;
  /** 1 to 1,000; default 100. */
  readonly limit?: number;
}

/** What a dispatcher tells of a graph. */
type LiveGraph = Pick<GraphSummary, "id" | "members" | "arrived" | "ended"> & {
  readonly failed: number;
  readonly openedAt: number;
  readonly closed: boolean;
  readonly tasks: readonly LiveTask[];
};

/** The graphs of a yard. The ids of a graph's tasks follow its own, so that it is found without an index. */
export class Graphs {
  private readonly switchboard: Switchboard;

  constructor(switchboard: Switchboard) {
    this.switchboard = switchboard;
  }

  /** The newest open graphs, and the last that have ended since their dispatcher took over. `limit` is 1 to 1,000, default 100. */
  async list(options: { readonly limit?: number } = {}): Promise<GraphSummary[]> {
    const most = checkLimit(optionsOf("graphs", options).limit);
    const shards = Array.from({ length: this.switchboard.engine.shards }, (_, shard) => shard);
    const found = await Promise.all(
      shards.map((shard) => this.ask<LiveGraph[]>(shard, { type: "graphs", limit: most }, ANSWER_MS)),
    );
    const newest = found.flat().sort((a, b) => (a.id < b.id ? 1 : -1));
    return newest.slice(0, most).map(summaryOf);
  }

  /**
   * A graph by its own id or that of one of its tasks, with tasks from a place on; null when nobody knows it, any more.
   * Where no dispatcher answers, it is shown as the store has it.
   */
  async get(id: TaskId, page: GraphPage = {}): Promise<GraphStatus | null> {
    const limit = checkLimit(optionsOf("graph", page).limit);
    const from = checkPlace(page.from);
    const graph = await this.graphOf(id);
    if (graph === null) return null;
    const live = await this.liveGraph(graph, from, limit);
    const members = live?.members ?? (await this.records([idAfter(graph, 1)]))[0]?.links?.members ?? 0;
    if (members === 0) return null;
    const until = Math.min(from + limit, members);
    const places = Array.from({ length: Math.max(0, until - from) }, (_, index) => from + index);
    // After the dispatcher was asked: what has ended since then is shown as it ended.
    const records = await this.records(places.map((place) => idAfter(graph, place + 1)));
    const tasks = tasksOf(graph, records, live?.tasks ?? []);
    const next = until < members ? until : null;
    const isWhole = from === 0 && next === null;
    return {
      ...(live === null ? summaryOfTasks(graph, members, tasks, isWhole) : summaryOf(live)),
      tasks,
      next,
    };
  }

  /** Ends what has not ended of a graph. Resolves when none of its tasks can start any more. Throws TASK_NOT_FOUND. */
  async cancel(id: TaskId, reason = ""): Promise<void> {
    const graph = await this.get(id, { limit: 1 });
    if (graph === null) throw unknownGraph(id);
    if (graph.state !== "ended") await this.switchboard.cancel(graph.id, reason);
  }

  /** The graph that is meant by an id, which may be that of one of its tasks; null where it is that of another task. */
  private async graphOf(id: TaskId): Promise<TaskId | null> {
    this.switchboard.throwIfClosed();
    if (!isTaskId(id) || !this.switchboard.hasShardOf(id)) return null;
    const record = await this.switchboard.record(id);
    if (record === null) return id;
    const graph = record.links?.graph ?? "";
    return graph === "" ? null : graph;
  }

  private async liveGraph(id: TaskId, from: number, limit: number): Promise<LiveGraph | null> {
    try {
      return await this.ask<LiveGraph | null>(
        shardOf(id),
        { type: "graph", id, from, limit },
        FRESHER_ANSWER_MS,
      );
    } catch (error) {
      if (!isCode(error, "BROKER_UNAVAILABLE")) throw error;
      return null;
    }
  }

  private async records(ids: readonly TaskId[]): Promise<TaskRecord[]> {
    const records: TaskRecord[] = [];
    for (let start = 0; start < ids.length; start += READ_TASKS) {
      const some = ids.slice(start, start + READ_TASKS);
      const { tasks } = await this.switchboard.engine.store.read({ ids: some });
      for (const id of some) {
        const stored = tasks.get(id);
        if (stored !== undefined) records.push(stored.task);
      }
    }
    return records;
  }

  private async ask<T>(
    shard: number,
    query: { type: "graph"; id: TaskId; from: number; limit: number } | { type: "graphs"; limit: number },
    timeoutMs: number,
  ): Promise<T> {
    const build = (request: number) => ({ type: "query" as const, request, query });
    // The answer to a question of ours from a dispatcher of this yard; frames of other versions are refused.
    return (await this.switchboard.requests.ask(shard, `query ${query.type}`, build, timeoutMs)) as T;
  }
}

export function unknownGraph(id: TaskId): YardmasterError {
  const message = `No graph ${quoted(id)} is known (any more), and no task of that id that belongs to one.`;
  return new YardmasterError("TASK_NOT_FOUND", message, { details: { id } });
}

function tasksOf(graph: TaskId, records: readonly TaskRecord[], live: readonly LiveTask[]): GraphTask[] {
  const byId = new Map(live.map((task) => [task.id, task]));
  let left = MAX_ARROWS;
  return records.flatMap((record) => {
    // Another task may have an id that looks like one of the graph's.
    if (record.links?.graph !== graph) return [];
    const fresher = isTerminal(record.state) ? undefined : byId.get(record.id);
    const status = fresher === undefined ? statusOfRecord(record) : statusOfLive(fresher);
    const places = record.links.after.slice(0, left).map((id) => (placeAfter(graph, id) ?? 0) - 1);
    const after = places.filter((place) => place >= 0);
    left -= after.length;
    const place = (placeAfter(graph, record.id) ?? 0) - 1;
    return [{ ...status, place, after, waitsFor: record.links.after.length }];
  });
}

function summaryOf({ id, members, arrived, ended, failed, openedAt, closed }: LiveGraph): GraphSummary {
  const isOver = ended === members || (closed && ended === arrived);
  const state = isOver ? "ended" : arrived < members ? "incomplete" : "open";
  return { id, state, cancelled: closed, members, arrived, ended, failed, openedAt: isoTime(openedAt) };
}

/** Its dispatcher has forgotten it, as it has ended, or does not answer: what its tasks say counts. */
function summaryOfTasks(
  id: TaskId,
  members: number,
  tasks: readonly GraphTask[],
  isWhole: boolean,
): GraphSummary {
  const ended = tasks.filter(({ state }) => isTerminal(state));
  const failed = ended.filter(({ state }) => state !== "succeeded").length;
  const isOver = ended.length === tasks.length;
  return {
    id,
    state: isOver ? "ended" : "open",
    cancelled: tasks.some(({ code }) => code === "GRAPH_INCOMPLETE"),
    members,
    arrived: members,
    ended: isOver ? members : ended.length,
    failed: isWhole ? failed : null,
    openedAt: null,
  };
}

function checkPlace(from = 0): number {
  if (Number.isInteger(from) && from >= 0 && from <= MAX_GRAPH_TASKS) return from;
  throw new YardmasterError(
    "INVALID_OPTIONS",
    `from must be a whole number from 0 to ${MAX_GRAPH_TASKS}, not ${quoted(from)}.`,
    { details: { field: "from" } },
  );
}
