import { fifo } from "./fifo-ordering.ts";
import { Heap } from "./heap.ts";
import type { InLine, OrderContext, Ordering, OrderingPolicy } from "./ordering.ts";

/** For how many times its expected duration a task gives way to shorter ones. */
const PATIENCE = 10;

/**
 * Last come, first served: D. Wishart, "Queuing Systems in which the Discipline is 'Last-come, First-served'", Operations
 * Research 8 (1960).
 */
export const lifo: OrderingPolicy = ranked((a, b) => a.order > b.order);

/**
 * Larger priority first, and whoever waits rises by one priority every `agingMs`; equals in the order in which they
 * came. As all rise alike, two tasks never change places: a task of priority p is overtaken only by those that began
 * to wait within (255 - p) * agingMs after it. Aging as in A. Silberschatz, P. Galvin, G. Gagne, Operating
 * System Concepts, 10th edition (2018).
 */
export const priority: OrderingPolicy = ranked((a, b, { agingMs }) => {
  const difference = a.since - b.since - (a.priority - b.priority) * agingMs;
  return difference === 0 ? a.order < b.order : difference < 0;
});

/**
 * The definition that is expected to take the shortest first (Smith, 1956), with aging: a task gives way to shorter
 * ones only if they began to wait within PATIENCE times its expected duration after it. All tasks of a line are
 * expected to take the same.
 */
export const shortest: OrderingPolicy = {
  create: fifo.create,
  before: (a, b) => {
    const difference = a.since - b.since + (a.expectedMs - b.expectedMs) * PATIENCE;
    return difference === 0 ? a.order < b.order : difference < 0;
  },
};

/**
 * Whoever the longest row of tasks waits for first (J. Kelley, M. Walker, 1959; as a list schedule, R. Graham, 1969),
 * with aging: a task gives way to longer paths only if they began to wait within PATIENCE times the difference after it.
 */
export const criticalPath: OrderingPolicy = {
  create: ranked((a, b) => comesFirst(a, b, a.pathMs - b.pathMs)).create,
  before: (a, b) => comesFirst(a, b, a.pathMs + a.expectedMs - b.pathMs - b.expectedMs),
};

function comesFirst(a: InLine, b: InLine, longerMs: number): boolean {
  const difference = a.since - b.since - longerMs * PATIENCE;
  return difference === 0 ? a.order < b.order : difference < 0;
}

type Before = OrderingPolicy["before"];

/** An order in which two tasks never change places while they wait. */
function ranked(before: Before): OrderingPolicy {
  return { before, create: (context) => new RankedOrdering(before, context) };
}

class RankedOrdering<T extends InLine> implements Ordering<T> {
  readonly #heap: Heap<T>;

  constructor(before: Before, context: OrderContext) {
    this.#heap = new Heap<T>((a, b) => before(a, b, context));
  }

  get size(): number {
    return this.#heap.size;
  }

  push(task: T): void {
    this.#heap.push(task);
  }

  peek(): T | undefined {
    return this.#heap.peek();
  }

  pop(): T | undefined {
    const first = this.#heap.peek();
    if (first !== undefined) this.#heap.remove(first);
    return first;
  }

  remove(task: T): void {
    this.#heap.remove(task);
  }
}
