import type { Cancel } from "../host.ts";
import { bytesOf, int8Array } from "../postgres/arrays.ts";
import type { Row } from "../postgres/driver.ts";
import type { Link } from "../postgres/link.ts";
import type { Yard } from "../postgres/yard.ts";
import { YardmasterError } from "../protocol/errors.ts";
import type { Delivery, Receiver } from "./broker.ts";

const HALF = "BROKER_UNAVAILABLE";

export interface PostgresReceiver extends Receiver {
  /** The channel on which senders of other processes wake it. */
  readonly channel: string;
  /** There may be something new. */
  wake(): void;
  /** There may be something new, in a transaction that is older than what was read last. */
  wakeFully(): void;
  acknowledged(tag: number): void;
  /** The connection is a new one: what was taken is delivered again. */
  restart(): void;
  end(): void;
}

/** Opens a receiver; `onEnd` is called once when it stops, and says whether no other one listens. */
export async function openPostgresReceiver(
  yard: Yard,
  mailbox: string,
  onEnd: () => boolean,
): Promise<PostgresReceiver> {
  const link = await yard.listening();
  const key = String(yard.key(mailbox));
  const channel = `yardmaster_${key}`;
  const [found] = await link.run(
    HALF,
    yard.sql(`SELECT greatest((SELECT max(id) FROM @.frame WHERE mailbox = $1),
      (SELECT max(id) FROM @.note WHERE mailbox = $1)) FROM @.mailbox WHERE id = $1`),
    [key],
  );
  if (found === undefined)
    throw new YardmasterError(HALF, `There is no mailbox ${mailbox}: declare it first.`);
  await link.run(HALF, `LISTEN "${channel}"`);
  return new FrameReceiver(yard, link, mailbox, channel, Number(found[0]), onEnd);
}

/**
 * Reads what is not in hand. A frame may become visible after one with a higher id, so that nothing is ever taken for
 * read because of its number alone: looks near the newest frame are quick, and one each second, or after a commit of
 * a caller's transaction, begins at the first.
 */
class FrameReceiver implements PostgresReceiver {
  readonly channel: string;
  readonly #yard: Yard;
  readonly #link: Link;
  readonly #mailbox: string;
  readonly #sql: string;
  readonly #onEnd: () => boolean;
  readonly #hand = new Set<number>();
  /** Frames up to this one may have been delivered before. */
  #oldUpTo: number;
  #newest = 0;
  #lookedFullyAt = Number.NEGATIVE_INFINITY;
  /** The session holds the lock that says so. */
  #isAsleep = false;
  #isRung = false;
  #isOpen = true;
  #resume: (() => void) | null = null;

  constructor(
    yard: Yard,
    link: Link,
    mailbox: string,
    channel: string,
    oldUpTo: number,
    onEnd: () => boolean,
  ) {
    this.#yard = yard;
    this.#link = link;
    this.#mailbox = mailbox;
    this.channel = channel;
    this.#oldUpTo = oldUpTo;
    this.#onEnd = onEnd;
    this.#sql = yard.sql("SELECT * FROM @.look($1, $2, $3, $4, $5, $6)");
  }

  /** Looks a macrotask later, so that what is sent in one go is taken in one go. */
  async take(limits: { readonly frames: number; readonly bytes: number }): Promise<Delivery[]> {
    await new Promise<void>((resolve) => this.#yard.host.defer(resolve));
    let busyMs = FIRST_BUSY_MS;
    while (this.#isOpen) {
      this.#isRung = false;
      const rows = await this.#look(limits);
      if (rows.length > 0 && this.#isOpen) return this.#deliver(rows);
      if (!this.#isOpen || this.#isRung) continue;
      await this.#ringing(this.#isAsleep || this.#link.trouble !== null ? LOOK_MS : busyMs);
      busyMs = Math.min(busyMs * 2, LAST_BUSY_MS);
    }
    return [];
  }

  async close(): Promise<void> {
    this.end();
  }

  end(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#resume?.();
    const isLast = this.#onEnd();
    if (this.#isAsleep) this.#unlock();
    if (isLast) this.#last(`UNLISTEN "${this.channel}"`);
  }

  wake(): void {
    if (this.#isRung) return;
    this.#isRung = true;
    this.#resume?.();
  }

  wakeFully(): void {
    this.#lookedFullyAt = Number.NEGATIVE_INFINITY;
    this.wake();
  }

  acknowledged(tag: number): void {
    this.#hand.delete(Math.abs(tag));
  }

  restart(): void {
    this.#oldUpTo = Math.max(this.#oldUpTo, this.#newest);
    this.#hand.clear();
    this.#isAsleep = false;
    this.wakeFully();
  }

  /** The frames, none where there is nothing or the server is away. */
  async #look(limits: { readonly frames: number; readonly bytes: number }): Promise<readonly Row[]> {
    const now = this.#yard.host.monotonic();
    const isFull = now - this.#lookedFullyAt >= LOOK_MS;
    if (isFull) this.#lookedFullyAt = now;
    const wasAsleep = this.#isAsleep;
    try {
      const rows = await this.#link.run(HALF, { name: "look", text: this.#sql }, [
        String(this.#yard.key(this.#mailbox)),
        int8Array([...this.#hand]),
        isFull ? 0 : Math.max(0, this.#newest - NEAR),
        Math.min(limits.frames, MAX_FRAMES),
        limits.bytes,
        wasAsleep,
      ]);
      const [first] = rows;
      const isEmpty = rows.length === 1 && first?.[1] === null;
      this.#isAsleep = isEmpty && first?.[0] === "1";
      if (this.#isAsleep && !this.#isOpen) this.#unlock();
      return isEmpty ? [] : rows;
    } catch (error) {
      if (error instanceof YardmasterError) return []; // It comes back, or we were closed.
      throw error;
    }
  }

  #unlock(): void {
    this.#isAsleep = false;
    this.#last(`SELECT pg_advisory_unlock(${this.#yard.key(this.#mailbox)})`);
  }

  /** What the end of the session would do as well. */
  #last(sql: string): void {
    this.#link.run(HALF, sql).catch(() => undefined);
  }

  #deliver(rows: readonly Row[]): Delivery[] {
    return rows.map(([cell, content]) => {
      const tag = Number(cell);
      const id = Math.abs(tag);
      this.#hand.add(id);
      if (id > this.#newest) this.#newest = id;
      return { mailbox: this.#mailbox, tag, frame: bytesOf(content), redelivered: id <= this.#oldUpTo };
    });
  }

  /** Resolves when there may be something to see, or after `delayMs`. */
  #ringing(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      let cancel: Cancel = () => undefined;
      this.#resume = () => {
        this.#resume = null;
        cancel();
        resolve();
      };
      cancel = this.#yard.host.after(delayMs, () => this.#resume?.());
    });
  }
}

const LOOK_MS = 1_000;
/** While somebody is sending, nobody can fall asleep. */
const FIRST_BUSY_MS = 2;
const LAST_BUSY_MS = 64;
/** No send is so slow that this many others overtake it. */
const NEAR = 10_000;
const MAX_FRAMES = 1_000_000;
