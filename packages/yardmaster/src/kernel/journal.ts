import type { ByteString } from "../protocol/bytes.ts";
import { type Change, type KeyRecord, keyOf } from "../protocol/change.ts";
import { INLINE_BYTES, type Millis, type TaskId, type TaskRecord } from "../protocol/task.ts";
import type { TurnoverMap } from "../protocol/turnover-map.ts";
import type { Catalogue } from "./catalogue.ts";
import { GRAPH_ROW, graphText } from "./graph-rows.ts";
import type { Graph, LiveTask, Mark, Pace, Queue, Skill } from "./live.ts";
import { SCHEDULE_STATE_ROW, type Schedule, stateText } from "./schedule.ts";
import { detailsOf, payloadBytesOf, recordOf } from "./task-record.ts";

/** The kinds of side rows that say when a rate would be on time: of a definition and key, and of a queue. */
export const RATE_ROW = "rate";
export const QUEUE_RATE_ROW = "queue-rate";
/** What tasks of a definition and version are expected to take. */
export const DURATION_ROW = "duration";

/** Collects the changes of a tick: at most one for each task, whatever happens to it. */
export class Journal {
  /** Tasks in memory, and those that have ended in this tick. */
  readonly tasks: TurnoverMap<TaskId, LiveTask>;
  readonly #catalogue: Catalogue;
  #touched: LiveTask[] = [];
  #changes: Change[] = [];
  readonly #queues = new Set<Queue>();
  /** Rows of this tick that are of no task in memory. */
  readonly #rows = new Map<TaskId, TaskRecord>();
  /** Rates that were used, and those that are full again. */
  readonly #paces = new Set<Pace>();
  readonly #idlePaces = new Set<Pace>();
  /** Schedules whose ticks have moved, and other side rows by kind and key. */
  readonly #schedules = new Set<Schedule>();
  readonly #graphs = new Set<Graph>();
  readonly #sides = new Map<string, Change>();
  readonly #tombstones = new Map<TaskId, Millis>();
  /** Keys of this tick and of the one before, whose commit a look-up may not have seen. */
  #keys = new Map<string, KeyRecord>();
  #olderKeys = new Map<string, KeyRecord>();
  /** Rows since the last sweep that a sweep will have to delete some day. */
  mortals = 0;

  constructor(tasks: TurnoverMap<TaskId, LiveTask>, catalogue: Catalogue) {
    this.tasks = tasks;
    this.#catalogue = catalogue;
  }

  get touched(): readonly LiveTask[] {
    return this.#touched;
  }

  /** What is to be written for a task that the store does not know, or not as unfinished. */
  begin(task: LiveTask, mark: Mark): void {
    task.mark = mark;
    this.#touched.push(task);
  }

  changed(task: LiveTask): void {
    if (task.mark === "clean") this.begin(task, "update");
  }

  /** A task has ended: nothing about it changes after this. */
  ended(task: LiveTask, result: ByteString | null, keepUntil: Millis, now: Millis): void {
    const { mark } = task;
    const record = recordOf(task, now);
    const payload = task.payload ?? "";
    this.#catalogue.add(record, keepUntil);
    if (mark === "insert" || mark === "park") {
      this.#changes.push({ type: "insert", task: record, payload, parked: false, result, keepUntil });
    } else if (mark === "adopt") {
      this.#changes.push({ type: "adopt", task: record, payload, keepUntil });
    } else {
      this.#changes.push({ type: "finish", task: record, payload: task.payload, result, keepUntil });
    }
    task.mark = "done";
    this.mortals++;
    if (mark === "clean") this.#touched.push(task);
  }

  /** Deletes what was kept until `before`: `least` rows, or more than have come to be kept since the last sweep. */
  sweep(before: Millis, least: number): void {
    this.#changes.push({ type: "sweep", before, limit: Math.max(least, 2 * this.mortals) });
    this.mortals = 0;
  }

  key(key: KeyRecord): void {
    this.mortals++;
    this.#keys.set(keyOf(key.name, key.key), key);
    this.#changes.push({ type: "key", key });
  }

  recentKey(name: string, key: string): KeyRecord | null {
    const joined = keyOf(name, key);
    return this.#keys.get(joined) ?? this.#olderKeys.get(joined) ?? null;
  }

  /** The row of an id that only stands for another task. */
  alias(record: TaskRecord, keepUntil: Millis): void {
    this.mortals++;
    this.#rows.set(record.id, record);
    this.#changes.push({ type: "insert", task: record, payload: "", parked: false, result: null, keepUntil });
  }

  /** The end of a task that is not in memory. */
  finishStored(record: TaskRecord, keepUntil: Millis): void {
    this.mortals++;
    this.#rows.set(record.id, record);
    this.#catalogue.add(record, keepUntil);
    this.#changes.push({ type: "finish", task: record, payload: null, result: null, keepUntil });
  }

  /** What this tick has written about a task that is not in memory, which the store does not know yet. */
  row(id: TaskId): TaskRecord | null {
    return this.#rows.get(id) ?? null;
  }

  /** A start has used a rate. */
  pace(pace: Pace): void {
    this.#paces.add(pace);
  }

  /** A rate allows everything again, so that nothing about it need be known. */
  dropPace(pace: Pace): void {
    this.#idlePaces.add(pace);
  }

  /** What is expected of a definition has changed, or is forgotten. */
  duration({ name, version, expectedMs, known }: Skill, isForgotten: boolean): void {
    const value = isForgotten ? null : `${expectedMs} ${known}`;
    this.#changes.push({ type: "row", kind: DURATION_ROW, key: keyOf(name, String(version)), value });
  }

  scheduleMoved(schedule: Schedule): void {
    this.#schedules.add(schedule);
  }

  scheduleGone(schedule: Schedule): void {
    this.#schedules.delete(schedule);
    this.side(SCHEDULE_STATE_ROW, schedule.record.name, null);
  }

  graphMoved(graph: Graph): void {
    this.#graphs.add(graph);
  }

  graphGone(graph: Graph): void {
    this.#graphs.delete(graph);
    this.side(GRAPH_ROW, graph.id, null);
  }

  /** A side row as it is at the end of the tick. */
  side(kind: string, key: string, value: ByteString | null): void {
    this.#sides.set(keyOf(kind, key), { type: "row", kind, key, value });
  }

  queue(queue: Queue): void {
    this.#queues.add(queue);
  }

  tombstone(id: TaskId, keepUntil: Millis): void {
    this.mortals++;
    this.#tombstones.set(id, keepUntil);
  }

  /** True when the tombstone was of this tick, so that the store has never seen it. */
  dropTombstone(id: TaskId): boolean {
    return this.#tombstones.delete(id);
  }

  /** All changes since the last call. Tasks that have ended or are parked leave memory. */
  take(): Change[] {
    for (const task of this.#touched) this.#write(task);
    for (const [id, keepUntil] of this.#tombstones) this.#changes.push({ type: "tombstone", id, keepUntil });
    for (const queue of this.#queues) this.#changes.push({ type: "queue", queue: queue.record });
    for (const pace of this.#idlePaces) if (!this.#paces.has(pace)) this.#changes.push(rowOf(pace, null));
    for (const pace of this.#paces) this.#changes.push(rowOf(pace, String(pace.nextAt)));
    for (const schedule of this.#schedules)
      this.side(SCHEDULE_STATE_ROW, schedule.record.name, stateText(schedule));
    for (const graph of this.#graphs) this.side(GRAPH_ROW, graph.id, graphText(graph));
    for (const change of this.#sides.values()) this.#changes.push(change);
    const changes = this.#changes;
    this.#changes = [];
    this.#touched = [];
    this.#rows.clear();
    this.#tombstones.clear();
    this.#queues.clear();
    this.#paces.clear();
    this.#idlePaces.clear();
    this.#schedules.clear();
    this.#graphs.clear();
    this.#sides.clear();
    this.#olderKeys = this.#keys;
    if (this.#keys.size > 0) this.#keys = new Map();
    return changes;
  }

  #write(task: LiveTask): void {
    const { mark } = task;
    if (mark === "done") {
      letGo(this.tasks, task);
      return;
    }
    if (mark === "update") {
      this.#changes.push({ type: "update", task: recordOf(task, 0), payload: task.payload });
    } else {
      const parked = mark === "park";
      const payload = task.payload ?? "";
      const record = recordOf(task, 0);
      if (parked) this.#catalogue.add(record, 0);
      this.#changes.push({
        type: "insert",
        task: record,
        payload,
        parked,
        result: null,
        keepUntil: 0,
      });
      if (parked) letGo(this.tasks, task);
      else dropLargePayload(task);
    }
    task.mark = "clean";
  }
}

function rowOf({ name, key, queue }: Pace, value: string | null): Change {
  return queue === null
    ? { type: "row", kind: RATE_ROW, key: keyOf(name, key), value }
    : { type: "row", kind: QUEUE_RATE_ROW, key: name, value };
}

/** Its payload goes at once: the order of live tasks holds on to the task itself for a while. */
function letGo(tasks: TurnoverMap<TaskId, LiveTask>, task: LiveTask): void {
  tasks.delete(task.id);
  task.payload = null;
}

function dropLargePayload(task: LiveTask): void {
  if (task.payload === null || task.payload.length <= INLINE_BYTES) return;
  detailsOf(task).payloadBytes = payloadBytesOf(task);
  task.payload = null;
}
