import type { Delivery, Send, SendOutcome } from "../brokers/broker.ts";
import type { Connection } from "./connection.ts";
import { blob, int, type Statement, text } from "./driver.ts";

/** What a transaction sent: the answers, and which bells to ring once it is committed. */
export interface Sent {
  readonly outcomes: SendOutcome[];
  readonly mailboxes: ReadonlyMap<string, number>;
}

export interface StoredFrame {
  readonly id: number;
  readonly content: Uint8Array;
}

/**
 * The mailboxes of a file and what they hold. A mailbox's `last` is the id of its newest frame and only rises: ids
 * are dense, so that a run of acknowledgements is one deletion.
 */
export class Frames {
  readonly #declare: Statement;
  readonly #remove: Statement;
  readonly #empty: Statement;
  readonly #find: Statement;
  readonly #names: Statement;
  readonly #depth: Statement;
  readonly #advance: Statement;
  readonly #insert: Statement;
  readonly #ack: Statement;
  readonly #read: Statement;
  readonly #marked: Statement;
  /** Names of mailboxes that are known to be durable or known not to be. */
  readonly #durable = new Map<string, boolean>();

  constructor(connection: Connection) {
    const prepare = (sql: string): Statement => connection.prepare(sql);
    this.#declare = prepare(
      "INSERT INTO mailbox (name, durable, last) VALUES (?, ?, 0) ON CONFLICT DO NOTHING",
    );
    this.#remove = prepare("DELETE FROM mailbox WHERE name = ? RETURNING id");
    this.#empty = prepare("DELETE FROM frame WHERE mailbox = ?");
    this.#find = prepare("SELECT id, last, durable FROM mailbox WHERE name = ?");
    this.#names = prepare("SELECT name FROM mailbox WHERE substr(name, 1, length(?)) = ? ORDER BY name");
    this.#depth = prepare(
      "SELECT count(*) AS n FROM mailbox JOIN frame ON mailbox = mailbox.id WHERE name = ?",
    );
    this.#advance = prepare("UPDATE mailbox SET last = last + ? WHERE name = ? RETURNING id, last");
    this.#insert = prepare("INSERT INTO frame (mailbox, id, content) VALUES (?, ?, ?)");
    this.#ack = prepare(
      "DELETE FROM frame WHERE mailbox = (SELECT id FROM mailbox WHERE name = ?) AND id BETWEEN ? AND ?",
    );
    this.#read = prepare("SELECT id, content FROM frame WHERE mailbox = ? AND id > ? ORDER BY id LIMIT ?");
    this.#marked = prepare(
      "SELECT 1 FROM frame WHERE mark = ? AND mailbox = (SELECT id FROM mailbox WHERE name = ?)",
    );
  }

  declare(name: string, durable: boolean): void {
    this.#declare.run(name, durable ? 1 : 0);
  }

  /** Answers with the id of the mailbox that was there. */
  remove(name: string): number | null {
    this.#durable.delete(name);
    const row = this.#remove.get(name);
    if (row === undefined) return null;
    this.#empty.run(int(row["id"]));
    return int(row["id"]);
  }

  find(name: string): { id: number; last: number } | null {
    const row = this.#find.get(name);
    return row === undefined ? null : { id: int(row["id"]), last: int(row["last"]) };
  }

  names(prefix: string): string[] {
    return this.#names.all(prefix, prefix).map(({ name }) => text(name));
  }

  depth(name: string): number {
    return int(this.#depth.get(name)?.["n"]);
  }

  /** Whether a frame with this mark waits in the mailbox. */
  hasMarked(name: string, mark: string): boolean {
    return this.#marked.get(mark, name) !== undefined;
  }

  /** Whether any of these must be on the disk before it is confirmed. */
  areDurable(sends: readonly Send[]): boolean {
    return sends.some(({ mailbox }) => this.#isDurable(mailbox));
  }

  /** Sends and acknowledges; inside a transaction. */
  put(sends: readonly Send[], acks: readonly Delivery[]): Sent {
    const outcomes: SendOutcome[] = [];
    const mailboxes = new Map<string, number>();
    for (let start = 0, end = 0; start < sends.length; start = end) {
      const name = sends[start]?.mailbox ?? "";
      while (end < sends.length && sends[end]?.mailbox === name) end += 1;
      const id = this.#putRun(name, sends, start, end);
      if (id !== null) mailboxes.set(name, id);
      for (let n = start; n < end; n += 1) outcomes.push(id === null ? "gone" : "confirmed");
    }
    this.#acknowledge(acks);
    return { outcomes, mailboxes };
  }

  /** What `put` would answer. */
  outcomes(sends: readonly Send[]): SendOutcome[] {
    return sends.map(({ mailbox }) => (this.find(mailbox) === null ? "gone" : "confirmed"));
  }

  /** The frames behind `after`, in order; at least one if there is one, however long. */
  read(
    mailbox: number,
    after: number,
    limits: { readonly frames: number; readonly bytes: number },
  ): StoredFrame[] {
    const frames: StoredFrame[] = [];
    let bytes = 0;
    for (const row of this.#read.iterate(mailbox, after, limits.frames)) {
      const content = blob(row["content"]);
      bytes += content.length;
      if (bytes > limits.bytes && frames.length > 0) break;
      frames.push({ id: int(row["id"]), content });
    }
    return frames;
  }

  #putRun(name: string, sends: readonly Send[], start: number, end: number): number | null {
    const row = this.#advance.get(end - start, name);
    if (row === undefined) return null;
    const mailbox = int(row["id"]);
    const first = int(row["last"]) - (end - start) + 1;
    for (let n = start; n < end; n += 1) {
      const send = sends[n];
      if (send !== undefined) this.#insert.run(mailbox, first + n - start, send.frame);
    }
    return mailbox;
  }

  #acknowledge(acks: readonly Delivery[]): void {
    for (let start = 0, end = 0; start < acks.length; start = end) {
      const first = acks[start];
      if (first === undefined) return;
      let last = Number(first.tag);
      for (end = start + 1; end < acks.length; end += 1, last += 1) {
        const next = acks[end];
        if (next?.mailbox !== first.mailbox || Number(next.tag) !== last + 1) break;
      }
      this.#ack.run(first.mailbox, Number(first.tag), last);
    }
  }

  #isDurable(name: string): boolean {
    const known = this.#durable.get(name);
    if (known !== undefined) return known;
    const row = this.#find.get(name);
    if (row === undefined) return false;
    if (this.#durable.size >= MAX_REMEMBERED) this.#durable.clear();
    const durable = row["durable"] === 1;
    this.#durable.set(name, durable);
    return durable;
  }
}

const MAX_REMEMBERED = 1024;
