import type { Host } from "../host.ts";
import { YardmasterError } from "../protocol/errors.ts";
import type { StoredFrame } from "../sqlite/frames.ts";
import type { YardFile } from "../sqlite/yard-file.ts";
import type { Delivery, Receiver } from "./broker.ts";

const HALF = "BROKER_UNAVAILABLE";

export interface SqliteReceiver extends Receiver {
  end(): void;
}

/** Opens a receiver, which reads a mailbox with a cursor; `onEnd` is called once when it stops. */
export async function openSqliteReceiver(
  file: YardFile,
  name: string,
  host: Host,
  onEnd: () => void,
): Promise<SqliteReceiver> {
  const found = await file.connection.read(HALF, () => file.frames.find(name));
  if (found === null) throw new YardmasterError(HALF, `There is no mailbox ${name}: declare it first.`);
  return new FrameReceiver(file, name, host, found, onEnd);
}

class FrameReceiver implements SqliteReceiver {
  readonly #file: YardFile;
  readonly #name: string;
  readonly #host: Host;
  readonly #onEnd: () => void;
  readonly #wake: () => void = () => this.#woken();
  #mailbox: number;
  #cursor = BEFORE_ALL;
  /** Frames up to this one were there before this receiver. */
  #oldUpTo: number;
  /** Null where there are no bells to be had. */
  #stopListening: (() => void) | null;
  #isRung = false;
  #isOpen = true;
  #resume: (() => void) | null = null;

  constructor(
    file: YardFile,
    name: string,
    host: Host,
    found: { readonly id: number; readonly last: number },
    onEnd: () => void,
  ) {
    this.#file = file;
    this.#name = name;
    this.#host = host;
    this.#onEnd = onEnd;
    this.#mailbox = found.id;
    this.#oldUpTo = found.last;
    this.#stopListening = file.bells.listen(found.id, this.#wake);
    file.receivers.set(name, (file.receivers.get(name) ?? new Set()).add(this.#wake));
  }

  /** Looks a macrotask later, so that what is sent in one go is taken in one go and nobody starves the event loop. */
  async take(limits: { readonly frames: number; readonly bytes: number }): Promise<Delivery[]> {
    await new Promise<void>((resolve) => this.#host.defer(resolve));
    while (this.#isOpen) {
      this.#isRung = false;
      const frames = await this.#looked(limits);
      if (frames.length > 0 && this.#isOpen) return this.#deliver(frames);
      if (this.#isOpen && !this.#isRung) await this.#ringing();
    }
    return [];
  }

  async close(): Promise<void> {
    this.end();
  }

  end(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#stopListening?.();
    const wakes = this.#file.receivers.get(this.#name);
    wakes?.delete(this.#wake);
    if (wakes?.size === 0) this.#file.receivers.delete(this.#name);
    this.#resume?.();
    this.#onEnd();
  }

  async #looked(limits: { readonly frames: number; readonly bytes: number }): Promise<StoredFrame[]> {
    try {
      return await this.#file.connection.read(HALF, () => this.#look(limits));
    } catch (error) {
      if (this.#isOpen) throw error;
      return []; // The yard was closed while it was locked.
    }
  }

  #look(limits: { readonly frames: number; readonly bytes: number }): StoredFrame[] {
    const frames = this.#file.frames.read(this.#mailbox, this.#cursor, limits);
    if (frames.length > 0 || !this.#follow()) return frames;
    return this.#file.frames.read(this.#mailbox, this.#cursor, limits);
  }

  /** Turns to the mailbox that has the name now, if this one was removed and declared again. */
  #follow(): boolean {
    const found = this.#file.frames.find(this.#name);
    if (found === null || found.id === this.#mailbox) return false;
    this.#stopListening?.();
    this.#mailbox = found.id;
    this.#cursor = BEFORE_ALL;
    this.#oldUpTo = 0;
    this.#stopListening = this.#file.bells.listen(found.id, this.#wake);
    return true;
  }

  #deliver(frames: readonly StoredFrame[]): Delivery[] {
    this.#cursor = frames.at(-1)?.id ?? this.#cursor;
    return frames.map(({ id, content }) => ({
      mailbox: this.#name,
      tag: id,
      frame: content,
      redelivered: id <= this.#oldUpTo,
    }));
  }

  #woken(): void {
    if (this.#isRung) return;
    this.#isRung = true;
    this.#host.defer(() => this.#resume?.());
  }

  /** Resolves when there may be something to see; a lost ring costs no more than the safety look's interval. */
  #ringing(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#host.after(this.#stopListening === null ? LOOK_WITHOUT_BELL_MS : LOOK_MS, () =>
        this.#resume?.(),
      );
      this.#resume = () => {
        this.#resume = null;
        cancel();
        resolve();
      };
    });
  }
}

/** Also before what a damaged file has numbered anew: what `depth` counts is taken. */
const BEFORE_ALL = Number.NEGATIVE_INFINITY;
const LOOK_MS = 1_000;
const LOOK_WITHOUT_BELL_MS = 20;
