import type { Attempt } from "./attempt.ts";

/** Where attempts run: a fixed number of places, handed out in order of arrival. */
export class Slots {
  readonly size: number;
  /** By slot; null where it is free. */
  readonly attempts: (Attempt | null)[];
  readonly #free: number[];
  readonly #next: () => Attempt | null;
  readonly #start: (attempt: Attempt) => void;
  #isFilling = false;

  /** `next` hands over the next attempt that may start, if there is one. */
  constructor(size: number, next: () => Attempt | null, start: (attempt: Attempt) => void) {
    this.size = size;
    this.attempts = Array.from({ length: size }, () => null);
    this.#free = Array.from({ length: size }, (_, index) => size - 1 - index);
    this.#next = next;
    this.#start = start;
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
    this.#free.push(attempt.slot);
  }
}
