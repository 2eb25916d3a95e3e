import { type Host, pause } from "../host.ts";
import { YardmasterError } from "../protocol/errors.ts";
import type { Database, Statement } from "./driver.ts";
import { type Half, isBusy, isFull, translate } from "./failure.ts";

/**
 * One connection of one thread, and the queue of its writes.
 *
 * SQLite's own busy handler sleeps on the event loop in coarse steps; a write that finds the file locked waits here
 * on a timer instead, and those behind it keep their order.
 */
export class Connection {
  readonly path: string;
  readonly #db: Database;
  readonly #host: Host;
  readonly #syncs: boolean;
  readonly #begin: Statement;
  readonly #commit: Statement;
  readonly #waiting: Write[] = [];
  #syncing = true;
  #draining = false;
  #closed = false;

  /** `syncs` is false when even durable writes are left to the operating system. */
  constructor(db: Database, path: string, host: Host, options: { readonly syncs: boolean }) {
    this.#db = db;
    this.path = path;
    this.#host = host;
    this.#syncs = options.syncs;
    this.#begin = db.prepare("BEGIN IMMEDIATE");
    this.#commit = db.prepare("COMMIT");
  }

  prepare(sql: string): Statement {
    return this.#db.prepare(sql);
  }

  /** Runs `read` outside of a transaction, again if the file is locked. */
  async read<T>(half: Half, read: () => T): Promise<T> {
    const deadline = this.#host.monotonic() + GIVE_UP_MS;
    for (;;) {
      if (this.#closed) throw closed();
      try {
        return read();
      } catch (error) {
        if (!isBusy(error) || this.#host.monotonic() > deadline) throw translate(error, half, this.path);
      }
      await pause(this.#host, RETRY_MS);
    }
  }

  /**
   * Runs `write` in a transaction of its own, behind those that wait already. A durable one is on the disk when the
   * answer comes; another one survives the process but not the machine.
   */
  write<T>(half: Half, isDurable: () => boolean, write: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(closed());
      const deadline = this.#host.monotonic() + GIVE_UP_MS;
      const run = (): void => resolve(this.#transact(isDurable, write));
      this.#waiting.push({ run, reject: (error) => reject(translate(error, half, this.path)), deadline });
      if (!this.#draining) this.#drain();
    });
  }

  /** Runs `write` now or fails; for the last words of a process that closes. */
  writeNow<T>(half: Half, write: () => T): T {
    try {
      return this.#transact(TRANSIENT, write);
    } catch (error) {
      throw translate(error, half, this.path);
    }
  }

  /** Closes the file. Writes that still wait are refused. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const write of this.#waiting.splice(0)) write.reject(closed());
    this.#db.close();
  }

  #drain(): void {
    this.#draining = true;
    for (let write = this.#waiting[0]; write !== undefined; write = this.#waiting[0]) {
      if (!this.#settle(write)) {
        this.#host.after(RETRY_MS, () => this.#drain());
        return;
      }
      this.#waiting.shift();
    }
    this.#draining = false;
  }

  /** False when the file is locked and the write has time to wait. */
  #settle({ run, reject, deadline }: Write): boolean {
    for (let tries = 1; ; tries += 1) {
      try {
        run();
        return true;
      } catch (error) {
        if (isBusy(error) && tries < TRIES_AT_ONCE) continue;
        if (isBusy(error) && this.#host.monotonic() < deadline) return false;
        reject(error);
        return true;
      }
    }
  }

  #transact<T>(isDurable: () => boolean, write: () => T): T {
    this.#sync(this.#syncs && isDurable());
    this.#begin.run();
    try {
      const value = write();
      this.#commit.run();
      return value;
    } catch (error) {
      this.#try("ROLLBACK"); // SQLite may have done so by itself.
      // What the log holds goes into the file, so that its room is there for what makes room: acknowledgements, sweeps.
      if (isFull(error)) this.#try("PRAGMA wal_checkpoint(PASSIVE)");
      throw error;
    }
  }

  /** Costs under a microsecond; nothing in between transactions may undo it. */
  #sync(wanted: boolean): void {
    if (this.#syncing === wanted) return;
    this.#db.exec(wanted ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
    this.#syncing = wanted;
  }

  #try(sql: string): void {
    try {
      this.#db.exec(sql);
    } catch {
      // The error that led here says more.
    }
  }
}

/** Writes that must be on the disk when they are answered, and writes that need not. */
export const DURABLE = (): boolean => true;
export const TRANSIENT = (): boolean => false;

interface Write {
  readonly run: () => void;
  readonly reject: (error: unknown) => void;
  readonly deadline: number;
}

function closed(): YardmasterError {
  return new YardmasterError("CLOSED", "The yard was closed.");
}

/** A write transaction takes 40 to 300 µs, so that the next try is seldom in vain. */
const RETRY_MS = 1;
const TRIES_AT_ONCE = 3;
/** A process that was stopped in the middle of a transaction holds the file for as long as it stays so. */
const GIVE_UP_MS = 5_000;
