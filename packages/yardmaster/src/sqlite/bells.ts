import { closeSync, type FSWatcher, mkdirSync, openSync, rmSync, watch, writeSync } from "node:fs";
import { join } from "node:path";

/**
 * Wakes receivers in other processes: one file for each mailbox that is received from, watched by its receiver and
 * written to, after the commit, by whoever sent.
 *
 * A watch on the database's own files would fire before the commit can be seen.
 */
export class Bells {
  readonly #folder: string;
  /** The least recently used first. */
  readonly #open = new Map<number, number>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Calls `wake` when the bell rings. Null when the system has no watch to give. */
  listen(mailbox: number, wake: () => void): (() => void) | null {
    try {
      mkdirSync(this.#folder, { recursive: true });
      closeSync(openSync(this.#path(mailbox), "a"));
      const watcher = watch(this.#path(mailbox), wake);
      return stopper(watcher);
    } catch {
      return null;
    }
  }

  ring(mailbox: number): void {
    const file = this.#file(mailbox);
    if (file === null) return;
    try {
      writeSync(file, RING, 0, 1, 0);
    } catch {
      // A full disk, say. The receiver looks by itself from time to time.
    }
  }

  remove(mailbox: number): void {
    this.#forget(mailbox);
    rmSync(this.#path(mailbox), { force: true });
  }

  close(): void {
    for (const mailbox of [...this.#open.keys()]) this.#forget(mailbox);
  }

  /** Null when nobody has ever listened. */
  #file(mailbox: number): number | null {
    const known = this.#open.get(mailbox);
    this.#open.delete(mailbox);
    try {
      const file = known ?? openSync(this.#path(mailbox), "r+");
      this.#open.set(mailbox, file);
      const [oldest] = this.#open.keys();
      if (this.#open.size > MAX_OPEN && oldest !== undefined) this.#forget(oldest);
      return file;
    } catch {
      return null;
    }
  }

  #forget(mailbox: number): void {
    const file = this.#open.get(mailbox);
    this.#open.delete(mailbox);
    if (file !== undefined) closeSync(file);
  }

  #path(mailbox: number): string {
    return join(this.#folder, String(mailbox));
  }
}

function stopper(watcher: FSWatcher): () => void {
  // The bell may be removed with its mailbox while somebody listens.
  watcher.on("error", () => watcher.close());
  return () => watcher.close();
}

const RING = new Uint8Array([1]);
const MAX_OPEN = 256;
