import { Heap, type InHeap } from "../kernel/heap.ts";

interface Entry<T> extends InHeap {
  readonly at: number;
  readonly tie: number;
  readonly what: T;
}

/** What is to happen, by virtual time; at one time in the order in which it was set down. */
export class Agenda<T> {
  readonly #heap = new Heap<Entry<T>>((a, b) => (a.at === b.at ? a.tie < b.tie : a.at < b.at));
  #ties = 0;

  /** Infinity when nothing is to happen. */
  get nextAt(): number {
    return this.#heap.peek()?.at ?? Number.POSITIVE_INFINITY;
  }

  add(at: number, what: T): void {
    this.#heap.push({ at, tie: ++this.#ties, what, slot: -1 });
  }

  /** What is next, if it is due. */
  take(now: number): T | undefined {
    const first = this.#heap.peek();
    if (first === undefined || first.at > now) return undefined;
    this.#heap.remove(first);
    return first.what;
  }
}
