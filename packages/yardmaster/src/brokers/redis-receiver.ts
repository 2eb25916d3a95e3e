import type { Entry, Reader, Source } from "../redis/reader.ts";
import type { Delivery, Receiver } from "./broker.ts";

interface Waiting {
  readonly id: string;
  readonly frame: Buffer;
  readonly stream: StreamSource;
}

/** Where a receiver reads: one stream for a lane, one in each shard's tag for a process's mailbox. */
export interface StreamStart {
  readonly shard: number;
  readonly key: string;
  /** Entries up to this id were there before the receiver. */
  readonly oldUpTo: string;
  readonly reader: Reader;
}

/** The receiver of a mailbox. What was read and not taken yet waits here, within bounds. */
export class RedisReceiver implements Receiver {
  readonly #mailbox: string;
  readonly #onEnd: () => void;
  readonly #streams: readonly StreamSource[];
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #isOpen = true;
  #resume: (() => void) | null = null;

  constructor(mailbox: string, starts: readonly StreamStart[], onEnd: () => void) {
    this.#mailbox = mailbox;
    this.#onEnd = onEnd;
    this.#streams = starts.map((start) => new StreamSource(start, this));
    for (const stream of this.#streams) stream.reader.add(stream);
  }

  get hasRoom(): boolean {
    return this.#waiting.length < MAX_FRAMES && this.#waitingBytes < MAX_BYTES;
  }

  async take(limits: { readonly frames: number; readonly bytes: number }): Promise<Delivery[]> {
    while (this.#isOpen && this.#waiting.length === 0) {
      await new Promise<void>((resolve) => {
        this.#resume = resolve;
      });
      this.#resume = null;
    }
    if (!this.#isOpen) return [];
    const hadRoom = this.hasRoom;
    const taken = this.#waiting.splice(0, this.#countWithin(limits));
    for (const { frame } of taken) this.#waitingBytes -= frame.length;
    if (!hadRoom && this.hasRoom) for (const { reader } of this.#streams) reader.poke();
    return taken.map(({ id, frame, stream }) => ({
      mailbox: this.#mailbox,
      tag: `${stream.shard} ${id}`,
      frame,
      redelivered: stream.deliver(id),
    }));
  }

  async close(): Promise<void> {
    this.end();
  }

  end(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const stream of this.#streams) stream.reader.remove(stream);
    this.#resume?.();
    this.#onEnd();
  }

  add(stream: StreamSource, entries: readonly Entry[]): void {
    for (const { id, frame } of entries) {
      this.#waiting.push({ id, frame, stream });
      this.#waitingBytes += frame.length;
    }
    if (entries.length > 0) this.#resume?.();
  }

  /** Forgets what was read from a stream and not taken: it is read again. */
  forget(stream: StreamSource): void {
    this.#waiting = this.#waiting.filter((waiting) => waiting.stream !== stream);
    this.#waitingBytes = this.#waiting.reduce((sum, { frame }) => sum + frame.length, 0);
  }

  #countWithin(limits: { readonly frames: number; readonly bytes: number }): number {
    let count = 0;
    let bytes = 0;
    for (const { frame } of this.#waiting) {
      bytes += frame.length;
      if (count === limits.frames || (bytes > limits.bytes && count > 0)) break;
      count += 1;
    }
    return count;
  }
}

class StreamSource implements Source {
  readonly key: string;
  readonly shard: number;
  readonly reader: Reader;
  readonly #receiver: RedisReceiver;
  cursor: string = START;
  #oldUpTo: string;
  #delivered = START;

  constructor({ key, shard, oldUpTo, reader }: StreamStart, receiver: RedisReceiver) {
    this.key = key;
    this.shard = shard;
    this.reader = reader;
    this.#oldUpTo = oldUpTo;
    this.#receiver = receiver;
  }

  hasRoom(): boolean {
    return this.#receiver.hasRoom;
  }

  take(entries: readonly Entry[]): void {
    this.#receiver.add(this, entries);
  }

  restart(): void {
    this.cursor = START;
    if (isAfter(this.#delivered, this.#oldUpTo)) this.#oldUpTo = this.#delivered;
    this.#receiver.forget(this);
  }

  /** Notes that an entry is handed out; whether somebody may have seen it before. */
  deliver(id: string): boolean {
    this.#delivered = id;
    return !isAfter(id, this.#oldUpTo);
  }
}

/** Whether one entry's id is above another's: "number-number". */
function isAfter(id: string, other: string): boolean {
  const [first = "0", second = "0"] = id.split("-");
  const [otherFirst = "0", otherSecond = "0"] = other.split("-");
  if (first !== otherFirst) return Number(first) > Number(otherFirst);
  return Number(second) > Number(otherSecond);
}

const START = "0-0";
const MAX_FRAMES = 512;
const MAX_BYTES = 8 * 1024 * 1024;
