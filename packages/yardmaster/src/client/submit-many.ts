import { optionCheck } from "../definition/options.ts";
import type { Draft } from "./submission.ts";

/** How far ahead of the caller's loop inputs are read and sent. */
const MAX_AHEAD = 4_000;

/** What submitting a sequence needs of its client. */
export interface ManySource<Handle> {
  draft(input: unknown): Draft | Promise<Draft>;
  /** Null while there is room for another submission. */
  room(draft: Draft): Promise<void> | null;
  send(draft: Draft): Promise<Handle>;
}

type Entry<Handle> = Promise<Handle> | { readonly failure: unknown };

/**
 * Submits inputs as fast as the broker confirms them and hands out their handles in order.
 *
 * Reading ahead is bounded, so that a million inputs take the memory of a few thousand. Ends at the first input that
 * is refused or cannot be read, after the handles of those before it; what follows it is never submitted.
 */
export async function* submitMany<Handle>(
  source: ManySource<Handle>,
  inputs: Iterable<unknown> | AsyncIterable<unknown>,
): AsyncGenerator<Handle, void, undefined> {
  const isAsync = typeof inputs === "object" && inputs !== null && Symbol.asyncIterator in inputs;
  if (!isAsync && typeof Object(inputs)[Symbol.iterator] !== "function")
    optionCheck("submitMany").refuse("inputs", "something to iterate over", inputs);
  const pump = new Pump(source);
  void (isAsync ? pump.runAsync(inputs) : pump.run(inputs));
  try {
    for (;;) {
      const handle = await pump.next();
      if (handle === null) return;
      yield handle;
    }
  } finally {
    pump.stop();
  }
}

/** Moves inputs from the caller's iterable into a bounded queue of submissions. */
class Pump<Handle> {
  private readonly source: ManySource<Handle>;
  private entries: Entry<Handle>[] = [];
  private head = 0;
  private isStopped = false;
  private hasEnded = false;
  private onEntry: (() => void) | null = null;
  private onRoom: (() => void) | null = null;

  constructor(source: ManySource<Handle>) {
    this.source = source;
  }

  /** The next submission in order; null after the last. Rejects where the sequence ends by a failure. */
  async next(): Promise<Handle | null> {
    while (this.head === this.entries.length) {
      if (this.hasEnded) return null;
      await new Promise<void>((resolve) => {
        this.onEntry = resolve;
      });
    }
    const entry = this.entries[this.head];
    this.head += 1;
    this.compact();
    if (entry === undefined) return null;
    if ("failure" in entry) throw entry.failure;
    return entry;
  }

  stop(): void {
    this.isStopped = true;
    this.onRoom?.();
    // Nobody looks at these any more.
    for (const entry of this.entries.slice(this.head)) {
      if (entry instanceof Promise) entry.catch(() => undefined);
    }
  }

  async run(inputs: Iterable<unknown>): Promise<void> {
    try {
      for (const input of inputs) {
        const waiting = this.offer(input);
        if (waiting !== null) await waiting;
        if (this.isStopped) break;
      }
    } catch (failure) {
      this.add({ failure });
    }
    this.end();
  }

  async runAsync(inputs: AsyncIterable<unknown>): Promise<void> {
    try {
      for await (const input of inputs) {
        if (this.isStopped) break;
        const waiting = this.offer(input);
        if (waiting !== null) await waiting;
        if (this.isStopped) break;
      }
    } catch (failure) {
      this.add({ failure });
    }
    this.end();
  }

  /** Submits one input at once where it can; else the promise to wait for. Throws what refuses the input. */
  private offer(input: unknown): Promise<void> | null {
    const drafted = this.source.draft(input);
    if (drafted instanceof Promise) return drafted.then((draft) => this.send(draft) ?? undefined);
    return this.send(drafted);
  }

  private send(draft: Draft): Promise<void> | null {
    const room = this.source.room(draft);
    if (room !== null) return room.then(() => this.send(draft) ?? undefined);
    if (this.isStopped) return null;
    this.add(this.source.send(draft));
    return this.entries.length - this.head < MAX_AHEAD ? null : this.roomAhead();
  }

  private roomAhead(): Promise<void> {
    return new Promise((resolve) => {
      this.onRoom = resolve;
    });
  }

  private add(entry: Entry<Handle>): void {
    // A failure is the reader's to see, and it may come before the reader does.
    if (entry instanceof Promise) entry.catch(() => undefined);
    this.entries.push(entry);
    this.onEntry?.();
  }

  private end(): void {
    this.hasEnded = true;
    this.onEntry?.();
  }

  private compact(): void {
    if (this.head < MAX_AHEAD / 2 && this.head < this.entries.length) return;
    this.entries = this.entries.slice(this.head);
    this.head = 0;
    this.onRoom?.();
    this.onRoom = null;
  }
}
