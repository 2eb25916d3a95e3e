import type { Delivery, Send, SendOutcome } from "../brokers/broker.ts";
import { refill } from "./refill.ts";

/** A reader's place in a mailbox. */
export interface Cursor {
  /** The tag of the last frame delivered. */
  last: number;
  /** Frames up to this tag were there before the reader. */
  readonly oldUpTo: number;
}

export interface TakeLimits {
  readonly frames: number;
  readonly bytes: number;
}

/**
 * Every mailbox of a yard in memory. Tags rise through all the lives of a mailbox, so that an acknowledgement
 * from an earlier life never meets a frame of a later one.
 */
export class Mailboxes {
  readonly #mailboxes = new Map<string, Mailbox>();
  readonly #waiting = new Map<string, Set<() => void>>();
  #floor = 0;

  declare(name: string): void {
    if (this.#mailboxes.has(name)) return;
    this.#mailboxes.set(name, new Mailbox(this.#floor));
  }

  remove(name: string): void {
    const mailbox = this.#mailboxes.get(name);
    if (mailbox === undefined) return;
    this.#floor = Math.max(this.#floor, mailbox.last);
    this.#mailboxes.delete(name);
  }

  has(name: string): boolean {
    return this.#mailboxes.has(name);
  }

  names(prefix: string): string[] {
    return [...this.#mailboxes.keys()].filter((name) => name.startsWith(prefix)).sort();
  }

  depth(name: string): number {
    return this.#mailboxes.get(name)?.depth ?? 0;
  }

  send(sends: readonly Send[], acks: readonly Delivery[]): SendOutcome[] {
    const outcomes = sends.map(({ mailbox, frame }) => this.#put(mailbox, frame));
    for (const { mailbox, tag } of acks) this.#mailboxes.get(mailbox)?.ack(Number(tag));
    return outcomes;
  }

  /** What `send` would answer. */
  outcomes(sends: readonly Send[]): SendOutcome[] {
    return sends.map(({ mailbox }) => (this.#mailboxes.has(mailbox) ? "confirmed" : "gone"));
  }

  /** What is there now; the answer puts it back. Tags rise through that as well. */
  snapshot(): () => void {
    const kept = [...this.#mailboxes].map(([name, mailbox]) => [name, mailbox.copy()] as const);
    return () => {
      for (const { last } of this.#mailboxes.values()) this.#floor = Math.max(this.#floor, last);
      for (const [, mailbox] of kept) mailbox.skipTo(this.#floor);
      refill(this.#mailboxes, kept);
    };
  }

  /** Where a reader that comes now begins. */
  cursor(name: string): Cursor {
    return { last: 0, oldUpTo: this.#mailboxes.get(name)?.last ?? 0 };
  }

  read(name: string, cursor: Cursor, limits: TakeLimits): Delivery[] {
    return this.#mailboxes.get(name)?.read(name, cursor, limits) ?? [];
  }

  /** Calls `wake` whenever a frame arrives, until the answer is called. */
  watch(name: string, wake: () => void): () => void {
    const wakes = this.#waiting.get(name) ?? new Set();
    this.#waiting.set(name, wakes.add(wake));
    return () => {
      wakes.delete(wake);
      if (wakes.size === 0 && this.#waiting.get(name) === wakes) this.#waiting.delete(name);
    };
  }

  #put(name: string, frame: Uint8Array): SendOutcome {
    const mailbox = this.#mailboxes.get(name);
    if (mailbox === undefined) return "gone";
    mailbox.put(frame);
    for (const wake of this.#waiting.get(name) ?? []) wake();
    return "confirmed";
  }
}

/** A line of frames with dense tags: entry i has the tag `first + i`; an acknowledged one is null. */
class Mailbox {
  #frames: (Uint8Array | null)[] = [];
  #first: number;
  /** Entries before this one are acknowledged. */
  #head = 0;
  depth = 0;

  constructor(lastTag: number) {
    this.#first = lastTag + 1;
  }

  get last(): number {
    return this.#first + this.#frames.length - 1;
  }

  copy(): Mailbox {
    const copy = new Mailbox(this.#first - 1);
    copy.#frames = [...this.#frames];
    copy.depth = this.depth;
    return copy;
  }

  /** The next frame gets a tag above this one. */
  skipTo(tag: number): void {
    while (this.last < tag) this.#frames.push(null);
  }

  put(frame: Uint8Array): void {
    this.#frames.push(frame.slice());
    this.depth += 1;
  }

  ack(tag: number): void {
    const index = tag - this.#first;
    if (this.#frames[index] == null) return;
    this.#frames[index] = null;
    this.depth -= 1;
    while (this.#head < this.#frames.length && this.#frames[this.#head] === null) this.#head += 1;
    if (this.#head >= COMPACT_AT && this.#head * 2 >= this.#frames.length) this.#compact();
  }

  read(mailbox: string, cursor: Cursor, limits: TakeLimits): Delivery[] {
    const deliveries: Delivery[] = [];
    let bytes = 0;
    let index = Math.max(this.#head, cursor.last + 1 - this.#first);
    for (; index < this.#frames.length && deliveries.length < limits.frames; index += 1) {
      const frame = this.#frames[index];
      if (frame == null) continue;
      bytes += frame.length;
      if (bytes > limits.bytes && deliveries.length > 0) break;
      const tag = this.#first + index;
      deliveries.push({ mailbox, tag, frame, redelivered: tag <= cursor.oldUpTo });
      cursor.last = tag;
    }
    return deliveries;
  }

  #compact(): void {
    this.#frames = this.#frames.slice(this.#head);
    this.#first += this.#head;
    this.#head = 0;
  }
}

/** Moving the rest of a line costs nothing that shows once this many entries are gone from its front. */
const COMPACT_AT = 1024;
