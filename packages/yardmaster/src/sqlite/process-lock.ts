import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Database, openDatabase } from "./driver.ts";
import { translate } from "./failure.ts";

/**
 * A lock that the operating system drops with the process: an exclusive transaction on a small file of the
 * process's own, whose name nobody else learns before it is locked.
 */
export interface ProcessLock {
  readonly name: string;
  release(): void;
}

/** Throws STORE_FULL where its file finds no room. */
export function takeProcessLock(folder: string, name: string): ProcessLock {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, name);
  const db = openDatabase(path);
  try {
    db.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    db.close();
    throw translate(error, "BROKER_UNAVAILABLE", path);
  }
  return {
    name,
    release: () => {
      db.close();
      rmSync(path, { force: true });
    },
  };
}

/** Without a dot and without a slash: never another folder's file; and short enough for any file system. */
const LOCK_NAME = /^[\w-]{1,100}$/;

/**
 * Tells whether locks are still held. A probe is a shared lock for the moment of a read, so that any number of
 * probers pass each other by, and none is taken for the holder.
 */
export class LockProbes {
  readonly #folder: string;
  readonly #open = new Map<string, Database>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** False once and for all when the holder is gone; its file goes too. What cannot be told is held. */
  isHeld(name: string): boolean {
    // The name comes from a row: whatever else it names is not looked at, and above all not removed.
    if (!LOCK_NAME.test(name)) return true;
    const path = join(this.#folder, name);
    try {
      const db = this.#open.get(name) ?? openDatabase(path, { readOnly: true });
      this.#open.set(name, db);
      db.exec("SELECT count(*) FROM sqlite_schema");
    } catch {
      // Locked, or out of file descriptors.
      if (existsSync(path)) return true;
    }
    this.#forget(name);
    rmSync(path, { force: true });
    return false;
  }

  close(): void {
    for (const name of [...this.#open.keys()]) this.#forget(name);
  }

  #forget(name: string): void {
    this.#open.get(name)?.close();
    this.#open.delete(name);
  }
}
