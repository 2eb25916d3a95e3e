import type { Cancel } from "../host.ts";

/** Who an event belongs to: it is dropped once its owner is dead and held back while the owner is paused. */
export interface EventOwner {
  readonly alive: boolean;
  /** Null while the owner runs, else where its events wait. */
  readonly held: (() => void)[] | null;
}

interface TimelineEvent {
  readonly at: number;
  /** Breaks ties in order of scheduling. */
  readonly order: number;
  readonly owner: EventOwner | null;
  run: (() => void) | null;
}

/** Virtual time: a heap of events, run one at a time in order of time, then of scheduling. */
export class Timeline {
  /** Milliseconds since the run began. */
  now = 0;
  /** Events run so far. */
  steps = 0;
  readonly #heap: TimelineEvent[] = [];
  #scheduled = 0;

  schedule(delayMs: number, owner: EventOwner | null, run: () => void): Cancel {
    const event: TimelineEvent = {
      at: this.now + Math.max(0, delayMs),
      order: this.#scheduled++,
      owner,
      run,
    };
    this.#push(event);
    return () => {
      event.run = null;
    };
  }

  /** Runs the next event that has somebody to run it; false when there is none. */
  step(): boolean {
    for (;;) {
      const event = this.#pop();
      if (event === undefined) return false;
      if (event.run === null) continue;
      const { owner, run } = event;
      if (owner !== null && !owner.alive) continue;
      this.now = event.at;
      if (owner !== null && owner.held !== null) {
        // It can still be cancelled while it is held.
        owner.held.push(() => event.run?.());
        continue;
      }
      this.steps++;
      run();
      return true;
    }
  }

  #push(event: TimelineEvent): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || before(above, event)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = event;
  }

  #pop(): TimelineEvent | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let index = 0;
    for (;;) {
      const child = this.#lesserChild(index);
      const below = heap[child];
      if (below === undefined || before(last, below)) break;
      heap[index] = below;
      index = child;
    }
    heap[index] = last;
    return first;
  }

  #lesserChild(index: number): number {
    const left = 2 * index + 1;
    const a = this.#heap[left];
    const b = this.#heap[left + 1];
    return a !== undefined && b !== undefined && before(b, a) ? left + 1 : left;
  }
}

function before(a: TimelineEvent, b: TimelineEvent): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
