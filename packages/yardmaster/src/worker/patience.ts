import type { Cancel, Host } from "../host.ts";

/** Waits for a condition that others change, at most until a deadline that may move nearer. */
export class Patience {
  readonly #host: Host;
  #look: (() => void) | null = null;

  constructor(host: Host) {
    this.#host = host;
  }

  /** The condition, or the deadline, may have changed. */
  poke(): void {
    this.#look?.();
  }

  /** Resolves when `isDone` holds, or when `deadline` (by the monotonic clock, asked again at every poke) is over. */
  until(isDone: () => boolean, deadline: () => number): Promise<void> {
    return new Promise((resolve) => {
      let cancel: Cancel | null = null;
      const look = (): void => {
        cancel?.();
        const leftMs = deadline() - this.#host.monotonic();
        if (isDone() || leftMs <= 0) {
          this.#look = null;
          resolve();
        } else if (Number.isFinite(leftMs)) cancel = this.#host.after(leftMs, look);
      };
      this.#look = look;
      look();
    });
  }
}
