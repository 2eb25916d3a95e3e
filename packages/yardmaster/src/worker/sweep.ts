import type { Cancel, Host } from "../host.ts";

/** Looks that would follow each other closer than this are one. */
const MIN_INTERVAL_MS = 10;

/**
 * One timer for everything that comes due, in place of one for each task.
 *
 * `look` does what is due and answers when to look again. As attempts start all the time, the timer is almost
 * always set already, and a short task costs no timer at all.
 */
export class Sweep {
  readonly #host: Host;
  readonly #look: (now: number) => number;
  #dueAt: number = Number.POSITIVE_INFINITY;
  #lastLook: number = Number.NEGATIVE_INFINITY;
  #cancel: Cancel | null = null;

  constructor(host: Host, look: (now: number) => number) {
    this.#host = host;
    this.#look = look;
  }

  /** Makes sure that there is a look at this time of the monotonic clock. */
  by(dueAt: number): void {
    if (dueAt >= this.#dueAt) return;
    this.#cancel?.();
    const at = Math.max(dueAt, this.#lastLook + MIN_INTERVAL_MS);
    this.#dueAt = at;
    this.#cancel = this.#host.after(Math.max(0, at - this.#host.monotonic()), () => this.#run());
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = null;
    // Nothing is due before this.
    this.#dueAt = Number.NEGATIVE_INFINITY;
  }

  #run(): void {
    const now = this.#host.monotonic();
    this.#cancel = null;
    this.#dueAt = Number.POSITIVE_INFINITY;
    this.#lastLook = now;
    this.by(this.#look(now));
  }
}
