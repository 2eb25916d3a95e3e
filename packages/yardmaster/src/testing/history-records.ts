import type { Change } from "../protocol/change.ts";
import { shardOf } from "../protocol/ids.ts";
import { tickOf } from "../protocol/schedule.ts";
import { isTerminal, type TaskId, type TaskRecord, type TerminalState } from "../protocol/task.ts";
import type { Lease } from "../stores/store.ts";
import type { RunName } from "./fact.ts";
import { FlowHistory, triedOf } from "./history-flows.ts";
import type { Report } from "./history-rules.ts";

/** What is known of the yard whose history it is. */
export interface HistoryLimits {
  /** The most handlers at once in one worker process, and the most unfinished tasks that it may hold. */
  readonly slots: number;
  /** How far an owner's wall clock may jump, which rates go by; 0 by default. */
  readonly clockSlackMs?: number;
  /**
   * How old what the engine confirmed may be and still be lost when it starts again, by its own declaration (Redis with
   * `appendfsync everysec`: a second); 0 by default. Beyond 0 all commits are kept in memory.
   */
  readonly lossMs?: number;
}

/** The kind of side rows that know a task's second attempt. */
const SECOND_ROW = "second";

/** What the store should hold, from the commits that it accepted, and the rules that those must keep. */
export class RecordHistory {
  readonly #slots: number;
  readonly #report: Report;
  readonly #shards = new Map<number, Ownership>();
  readonly #records = new Map<TaskId, TaskRecord>();
  readonly #attempts = new Map<TaskId, number>();
  /** How many attempts of each task have come to an end that counts. */
  readonly #used = new Map<TaskId, number>();
  readonly #endedAt = new Map<TaskId, number>();
  readonly #tombstones = new Set<TaskId>();
  readonly #holders = new Map<string, Set<TaskId>>();
  /** By definition and concurrency key: the tasks that hold it, and how many may. */
  readonly #places = new Map<string, Places>();
  readonly #ticks = new Map<string, TaskId>();
  /** By shard and epoch: leases that were given back. */
  readonly #released = new Set<string>();
  /** By shard, epoch and number: commits that the store refused. */
  readonly #refused = new Set<string>();
  readonly flows: FlowHistory;
  #unfinished = 0;

  constructor({ slots, clockSlackMs = 0 }: HistoryLimits, report: Report) {
    this.#slots = slots;
    this.#report = report;
    this.flows = new FlowHistory(this.#records, clockSlackMs, report);
  }

  /** How many records are not terminal. */
  get unfinished(): number {
    return this.#unfinished;
  }

  get all(): ReadonlyMap<TaskId, TaskRecord> {
    return this.#records;
  }

  /** The highest attempt that was ever recorded; an older one's late success may be the last word. */
  attemptsOf(id: TaskId): number {
    return this.#attempts.get(id) ?? 0;
  }

  usedAttemptsOf(id: TaskId): number {
    return this.#used.get(id) ?? 0;
  }

  /** When its end was recorded, by the observer's clock; infinity while it was not. */
  endedAtOf(id: TaskId): number {
    return this.#endedAt.get(id) ?? Number.POSITIVE_INFINITY;
  }

  /** How a task ended, an alias as its first task; undefined while it did not. */
  terminalOf(id: TaskId): TerminalState | undefined {
    const record = this.#records.get(id);
    if (record === undefined) return undefined;
    if (record.aliasOf !== "" && record.aliasOf !== id) return this.terminalOf(record.aliasOf);
    return isTerminal(record.state) ? record.state : undefined;
  }

  *succeeded(): Generator<TaskId> {
    for (const { id, state, aliasOf } of this.#records.values())
      if (state === "succeeded" && aliasOf === "") yield id;
  }

  describe(id: TaskId): string {
    const record = this.#records.get(id);
    if (record === undefined) return this.#tombstones.has(id) ? "a tombstone" : "unknown";
    const alias =
      record.aliasOf === "" ? "" : `, alias of ${record.aliasOf} (${this.describe(record.aliasOf)})`;
    const cancel = record.cancelRequested ? ", cancel requested" : "";
    return `${record.state} (attempt ${record.attempt}, worker ${record.worker || "none"}${cancel}${alias})`;
  }

  acquired({ shard, epoch, owner }: Lease): void {
    const before = this.#shards.get(shard);
    if (before !== undefined && epoch <= before.epoch)
      this.#report("EPOCH_NOT_RISING", `${owner} acquired epoch ${epoch} after ${before.epoch}`);
    this.#shards.set(shard, { epoch, sequence: 0, changes: [] });
    this.flows.acquired(shard);
  }

  /** Nothing that its owner still has under way may count from now on. */
  released({ shard, epoch }: Lease): void {
    this.#released.add(`${shard} ${epoch}`);
  }

  refused({ shard, epoch }: Lease, sequence: number): void {
    this.#refused.add(`${shard} ${epoch} ${sequence}`);
  }

  /** A report that was answered counts, or came too late to. */
  answered({ id, attempt, epoch, process }: RunName & { readonly epoch: number }): string | null {
    const record = this.#records.get(id);
    if (record === undefined || !isHeld(record)) return null;
    if (record.attempt !== attempt || record.epoch !== epoch) return null;
    return `${process} was answered on attempt ${attempt} of ${id}, which is ${this.describe(id)}`;
  }

  committed(lease: Lease, sequence: number, changes: readonly Change[], at: number): void {
    const ownership = this.#shards.get(lease.shard) ?? { epoch: 0, sequence: 0, changes: [] };
    if (lease.epoch < ownership.epoch) {
      this.#report("STALE_EPOCH", `${lease.owner} wrote in epoch ${lease.epoch} during ${ownership.epoch}`);
      return;
    }
    if (lease.epoch === ownership.epoch && sequence === ownership.sequence) {
      if (JSON.stringify(changes) !== JSON.stringify(ownership.changes))
        this.#report("COMMIT_CHANGED", `Commit ${lease.epoch}/${sequence} was repeated with other changes`);
      return;
    }
    if (lease.epoch > ownership.epoch || sequence !== ownership.sequence + 1)
      this.#report(
        "SEQUENCE_GAP",
        `Commit ${lease.epoch}/${sequence} follows ${ownership.epoch}/${ownership.sequence}`,
      );
    this.#checkFence(lease, sequence);
    this.#shards.set(lease.shard, { epoch: lease.epoch, sequence, changes });
    this.flows.begin(lease.shard, at);
    // A tick assigns after all that it was told, so that the settings it was told of hold for whatever it starts.
    for (const change of changes) if (change.type === "queue") this.flows.queue(change.queue);
    for (const change of changes) this.#apply(change, at);
    this.flows.end();
    for (const [worker, held] of this.#holders) this.#checkCredit(worker, held);
    for (const [name, { tasks, limit }] of this.#places)
      if (tasks.size > limit)
        this.#report("OVER_LIMIT", `${tasks.size} tasks hold the concurrency of ${name}, which is ${limit}`);
  }

  #checkFence({ shard, epoch, owner }: Lease, sequence: number): void {
    if (this.#released.has(`${shard} ${epoch}`))
      this.#report(
        "WROTE_AFTER_RELEASE",
        `${owner} wrote commit ${epoch}/${sequence} after it had given the lease back`,
      );
    if (this.#refused.has(`${shard} ${epoch} ${sequence}`))
      this.#report("REFUSED_APPLIED", `Commit ${epoch}/${sequence} of ${owner} was refused and counts`);
  }

  /** What a worker is known to run counts as well, though its records have gone on without it. */
  #checkCredit(holder: string, held: ReadonlySet<TaskId>): void {
    if (held.size > this.#slots)
      this.#report("OVER_CREDIT", `${holder} was given ${held.size} tasks for ${this.#slots} slots`);
  }

  /** `isForgotten` tells of a task that its key is not remembered for as long as a history takes. */
  finish(isForgotten: (id: TaskId) => boolean): void {
    const firsts = new Map<string, TaskId>();
    for (const record of this.#records.values()) {
      if (!isTerminal(record.state) && record.aliasOf === "")
        this.#report("NOT_SETTLED", `${record.id} is ${this.describe(record.id)}`);
      if (!claimsKey(record) || isForgotten(record.id)) continue;
      const key = `${record.spec.name} ${record.key}`;
      const first = firsts.get(key);
      if (first !== undefined)
        this.#report("KEY_TWICE", `${first} and ${record.id} share the key ${record.key}`);
      firsts.set(key, record.id);
    }
  }

  #apply(change: Change, at: number): void {
    switch (change.type) {
      case "insert":
        if (this.#records.has(change.task.id))
          this.#report(
            "INSERTED_TWICE",
            `${change.task.id} was inserted again over ${this.describe(change.task.id)}`,
          );
        this.#set(change.task, at, change.parked);
        break;
      case "update":
      case "finish":
        this.#checkUnfinished(change.task.id, change.type);
        this.#set(change.task, at, false);
        break;
      case "tombstone":
        if (this.#records.has(change.id))
          this.#report("TOMBSTONE_OVER_RECORD", `${change.id} is ${this.describe(change.id)}`);
        this.#tombstones.add(change.id);
        break;
      case "adopt":
        if (!this.#tombstones.delete(change.task.id))
          this.#report("ADOPTED_UNKNOWN", `${change.task.id} had no tombstone`);
        this.#set(change.task, at, false);
        break;
      case "row":
        if (change.kind === SECOND_ROW && change.value !== null) this.#noteSecond(change.key, change.value);
        if (change.kind === "schedule" && change.value === null) this.flows.unscheduled(change.key);
        break;
      case "queue":
      case "sweep":
      case "key":
        break;
    }
  }

  /** A second attempt is in a row of its own, its number first. */
  #noteSecond(id: TaskId, value: string): void {
    this.#attempts.set(id, Math.max(Number.parseInt(value, 10), this.attemptsOf(id)));
    if (this.#records.get(id)?.spec.delivery === "at-most-once")
      this.#report("RAN_TWICE", `${id} may run once and has a second attempt`);
  }

  #checkUnfinished(id: TaskId, what: string): void {
    const record = this.#records.get(id);
    if (record === undefined) this.#report("UPDATED_UNKNOWN", `${what} of ${id}, which has no record`);
    else if (isTerminal(record.state))
      this.#report("TERMINAL_CHANGED", `${what} of ${id}, which is ${this.describe(id)}`);
  }

  #set(record: TaskRecord, at: number, parked: boolean): void {
    const before = this.#records.get(record.id);
    this.flows.changed(before ?? null, record, parked);
    if (before !== undefined) this.#replace(before, record);
    if (isTerminal(record.state)) this.#endedAt.set(record.id, at);
    this.#records.set(record.id, record);
    this.#attempts.set(record.id, Math.max(record.attempt, this.attemptsOf(record.id)));
    if (isUnfinished(record)) this.#unfinished++;
    if (isHeld(record)) this.#held(record).add(record.id);
    this.#checkTick(record);
    this.#countPlace(record);
    if (isTerminal(record.state) && record.finishedAt === 0)
      this.#report("TERMINAL_WITHOUT_TIME", `${record.id} is ${record.state} and does not say since when`);
  }

  #replace(before: TaskRecord, record: TaskRecord): void {
    if (isUnfinished(before)) this.#unfinished--;
    if (isHeld(before)) this.#held(before).delete(before.id);
    this.#used.set(record.id, this.usedAttemptsOf(record.id) + attemptsUsed(before, record));
    if (before.cancelRequested && record.state === "succeeded")
      this.#report("CANCEL_IGNORED", `${record.id} succeeded after its cancel was recorded`);
  }

  /** Each tick of a schedule makes one task. */
  #checkTick(record: TaskRecord): void {
    const tick = tickOf(record);
    if (tick === null) return;
    const name = `${tick.schedule} at ${tick.tickAt}`;
    const first = this.#ticks.get(name) ?? record.id;
    this.#ticks.set(name, first);
    if (first !== record.id) this.#report("TICK_TWICE", `Schedule ${name} made ${first} and ${record.id}`);
  }

  #countPlace(record: TaskRecord): void {
    const { id, spec, terms } = record;
    const limit = spec.limits?.concurrency ?? 0;
    if (limit === 0) return;
    const name = [spec.name, terms?.concurrencyKey ?? "", `shard ${shardOf(id)}`].join(" ");
    const places = this.#places.get(name) ?? { tasks: new Set<TaskId>(), limit };
    this.#places.set(name, places);
    if (isHeld(record)) places.tasks.add(id);
    else places.tasks.delete(id);
  }

  /** Credit is granted by shard. */
  #held({ id, worker }: TaskRecord): Set<TaskId> {
    const holder = `${worker} in shard ${shardOf(id)}`;
    const held = this.#holders.get(holder) ?? new Set<TaskId>();
    this.#holders.set(holder, held);
    return held;
  }
}

interface Places {
  readonly tasks: Set<TaskId>;
  readonly limit: number;
}

interface Ownership {
  readonly epoch: number;
  readonly sequence: number;
  readonly changes: readonly Change[];
}

function isUnfinished(record: TaskRecord): boolean {
  return !isTerminal(record.state) && record.aliasOf === "";
}

function isHeld({ state }: TaskRecord): boolean {
  return state === "assigned" || state === "running";
}

/** An alias leaves the key to the first; one that was refused, or cancelled before it was known, never had it. */
function claimsKey({ key, aliasOf, code, state, attempt }: TaskRecord): boolean {
  const wasRefused = code === "IDEMPOTENCY_CONFLICT" || code === "TASK_REFUSED";
  const cameTooLate = state === "cancelled" && attempt === 0;
  return key !== "" && aliasOf === "" && !wasRefused && !cameTooLate;
}

/**
 * How many attempts came to an end that counts in one commit, in which a worker may be lost and then the next one; the
 * number of an attempt that is only handed back is taken back.
 */
function attemptsUsed(before: TaskRecord, after: TaskRecord): number {
  if (!isHeld(before)) return 0;
  const begun = triedOf(after) - triedOf(before);
  if (after.state === "ready") return Math.max(0, begun + 1);
  if (after.state === "scheduled" || after.state === "failed") return Math.max(1, begun + 1);
  const isNext = after.attempt !== before.attempt || after.epoch !== before.epoch;
  return isHeld(after) && isNext && after.error !== null ? Math.max(1, begun) : 0;
}
