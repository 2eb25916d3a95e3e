import { type FSWatcher, watch } from "node:fs";
import { dirname, extname, sep } from "node:path";
import type { Cancel, Host } from "../host.ts";

/** Editors write a file in several steps; a change is told once they have rested this long. */
const REST_MS = 100;
const SOURCES = new Set([".ts", ".mts", ".cts", ".js", ".mjs", ".cjs", ".json"]);
const IGNORED = new Set(["node_modules", "dist", ".git"]);

/** Calls `changed` when a source file in the folder of `file`, or below it, was written; answers with the way to stop. */
export function watchSources(host: Host, file: string, changed: (path: string) => void): Cancel {
  let cancel: Cancel = () => undefined;
  const watcher: FSWatcher = watch(dirname(file), { recursive: true }, (_, path) => {
    if (path === null || !isSource(path)) return;
    cancel();
    cancel = host.after(REST_MS, () => changed(path));
  });
  return () => {
    cancel();
    watcher.close();
  };
}

function isSource(path: string): boolean {
  return SOURCES.has(extname(path)) && !path.split(sep).some((part) => IGNORED.has(part));
}
