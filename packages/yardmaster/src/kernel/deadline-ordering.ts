import type { Millis } from "../protocol/task.ts";
import { Heap } from "./heap.ts";
import type { InLine, Ordering, OrderingPolicy } from "./ordering.ts";

/** How finely deadlines are told apart when work before one is counted: a minute, within it a second. */
const COARSE_MS = 60_000;
const FINE_MS = 1_000;

/**
 * Earliest deadline first (C. Liu, J. Layland, 1973); those without one last, in the order in which they came. On one
 * slot it misses nothing where the tasks at hand can all be in time (J. Jackson, 1955).
 */
export const deadline: OrderingPolicy = { create: () => new DeadlineOrdering(), before };

function before(a: InLine, b: InLine): boolean {
  return a.deadline === b.deadline ? a.order < b.order : a.deadline < b.deadline;
}

export class DeadlineOrdering<T extends InLine> implements Ordering<T> {
  readonly #heap = new Heap<T>(before);
  readonly #coarse = new Map<number, number>();
  readonly #fine = new Map<number, number>();

  get size(): number {
    return this.#heap.size;
  }

  push(task: T): void {
    this.#heap.push(task);
    this.#count(task.deadline, 1);
  }

  peek(): T | undefined {
    return this.#heap.peek();
  }

  pop(): T | undefined {
    const first = this.#heap.peek();
    if (first !== undefined) this.remove(first);
    return first;
  }

  remove(task: T): void {
    this.#heap.remove(task);
    this.#count(task.deadline, -1);
  }

  /** How many tasks go before a deadline, give or take those of its second. */
  before(deadline: Millis): number {
    let tasks = 0;
    const minute = Math.floor(deadline / COARSE_MS);
    for (const [each, count] of this.#coarse) if (each < minute) tasks += count;
    for (let second = (minute * COARSE_MS) / FINE_MS; second * FINE_MS <= deadline; second++)
      tasks += this.#fine.get(second) ?? 0;
    return tasks;
  }

  #count(deadline: Millis, by: number): void {
    if (deadline === Number.POSITIVE_INFINITY) return;
    add(this.#coarse, Math.floor(deadline / COARSE_MS), by);
    add(this.#fine, Math.floor(deadline / FINE_MS), by);
  }
}

function add(counts: Map<number, number>, bucket: number, by: number): void {
  const count = (counts.get(bucket) ?? 0) + by;
  if (count === 0) counts.delete(bucket);
  else counts.set(bucket, count);
}
