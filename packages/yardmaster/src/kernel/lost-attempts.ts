import type { Attempt, Worker } from "./live.ts";

/** Beyond this many lost workers the oldest are not expected back. */
const MAX_REMEMBERED = 1_000;

/**
 * What workers had that were lost. One that was only cut off may still get it: its frames wait in its mailbox, and
 * nothing in them says that they count no more.
 */
export class LostAttempts {
  readonly #byWorker = new Map<string, readonly Attempt[]>();

  /** To be called before the worker's tasks are taken from it. */
  remember({ id, held }: Worker): void {
    if (held.length === 0) return;
    this.#byWorker.set(id, [...held]);
    if (this.#byWorker.size <= MAX_REMEMBERED) return;
    for (const oldest of this.#byWorker.keys()) {
      this.#byWorker.delete(oldest);
      return;
    }
  }

  /** The worker is back: it has to be told, once. */
  take(worker: string): readonly Attempt[] {
    const attempts = this.#byWorker.get(worker) ?? [];
    this.#byWorker.delete(worker);
    return attempts;
  }
}
