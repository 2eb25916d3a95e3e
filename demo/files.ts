import type { Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, relative, sep } from "node:path";

/**
 * The paths of at most `limit` regular files in a folder and below it, in a stable order. Hidden ones are left out:
 * tools keep caches there, which may change while the demonstration runs.
 */
export async function filesIn(folder: string, limit: number): Promise<string[]> {
  const entries: Dirent[] = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !`${sep}${relative(folder, path)}`.includes(`${sep}.`))
    .sort()
    .slice(0, limit);
}
