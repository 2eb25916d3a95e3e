/** An item of a heap knows its place in it: the handle by which it is moved or removed. -1 outside. */
export interface InHeap {
  slot: number;
}

/**
 * A binary heap with handles. `before` must be a strict total order for ties to be stable: give it a sequence
 * number to fall back on.
 */
export class Heap<T extends InHeap> {
  readonly #items: T[] = [];
  readonly #before: (a: T, b: T) => boolean;

  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  /** The first item, or undefined when there is none. */
  peek(): T | undefined {
    return this.#items[0];
  }

  /** The item at a place, in no order but the first. */
  at(slot: number): T | undefined {
    return this.#items[slot];
  }

  push(item: T): void {
    this.#items.push(item);
    this.#rise(item, this.#items.length - 1);
  }

  remove(item: T): void {
    const slot = item.slot;
    const last = this.#items.pop();
    item.slot = -1;
    if (last === undefined || last === item) return;
    last.slot = slot;
    this.moved(last);
  }

  /** Puts an item whose rank has changed, or that took another's slot, where it belongs. */
  moved(item: T): void {
    this.#rise(item, item.slot);
    this.#sink(item, item.slot);
  }

  #rise(item: T, from: number): void {
    const items = this.#items;
    let slot = from;
    while (slot > 0) {
      const parentSlot = (slot - 1) >> 1;
      const parent = items[parentSlot];
      if (parent === undefined || !this.#before(item, parent)) break;
      items[slot] = parent;
      parent.slot = slot;
      slot = parentSlot;
    }
    items[slot] = item;
    item.slot = slot;
  }

  #sink(item: T, from: number): void {
    const items = this.#items;
    let slot = from;
    for (;;) {
      const child = this.#firstChild(slot);
      if (child === undefined || !this.#before(child, item)) break;
      const childSlot = child.slot;
      items[slot] = child;
      child.slot = slot;
      slot = childSlot;
    }
    items[slot] = item;
    item.slot = slot;
  }

  #firstChild(slot: number): T | undefined {
    const left = this.#items[2 * slot + 1];
    const right = this.#items[2 * slot + 2];
    if (left === undefined || right === undefined) return left;
    return this.#before(right, left) ? right : left;
  }
}
