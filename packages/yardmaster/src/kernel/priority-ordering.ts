import { Heap } from "./heap.ts";
import type { InLine, Ordering, OrderingPolicy } from "./ordering.ts";

/** Larger priority first; first come, first served among equals. */
export const priority: OrderingPolicy = { create: () => new PriorityOrdering(), before };

function before(a: InLine, b: InLine): boolean {
  return a.priority === b.priority ? a.order < b.order : a.priority > b.priority;
}

class PriorityOrdering<T extends InLine> implements Ordering<T> {
  readonly #heap = new Heap<T>(before);

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
