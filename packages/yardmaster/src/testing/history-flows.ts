import { shardOf } from "../protocol/ids.ts";
import { tickOf } from "../protocol/schedule.ts";
import { isTerminal, type QueueRecord, type TaskId, type TaskRecord } from "../protocol/task.ts";
import type { Fact } from "./fact.ts";
import type { Report } from "./history-rules.ts";

type Overlap = Extract<Fact, { type: "scheduling" }>["overlap"];

/** Starts of one rate within one ownership: each with the time of its commit and that of the commit before. */
interface Starts {
  readonly epoch: number;
  readonly seen: { readonly after: number; readonly by: number }[];
}

/** So many of the latest starts are held against a rate. */
const REMEMBERED_STARTS = 64;

/** Rules about tasks beside one another, from their records: order, rates, queues' limits, schedules, replacement. */
export class FlowHistory {
  readonly #report: Report;
  /** By shard and name: each shard has the settings that it was told of. */
  readonly #queues = new Map<string, QueueRecord>();
  /** By shard and queue. */
  readonly #holders = new Map<string, Set<TaskId>>();
  /** By line: who waits for a first attempt, in the order in which they came, with the commit of that. */
  readonly #lines = new Map<string, Map<TaskId, number>>();
  readonly #rates = new Map<string, Starts>();
  readonly #overlaps = new Map<string, Overlap>();
  /** By schedule: the task of its last tick. */
  readonly #ticks = new Map<string, TaskId>();
  /** By definition and key: who waits for a first attempt. */
  readonly #replaceable = new Map<string, Set<TaskId>>();
  readonly #records: ReadonlyMap<TaskId, TaskRecord>;
  /** Who may have been overtaken in the present commit, with whoever has started before it. */
  readonly #overtaken = new Map<TaskId, TaskId>();
  readonly #clockSlackMs: number;
  #commit = 0;
  /** Of the present commit. */
  #shard = 0;
  #now = 0;
  readonly #lastCommitAt = new Map<number, number>();

  constructor(records: ReadonlyMap<TaskId, TaskRecord>, clockSlackMs: number, report: Report) {
    this.#records = records;
    this.#clockSlackMs = clockSlackMs;
    this.#report = report;
  }

  scheduling(name: string, overlap: Overlap): void {
    this.#overlaps.set(name, overlap);
  }

  /** One that was taken away knows nothing of its ticks when it is declared again. */
  unscheduled(name: string): void {
    this.#ticks.delete(name);
  }

  queue(queue: QueueRecord): void {
    this.#queues.set(this.#placeOf(queue.name), queue);
  }

  /** Whoever waited under an earlier owner, which may have had another order. */
  acquired(shard: number): void {
    for (const line of this.#lines.keys()) if (line.startsWith(`${shard} `)) this.#lines.delete(line);
  }

  /** Called before the records of a commit are set. */
  begin(shard: number, at: number): void {
    this.#commit++;
    this.#shard = shard;
    this.#now = at;
  }

  /** A record has come to be what it is; null for what it was before its first. */
  changed(before: TaskRecord | null, record: TaskRecord, parked: boolean): void {
    // A second attempt that goes on when the first has ended began before, and no commit told of it.
    const goesOn = record.spec.speculation !== undefined && before !== null && isHeld(before);
    const starts =
      isHeld(record) && !goesOn && (before === null || !isHeld(before) || before.attempt !== record.attempt);
    if (starts) this.#countStart(record);
    this.#keepOrder(before, record, parked, starts);
    this.#countHolders(record);
    this.#checkReplaceable(before, record);
    if (before === null) this.#checkOverlap(record);
  }

  /** Called once all records of a commit are set. */
  end(): void {
    this.#lastCommitAt.set(this.#shard, this.#now);
    for (const [place, holders] of this.#holders) {
      const { name = "", settings } = this.#queues.get(place) ?? {};
      const limit = settings?.concurrency ?? 0;
      if (limit > 0 && holders.size > limit)
        this.#report(
          "OVER_LIMIT",
          `${holders.size} tasks hold the concurrency of queue ${name}, which is ${limit}`,
        );
    }
    for (const [other, id] of this.#overtaken)
      if (this.#records.get(other)?.state === "ready")
        this.#report("OUT_OF_ORDER", `${id} started before ${other}, which came first and waits`);
    this.#overtaken.clear();
    for (const [key, waiting] of this.#replaceable)
      if (waiting.size > 1)
        this.#report("REPLACED_NOT", `${[...waiting].join(" and ")} wait with the key ${key}`);
  }

  #countHolders({ id, spec, ...record }: TaskRecord): void {
    const place = this.#placeOf(spec.queue);
    const limit = this.#queues.get(place)?.settings?.concurrency ?? 0;
    if (limit === 0) return;
    const holders = this.#holders.get(place) ?? new Set<TaskId>();
    this.#holders.set(place, holders);
    if (isHeld(record)) holders.add(id);
    else holders.delete(id);
  }

  /** In any stretch of t ms at most `burst` + `limit` × t / `perMs` starts, as far as commits tell the time of starts. */
  #countStart({ id, epoch, spec, terms }: TaskRecord): void {
    const rate = spec.limits?.rate ?? null;
    if (rate === null) return;
    const shard = shardOf(id);
    const name = `${shard} ${spec.name} ${terms?.rateKey ?? ""}`;
    const before = this.#rates.get(name);
    const starts = before?.epoch === epoch ? before : { epoch, seen: [] };
    this.#rates.set(name, starts);
    starts.seen.push({ after: this.#lastCommitAt.get(shard) ?? Number.NEGATIVE_INFINITY, by: this.#now });
    if (starts.seen.length > REMEMBERED_STARTS) starts.seen.shift();
    for (const [index, { after }] of starts.seen.entries()) {
      const count = starts.seen.length - index;
      const most =
        rate.burst + (rate.limit * (this.#now - after + RATE_SLACK_MS + this.#clockSlackMs)) / rate.perMs;
      if (count > most)
        return this.#report(
          "OVER_RATE",
          `${count} starts of ${spec.name} within ${(this.#now - after).toFixed(0)} ms are more than its rate allows`,
        );
    }
  }

  /** First come, first served among tasks of a definition that were ready at once, under one owner. */
  #keepOrder(before: TaskRecord | null, record: TaskRecord, parked: boolean, starts: boolean): void {
    const { id, spec, terms, state, attempt } = record;
    if (this.#queues.get(this.#placeOf(spec.queue))?.order !== "fifo") return;
    const name = `${shardOf(id)} ${spec.name} ${terms?.concurrencyKey ?? ""} ${terms?.rateKey ?? ""}`;
    const line = this.#lines.get(name) ?? new Map<TaskId, number>();
    this.#lines.set(name, line);
    const isPlain = !parked && record.links === undefined && spec.requirements === undefined;
    if (before === null && state === "ready" && attempt === 0 && isPlain) {
      line.set(id, this.#commit);
      return;
    }
    const cameAt = before === null && attempt === 1 && isPlain ? this.#commit : line.get(id);
    if (cameAt === undefined) return;
    line.delete(id);
    if (!starts) return;
    for (const [other, otherCame] of line) {
      if (otherCame >= cameAt) break;
      this.#overtaken.set(other, id);
    }
  }

  #placeOf(queue: string): string {
    return `${this.#shard} ${queue}`;
  }

  /** Of those that replace each other one waits, and what was replaced never ran. */
  #checkReplaceable(before: TaskRecord | null, record: TaskRecord): void {
    const { replace } = record.terms ?? {};
    if (replace === undefined || record.aliasOf !== "") return;
    const key = `${shardOf(record.id)} ${record.spec.name} ${replace.key}`;
    const waiting = this.#replaceable.get(key) ?? new Set<TaskId>();
    this.#replaceable.set(key, waiting);
    const waits = triedOf(record) === 0 && (record.state === "ready" || record.state === "scheduled");
    if (waits) waiting.add(record.id);
    else waiting.delete(record.id);
    if (record.code === "SUPERSEDED" && before !== null && triedOf(before) > 0 && !isHeld(before))
      this.#report("REPLACED_TRIED", `${record.id} was replaced after it had been tried`);
  }

  #checkOverlap(record: TaskRecord): void {
    const tick = tickOf(record);
    if (tick === null) return;
    const last = this.#ticks.get(tick.schedule);
    this.#ticks.set(tick.schedule, record.id);
    const overlap = this.#overlaps.get(tick.schedule) ?? "allow";
    if (last === undefined || last === record.id || overlap === "allow") return;
    const state = this.#records.get(last)?.state;
    if (state !== undefined && !isTerminal(state))
      this.#report("OVERLAPPED", `Schedule ${tick.schedule} made ${record.id} while ${last} is ${state}`);
  }
}

/** Decisions are made in whole milliseconds, by clocks that drift. */
const RATE_SLACK_MS = 2;

function isHeld({ state }: Pick<TaskRecord, "state">): boolean {
  return state === "assigned" || state === "running";
}

/** A number that was left out was no attempt. */
export function triedOf({ attempt, skipped }: TaskRecord): number {
  return attempt - (skipped ?? 0);
}
