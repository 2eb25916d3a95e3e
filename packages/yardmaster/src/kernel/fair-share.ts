/** One of those who share something: its place in start-time fair queueing. */
export interface Share {
  /** The start tag of its next task: what it has used, divided by its weight. */
  tag: number;
  weight: number;
  /** When it came or was served last among all, to settle ties. */
  turn: number;
}

/**
 * The virtual time of start-time fair queueing: P. Goyal, H. Vin, H. Cheng, "Start-time Fair Queueing", SIGCOMM 1996,
 * and, with several tasks in service at a time, SFQ(D): W. Jin, J. Chase, J. Kaur, SIGMETRICS 2004.
 *
 * Whoever waits with the smallest start tag goes next. What a task will cost is guessed when it starts and corrected
 * when it ends, as the Kubernetes API server does (KEP-1040).
 */
export class FairClock {
  /** The largest start tag of what was served. */
  now = 0;
  #turns = 0;

  /** A share has something to serve again: what it did not use in the meantime is gone. */
  enter(share: Share): void {
    if (share.tag < this.now) share.tag = this.now;
    share.turn = ++this.#turns;
  }

  /** A share is served something that may cost so much. */
  charge(share: Share, cost: number): void {
    if (share.tag > this.now) this.now = share.tag;
    share.tag += cost / share.weight;
    share.turn = ++this.#turns;
  }

  /** What it was served has cost so much more, or less. */
  correct(share: Share, more: number): void {
    share.tag += more / share.weight;
  }
}

export function isServedBefore(a: Share, b: Share): boolean {
  return a.tag === b.tag ? a.turn < b.turn : a.tag < b.tag;
}
