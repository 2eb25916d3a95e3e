import type { Attempt } from "./attempt.ts";

/** Where attempts run: places, handed out in order of arrival. */
export class Slots {
  #size: number;
  /** By slot; null where it is free. */
  readonly attempts: (Attempt | null)[];
  /** Indices of free places that may be used. */
  readonly #free: number[];
  /** Indices of places that are out of use. */
  readonly #spare: number[] = [];
  /** How many places go out of use as soon as they are free. */
  #surplus = 0;
  readonly #next: () => Attempt | null;
  readonly #start: (attempt: Attempt) => void;
  #isFilling = false;

  /** `next` hands over the next attempt that may start, if there is one. */
  constructor(size: number, next: () => Attempt | null, start: (attempt: Attempt) => void) {
    this.#size = size;
    this.attempts = Array.from({ length: size }, () => null);
    this.#free = Array.from({ length: size }, (_, index) => size - 1 - index);
    this.#next = next;
    this.#start = start;
  }

  get size(): number {
    return this.#size;
  }

  /** More places at once; fewer as those that are full become free. */
  resize(size: number): void {
    for (; this.#size < size; this.#size += 1) {
      if (this.#surplus > 0) this.#surplus -= 1;
      else this.#free.push(this.#spare.pop() ?? this.attempts.push(null) - 1);
    }
    for (; this.#size > size; this.#size -= 1) {
      const free = this.#free.pop();
      if (free === undefined) this.#surplus += 1;
      else this.#spare.push(free);
    }
  }

  /** Starts what may start. An attempt that ends at once frees its slot for the loop that started it. */
  fill(): void {
    if (this.#isFilling) return;
    this.#isFilling = true;
    while (this.#free.length > 0) {
      const attempt = this.#next();
      if (attempt === null) break;
      const slot = this.#free.pop() ?? 0;
      attempt.slot = slot;
      this.attempts[slot] = attempt;
      this.#start(attempt);
    }
    this.#isFilling = false;
  }

  release(attempt: Attempt): void {
    if (this.attempts[attempt.slot] !== attempt) return;
    this.attempts[attempt.slot] = null;
    if (this.#surplus === 0) this.#free.push(attempt.slot);
    else {
      this.#surplus -= 1;
      this.#spare.push(attempt.slot);
    }
  }
}
