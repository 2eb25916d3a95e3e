import type { InLine, Ordering, OrderingPolicy } from "./ordering.ts";

const SMALLEST_CAPACITY = 16;
/** A ring that is empty again keeps at most this capacity. */
const KEPT_CAPACITY = 1024;
/** Places count from the middle, so that tasks can join at the front and places stay small integers. */
const FIRST_PLACE = 2 ** 29;

/** First come, first served: L. Kleinrock, Queueing Systems, Volume 1 (1975). */
export const fifo: OrderingPolicy = { create: () => new FifoOrdering(), before: (a, b) => a.order < b.order };

/**
 * A ring of places. A task's slot is its place; a removed task leaves a hole, which goes when the front passes
 * it. The last place is never a hole.
 */
class FifoOrdering<T extends InLine> implements Ordering<T> {
  #ring: (T | undefined)[] = emptyRing(SMALLEST_CAPACITY);
  #mask = SMALLEST_CAPACITY - 1;
  #front = FIRST_PLACE;
  #end = FIRST_PLACE;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(task: T): void {
    if (this.#end - this.#front > this.#mask) this.#grow();
    const last = this.#ring[(this.#end - 1) & this.#mask];
    if (this.#size > 0 && last !== undefined && task.order < last.order) this.#pushAtFront(task);
    else this.#put(task, this.#end++);
    this.#size++;
  }

  peek(): T | undefined {
    while (this.#front < this.#end) {
      const first = this.#ring[this.#front & this.#mask];
      if (first !== undefined) return first;
      this.#front++;
    }
    return undefined;
  }

  pop(): T | undefined {
    const first = this.peek();
    if (first !== undefined) this.remove(first);
    return first;
  }

  remove(task: T): void {
    this.#ring[task.slot & this.#mask] = undefined;
    task.slot = -1;
    this.#size--;
    if (this.#size === 0) this.#restart();
    else while (this.#ring[(this.#end - 1) & this.#mask] === undefined) this.#end--;
  }

  /** A task that was handed back is among the oldest: it goes to the front and from there to its place. */
  #pushAtFront(task: T): void {
    let place = --this.#front;
    for (let next = place + 1; next < this.#end; next++) {
      const follower = this.#ring[next & this.#mask];
      if (follower === undefined) continue;
      if (task.order < follower.order) break;
      this.#ring[next & this.#mask] = undefined;
      this.#put(follower, place);
      place = next;
    }
    this.#put(task, place);
  }

  #put(task: T, place: number): void {
    this.#ring[place & this.#mask] = task;
    task.slot = place;
  }

  #grow(): void {
    const old = this.#ring;
    const oldMask = this.#mask;
    const end = this.#end;
    // Many holes are a reason to close ranks, not to grow.
    this.#ring = emptyRing(this.#size * 2 > old.length ? old.length * 2 : old.length);
    this.#mask = this.#ring.length - 1;
    this.#end = this.#front;
    for (let place = this.#front; place < end; place++) {
      const task = old[place & oldMask];
      if (task !== undefined) this.#put(task, this.#end++);
    }
  }

  #restart(): void {
    this.#front = FIRST_PLACE;
    this.#end = FIRST_PLACE;
    if (this.#ring.length <= KEPT_CAPACITY) return;
    this.#ring = emptyRing(SMALLEST_CAPACITY);
    this.#mask = SMALLEST_CAPACITY - 1;
  }
}

function emptyRing<T>(capacity: number): (T | undefined)[] {
  return new Array<T | undefined>(capacity).fill(undefined);
}
