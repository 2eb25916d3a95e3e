import { expect } from "vitest";
import { DEFAULT_SETTINGS, isTerminal, type Rate, type TaskId } from "../src/protocol/task.ts";
import type { KernelYard, TestWorker } from "./kernel-yard.ts";
import type { Mix } from "./mix-case.ts";

export const PLACES = 1;
/** The tasks of ticks: they are in a queue of their own, without limits. */
export const TICK = "tick";
export const RATE: Rate = { limit: 1, perMs: 1_000, burst: 2 };
const INTERVAL_MS = RATE.perMs / RATE.limit;

/** What the test knows of a task that it submitted. */
export interface Known {
  readonly id: TaskId;
  readonly name: string;
  readonly key: string;
  readonly cpu: number;
  readonly priority: number;
  readonly submittedAt: number;
  /** When it may start, at the earliest and at the latest. */
  readonly from: number;
  readonly until: number;
  readonly after: readonly TaskId[];
  readonly runsAnyway: boolean;
  readonly graph: boolean;
}

/**
 * Looks at a yard from outside, through what its workers hold and its store keeps, and holds it to what was promised
 * for any mix of features. It shares no code with the kernel.
 */
export class Observer {
  readonly known: Map<TaskId, Known> = new Map();
  /** Members that a graph has, and how many of them were submitted. */
  members = 0;
  arrived = 0;
  /** These can never start any more. */
  readonly ended: Set<TaskId> = new Set();
  /** A task waited for a limit alone. */
  sawLimit = false;
  sawBlocked = false;
  sawScheduled = false;
  sawTwoReady = false;
  /** How often the queue's order said which of two tasks goes first. */
  decided = 0;
  readonly #yard: KernelYard;
  readonly #mix: Mix;
  readonly #attempts = new Set<string>();
  /** Tasks that have been given to a worker once. */
  readonly #tried = new Set<TaskId>();
  /** With which look each ready task was seen as such first. */
  readonly #readySince = new Map<TaskId, number>();
  #looks = 0;
  /** When tasks started, by what shares a rate. */
  readonly #starts = new Map<string, number[]>();

  constructor(yard: KernelYard, mix: Mix) {
    this.#yard = yard;
    this.#mix = mix;
  }

  /** Of a new owner's tasks nobody knows which of them came first. */
  takenOver(): void {
    this.#looks++;
    for (const id of this.#readySince.keys()) this.#readySince.set(id, this.#looks);
  }

  look(): void {
    const begun: Known[] = [];
    for (const worker of this.#yard.workers.values()) {
      for (const { assign } of worker.held) {
        const name = `${assign.id} ${assign.attempt}`;
        if (this.#attempts.has(name)) continue;
        this.#attempts.add(name);
        this.#checkStart(this.#of(assign.id));
        const known = this.known.get(assign.id);
        if (known !== undefined && !this.#tried.has(known.id)) begun.push(known);
        this.#tried.add(assign.id);
      }
      const cpu = this.#used(worker);
      expect(cpu, `cpu of ${worker.id}`).toBeLessThanOrEqual(worker.resources["cpu"] ?? 0);
    }
    this.#checkConcurrency();
    this.#checkIdleness();
    this.#checkOrder(begun);
  }

  /** Nobody is still waiting who should have gone before one that has started and could have had its place. */
  #checkOrder(begun: readonly Known[]): void {
    const { kernel } = this.#yard;
    const ready = [...this.known.values()].filter(
      ({ id }) => kernel.has(id) && this.#yard.state(id) === "ready" && !this.#tried.has(id),
    );
    for (const other of ready) {
      if (!this.#readySince.has(other.id)) continue;
      for (const one of begun) {
        const sharesLimits =
          this.#roomOf(one) === this.#roomOf(other) && this.#bucketOf(one) === this.#bucketOf(other);
        if (!sharesLimits || other.cpu > one.cpu) continue;
        const isFirst = this.#goesFirst(other, one);
        if (isFirst !== null) this.decided++;
        expect(isFirst, `${other.id} waits, and ${one.id} has started`).not.toBe(true);
      }
    }
    this.#looks++;
    const ids = new Set(ready.map(({ id }) => id));
    for (const id of this.#readySince.keys()) if (!ids.has(id)) this.#readySince.delete(id);
    for (const id of ids) if (!this.#readySince.has(id)) this.#readySince.set(id, this.#looks);
  }

  /** Whether the order says that one task goes before another; null where it does not say, or not what can be seen. */
  #goesFirst(one: Known, other: Known): boolean | null {
    const since = this.#readySince.get(one.id) ?? 0;
    // Whoever was never seen waiting came after the last look.
    const otherSince = this.#readySince.get(other.id) ?? Number.POSITIVE_INFINITY;
    const { order } = this.#mix;
    if (order === "fifo") return since === otherSince ? null : since < otherSince;
    if (order === "lifo") return since === otherSince ? null : since > otherSince;
    if (order !== "priority") return null;
    const difference = rankOf(one) - rankOf(other);
    return difference === 0 ? null : difference < 0;
  }

  #checkStart(task: Known): void {
    const { now, rows } = this.#yard;
    const { id, from, until, after, runsAnyway } = task;
    expect(now, `${id} starts early`).toBeGreaterThanOrEqual(from);
    expect(now, `${id} starts late`).toBeLessThan(until);
    expect(this.ended.has(id), `${id} starts after its end`).toBe(false);
    if (task.graph) expect(this.arrived, `${id} starts before its graph has arrived`).toBe(this.members);
    for (const one of after) {
      const { state } = rows.get(one)?.task ?? { state: "submitted" };
      const isOver = runsAnyway ? isTerminal(state) : state === "succeeded";
      expect(isOver, `${id} starts while ${one} is ${state}`).toBe(true);
    }
    const bucket = this.#bucketOf(task);
    if (bucket === null) return;
    const starts = this.#starts.get(bucket) ?? [];
    this.#starts.set(bucket, starts);
    starts.push(now);
    for (const [index, first] of starts.entries()) {
      const allowed = RATE.burst + (now - first) / INTERVAL_MS;
      expect(starts.length - index, `starts of ${bucket} since ${first}`).toBeLessThanOrEqual(allowed + 1e-6);
    }
  }

  #checkConcurrency(): void {
    for (const [room, count] of this.#rooms()) expect(count, `places of ${room}`).toBeLessThanOrEqual(PLACES);
  }

  /** No slot is idle while a task waits that it could have. */
  #checkIdleness(): void {
    const rooms = this.#rooms();
    const workers = [...this.#yard.workers.values()];
    let ready = 0;
    for (const task of this.known.values()) {
      if (!this.#yard.kernel.has(task.id)) continue;
      const state = this.#yard.state(task.id);
      if (state === "blocked") this.sawBlocked = true;
      if (state === "scheduled") this.sawScheduled = true;
      if (state !== "ready") continue;
      if (++ready > 1) this.sawTwoReady = true;
      const idle = workers.find((worker) => this.#hasRoom(worker, task));
      if (idle === undefined) continue;
      const isLimited = (rooms.get(this.#roomOf(task) ?? "") ?? 0) >= PLACES || !this.#isOpen(task);
      if (isLimited) this.sawLimit = true;
      expect(isLimited, `${task.id} is ready, and ${idle.id} idle`).toBe(true);
    }
  }

  #hasRoom(worker: TestWorker, { cpu }: Known): boolean {
    return worker.held.length < worker.credit && this.#used(worker) + cpu <= (worker.resources["cpu"] ?? 0);
  }

  #used(worker: TestWorker): number {
    return worker.held.reduce((sum, { assign }) => sum + this.#of(assign.id).cpu, 0);
  }

  /** How many run, by what shares a limit. */
  #rooms(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const worker of this.#yard.workers.values())
      for (const { assign } of worker.held) {
        const room = this.#roomOf(this.#of(assign.id));
        if (room !== null) counts.set(room, (counts.get(room) ?? 0) + 1);
      }
    return counts;
  }

  #roomOf({ name, key }: Known): string | null {
    if (name === TICK) return null;
    const { limit } = this.#mix;
    if (limit === "queue") return "queue";
    if (limit === "definition") return name;
    return limit === "key" ? `${name} ${key}` : null;
  }

  #bucketOf({ name, key }: Known): string | null {
    if (name === TICK) return null;
    const { limit } = this.#mix;
    if (limit === "queue-rate") return "queue";
    if (limit === "definition-rate") return name;
    return limit === "key-rate" ? `${name} ${key}` : null;
  }

  /** The bucket as the leaky one of the standard, ITU-T I.371: it holds `burst` and drains evenly. */
  #isOpen(task: Known): boolean {
    let [level, at] = [0, 0];
    for (const start of this.#starts.get(this.#bucketOf(task) ?? "") ?? []) {
      level = Math.max(0, level - (start - at) / INTERVAL_MS) + 1;
      at = start;
    }
    return Math.max(0, level - (this.#yard.now - at) / INTERVAL_MS) + 1 <= RATE.burst + 1e-9;
  }

  /** What this test did not submit: the task of a tick, or the one that was cancelled early. */
  #of(id: TaskId): Known {
    const known = this.known.get(id);
    if (known !== undefined) return known;
    const free = { from: 0, until: Number.POSITIVE_INFINITY, after: [], runsAnyway: false, graph: false };
    return { id, name: TICK, key: "", cpu: 0, priority: 0, submittedAt: 0, ...free };
  }
}

/** A task that has waited for the default aging counts as one priority higher: the smallest goes first. */
function rankOf({ priority, submittedAt, from }: Known): number {
  return Math.max(submittedAt, from) - priority * DEFAULT_SETTINGS.agingMs;
}
