/** How long submissions stay where they are after the store refused some for want of room; it doubles each time. */
const WAIT_MS = { first: 1_000, most: 15_000 };

/**
 * Whether the store has room for submissions. Outlives the reloads of a shard.
 *
 * A refused tick leaves the kernel ahead of the store, so that the shard starts again; but then with the control lane
 * alone, whose commits an engine keeps some room for, until it is time to try a submission.
 */
export class Headroom {
  #waitMs = 0;

  get isFull(): boolean {
    return this.#waitMs > 0;
  }

  get waitMs(): number {
    return this.#waitMs;
  }

  /** Submissions were refused. */
  refused(): void {
    this.#waitMs = this.isFull ? Math.min(2 * this.#waitMs, WAIT_MS.most) : WAIT_MS.first;
  }

  /** Submissions were taken. */
  taken(): void {
    this.#waitMs = 0;
  }
}
