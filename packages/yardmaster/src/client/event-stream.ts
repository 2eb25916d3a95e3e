import type { TaskUpdate } from "./handle.ts";

const MAX_WAITING = 1_000;

/** The updates of one task for one reader. A slow reader loses the oldest updates, never memory. */
export class EventStream implements AsyncIterableIterator<TaskUpdate> {
  private readonly waiting: TaskUpdate[] = [];
  private readonly readers: {
    resolve(result: IteratorResult<TaskUpdate>): void;
    reject(reason: unknown): void;
  }[] = [];
  private readonly signal: AbortSignal | undefined;
  private readonly onEnd: () => void;
  private readonly onAbort = (): void => this.end(null);
  private ended = false;
  private failure: { readonly reason: unknown } | null = null;

  constructor(signal: AbortSignal | undefined, onEnd: () => void) {
    this.signal = signal;
    this.onEnd = onEnd;
    signal?.addEventListener("abort", this.onAbort, { once: true });
  }

  push(update: TaskUpdate): void {
    if (this.ended) return;
    const reader = this.readers.shift();
    if (reader !== undefined) {
      reader.resolve({ done: false, value: update });
      return;
    }
    if (this.waiting.length >= MAX_WAITING) this.waiting.shift();
    this.waiting.push(update);
  }

  /** Ends after what waits; a failure is thrown to the reader there. */
  end(failure: { readonly reason: unknown } | null): void {
    if (this.ended) return;
    this.ended = true;
    this.signal?.removeEventListener("abort", this.onAbort);
    this.onEnd();
    this.failure = failure;
    for (const reader of this.readers.splice(0)) {
      if (this.failure === null) reader.resolve({ done: true, value: undefined });
      else reader.reject(this.takeFailure());
    }
  }

  next(): Promise<IteratorResult<TaskUpdate>> {
    const value = this.waiting.shift();
    if (value !== undefined) return Promise.resolve({ done: false, value });
    if (this.failure !== null) return Promise.reject(this.takeFailure());
    if (this.ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => {
      this.readers.push({ resolve, reject });
    });
  }

  return(): Promise<IteratorResult<TaskUpdate>> {
    this.waiting.length = 0;
    this.end(null);
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Thrown once, as a generator would. */
  private takeFailure(): unknown {
    const reason = this.failure?.reason;
    this.failure = null;
    return reason;
  }
}
