import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Mutant } from "./mutants.ts";

const ROOT = resolve(import.meta.dirname, "..");
const SOURCE = join(ROOT, "packages/yardmaster/src");

/** A copy of the product's source in a temporary folder, into which one bug at a time is planted. */
export class Scratch {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async make(): Promise<Scratch> {
    const folder = await mkdtemp(join(tmpdir(), "yardmaster-mutants-"));
    await cp(SOURCE, join(folder, "src"), { recursive: true });
    await writeFile(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
    await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
    return new Scratch(folder);
  }

  /** Plants a bug; the answer takes it out again. */
  async plant(mutant: Mutant): Promise<() => Promise<void>> {
    const path = join(this.folder, "src", mutant.file);
    const text = await readFile(path, "utf8");
    await writeFile(path, planted(text, mutant));
    return () => writeFile(path, text);
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Throws when the place of the bug is not there exactly once: the source has changed, and so must the patch. */
export function planted(text: string, { name, file, find, replace }: Mutant): string {
  const places = text.split(find).length - 1;
  if (places !== 1)
    throw new Error(`The mutant ${name} does not apply: its place is ${places} times in ${file}.`);
  return text.replace(find, () => replace);
}
