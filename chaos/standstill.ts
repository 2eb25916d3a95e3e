import { clock } from "./recorder.ts";

const TICK_MS = 100;
/** A busy machine is late by less. */
const LATE_MS = 2_000;

/**
 * The time that this process was able to run. A virtual machine that is suspended, or a process group that is stopped,
 * stands still as a whole: nobody can recover meanwhile.
 */
export class Standstill {
  readonly #timer: NodeJS.Timeout;
  #last: number = clock();
  #stoodMs = 0;

  constructor() {
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#timer.unref();
  }

  /** Milliseconds of a clock that stands still with the machine. */
  get now(): number {
    this.#tick();
    return this.#last - this.#stoodMs;
  }

  end(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const now = clock();
    if (now - this.#last > LATE_MS) this.#stoodMs += now - this.#last;
    this.#last = now;
  }
}
