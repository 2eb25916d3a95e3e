import type { Millis } from "../protocol/task.ts";
import type { Queue } from "./live.ts";

/** The most parked tasks that are asked for at once. */
const PAGE = 5_000;
/** A task that is due later than this may wait in the store while memory is more than half full. */
const FAR_MS = 60_000;

export interface ParkingLimits {
  readonly maxLive: number;
  readonly maxLiveBytes: number;
}

/** Decides which tasks wait in the store instead of in memory, and when they come back. */
export class Parking {
  readonly #limits: ParkingLimits;
  /** How many tasks are parked. */
  total = 0;
  /** Ready tasks of unknown queues are parked: the earlier owner's. Newcomers must not overtake them. */
  isBlind = false;
  #wanted = 0;

  constructor(limits: ParkingLimits) {
    this.#limits = limits;
  }

  /** `live` and `bytes` without the task itself. */
  shouldParkReady(queue: Queue, live: number, bytes: number): boolean {
    return this.isBlind || queue.parked > 0 || this.#isFull(live, bytes, 1);
  }

  shouldParkScheduled(waitMs: Millis, live: number, bytes: number): boolean {
    return this.#isFull(live, bytes, waitMs > FAR_MS ? 0.5 : 1);
  }

  parked(queue: Queue, isReady: boolean): void {
    this.total++;
    if (isReady) queue.parked++;
  }

  unparked(queue: Queue, isReady: boolean): void {
    if (this.total > 0) this.total--;
    if (isReady && queue.parked > 0) queue.parked--;
  }

  /** How many parked tasks there is room for now. */
  wanted(live: number, bytes: number): number {
    const hasRoom = !this.#isFull(live, bytes, 0.9);
    this.#wanted = this.total > 0 && hasRoom ? Math.min(PAGE, Math.ceil(this.#limits.maxLive - live)) : 0;
    return this.#wanted;
  }

  /** Whether a page of so many tasks was the last one. */
  isLastPage(tasks: number): boolean {
    return tasks < this.#wanted;
  }

  #isFull(live: number, bytes: number, share: number): boolean {
    return live >= this.#limits.maxLive * share || bytes >= this.#limits.maxLiveBytes * share;
  }
}
