import type { GraphSummary } from "../protocol/activity.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { isTaskId, shardOf } from "../protocol/ids.ts";
import type { TaskId, TaskRecord } from "../protocol/task.ts";
import type { Switchboard } from "./switchboard.ts";
import { isoTime, statusOfRecord, type TaskStatus } from "./task-status.ts";

/** A graph that has not ended. Times are ISO times. */
export interface GraphStatus extends Omit<GraphSummary, "openedAt"> {
  readonly openedAt: string | null;
}

/** A task, and which others it waits for or has waited for. */
export interface GraphNode extends TaskStatus {
  /** At most `limit` of them. */
  readonly after: readonly TaskId[];
}

/** A graph, or what hangs together with a task. */
export interface GraphPicture {
  /** Null for what has ended, and for tasks outside graphs. */
  readonly graph: GraphStatus | null;
  /** As the store has them: what was given out a moment ago may still be `ready`. */
  readonly nodes: readonly GraphNode[];
  /** There are more. */
  readonly isCut: boolean;
}

const ANSWER_MS = 10_000;
const DEFAULT_LIMIT = 300;
const MAX_LIMIT = 1_000;
/** One read of the store asks for so many. */
const MAX_READ = 200;

/** The graphs of a yard, for those who look at them. */
export class Graphs {
  private readonly switchboard: Switchboard;

  constructor(switchboard: Switchboard) {
    this.switchboard = switchboard;
  }

  /** Those that have not ended, the latest first; `limit` is 1 to 1,000, default 300, for each shard. */
  async list(options: { readonly limit?: number } = {}): Promise<GraphStatus[]> {
    const limit = checkLimit(options.limit);
    const shards = Array.from({ length: this.switchboard.engine.shards }, (_, shard) => shard);
    const asked = shards.map((shard) =>
      this.switchboard.requests.ask(
        shard,
        "query graphs",
        (request) => ({ type: "query", request, query: { type: "graphs", limit } }),
        ANSWER_MS,
      ),
    );
    // The answers to a question of ours from dispatchers of this yard.
    const found = (await Promise.all(asked)) as GraphSummary[][];
    return found
      .flat()
      .sort((a, b) => b.openedAt - a.openedAt)
      .slice(0, limit)
      .map(shownGraph);
  }

  /**
   * What hangs together with a task, or a graph by its own id: what it waits for and has waited for, and what waits for
   * it and has not ended. Null where nothing of that id is known; `limit` is 1 to 1,000 tasks, default 300.
   */
  async get(id: TaskId, options: { readonly limit?: number } = {}): Promise<GraphPicture | null> {
    const limit = checkLimit(options.limit);
    if (!isTaskId(id) || !this.switchboard.hasShardOf(id)) return null;
    const live = await this.switchboard.requests.ask(
      shardOf(id),
      "query graph",
      (request) => ({ type: "query", request, query: { type: "graph", id, limit } }),
      ANSWER_MS,
    );
    // As in `list`.
    const { graph, ids } = live as { graph: GraphSummary | null; ids: readonly TaskId[] };
    const { records, isCut } = await this.behind([id, ...ids], limit);
    if (graph === null && records.length === 0) return null;
    return {
      graph: graph === null ? null : shownGraph(graph),
      nodes: records.map((record) => ({
        ...statusOfRecord(record),
        after: record.links?.after.slice(0, limit) ?? [],
      })),
      isCut,
    };
  }

  /** The records of these tasks and of all that they waited for, in steps. */
  private async behind(
    ids: readonly TaskId[],
    limit: number,
  ): Promise<{ readonly records: TaskRecord[]; readonly isCut: boolean }> {
    const { store } = this.switchboard.engine;
    const records: TaskRecord[] = [];
    const seen = new Set(ids);
    const left = [...seen];
    while (left.length > 0 && records.length < limit) {
      const some = left.splice(0, Math.min(MAX_READ, limit - records.length));
      const { tasks } = await store.read({ ids: some });
      for (const { task } of tasks.values()) {
        records.push(task);
        for (const one of task.links?.after ?? []) {
          if (seen.size > limit) break;
          if (!seen.has(one)) left.push(one);
          seen.add(one);
        }
      }
    }
    return { records, isCut: left.length > 0 || seen.size > limit };
  }
}

function shownGraph(graph: GraphSummary): GraphStatus {
  return { ...graph, openedAt: isoTime(graph.openedAt) };
}

function checkLimit(limit: number = DEFAULT_LIMIT): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT) return limit;
  throw new YardmasterError(
    "INVALID_OPTIONS",
    `limit must be a whole number from 1 to ${MAX_LIMIT}, not ${String(limit)}.`,
    { details: { field: "limit" } },
  );
}
