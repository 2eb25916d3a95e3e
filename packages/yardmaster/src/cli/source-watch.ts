import { type FSWatcher, readdirSync, statSync, watch } from "node:fs";
import { dirname, extname, join, relative } from "node:path";
import type { Cancel, Host } from "../host.ts";

/** Editors write a file in several steps; a change is told once they have rested this long. */
const REST_MS = 100;
const SOURCES = new Set([".ts", ".mts", ".cts", ".js", ".mjs", ".cjs", ".json"]);
const IGNORED = new Set(["node_modules", "dist", ".git"]);

/** Calls `changed` when a source file in the folder of `file`, or below it, was written; answers with the way to stop. */
export function watchSources(host: Host, file: string, changed: (path: string) => void): Cancel {
  const root = dirname(file);
  let cancel: Cancel = () => undefined;
  const folders = new Folders((path) => {
    if (!SOURCES.has(extname(path))) return;
    cancel();
    cancel = host.after(REST_MS, () => changed(relative(root, path)));
  });
  folders.follow(root);
  return () => {
    cancel();
    folders.close();
  };
}

/**
 * Watches folder by folder. A recursive watch on Linux follows each file instead, and loses the one that an editor puts
 * another in the place of.
 */
class Folders {
  readonly #changed: (path: string) => void;
  readonly #watchers = new Map<string, FSWatcher>();

  constructor(changed: (path: string) => void) {
    this.#changed = changed;
  }

  follow(folder: string): void {
    if (this.#watchers.has(folder)) return;
    const watcher = watch(folder, (_, name) => {
      if (name !== null && !IGNORED.has(name)) this.#heard(join(folder, name));
    });
    // A folder that is gone, which its parent tells too.
    watcher.on("error", () => this.#drop(folder));
    this.#watchers.set(folder, watcher);
    for (const entry of readdirSync(folder, { withFileTypes: true }))
      if (entry.isDirectory() && !IGNORED.has(entry.name)) this.#tryToFollow(join(folder, entry.name));
  }

  close(): void {
    for (const folder of [...this.#watchers.keys()]) this.#drop(folder);
  }

  #heard(path: string): void {
    const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
    if (isFolder) return this.#tryToFollow(path);
    this.#drop(path);
    this.#changed(path);
  }

  /** One that is gone again, or may not be read, is no reason to watch nothing. */
  #tryToFollow(folder: string): void {
    try {
      this.follow(folder);
    } catch {
      this.#drop(folder);
    }
  }

  #drop(folder: string): void {
    this.#watchers.get(folder)?.close();
    this.#watchers.delete(folder);
  }
}
