import type { Millis } from "../protocol/task.ts";
import { Heap, type InHeap } from "./heap.ts";

/** Something that is to happen at a time. `tie` keeps timers of one time in the order in which they were set. */
export interface Timer extends InHeap {
  dueAt: Millis;
  tie: number;
}

/** All timers of a shard, each of them set at most once. */
export class Timers<T extends Timer> {
  readonly #heap = new Heap<T>((a, b) => (a.dueAt === b.dueAt ? a.tie < b.tie : a.dueAt < b.dueAt));
  #ties = 0;

  /** Infinity when nothing is to happen. */
  get nextAt(): Millis {
    return this.#heap.peek()?.dueAt ?? Number.POSITIVE_INFINITY;
  }

  at(slot: number): T | undefined {
    return this.#heap.at(slot);
  }

  /** Sets a timer, or moves it when it is set already. */
  set(timer: T, dueAt: Millis): void {
    timer.dueAt = dueAt;
    timer.tie = ++this.#ties;
    if (timer.slot === -1) this.#heap.push(timer);
    else this.#heap.moved(timer);
  }

  clear(timer: T): void {
    if (timer.slot !== -1) this.#heap.remove(timer);
  }

  /** Takes out the next timer that is due. */
  takeDue(now: Millis): T | undefined {
    const first = this.#heap.peek();
    if (first === undefined || first.dueAt > now) return undefined;
    this.#heap.remove(first);
    return first;
  }
}
