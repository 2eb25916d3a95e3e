import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { systemHost } from "../host.ts";
import { watchSources } from "./source-watch.ts";

let folder: string;
let changes: string[];
let stop: () => void;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "yardmaster-watch-"));
  mkdirSync(join(folder, "lib"));
  mkdirSync(join(folder, "node_modules"));
  for (const file of ["worker.ts", "lib/steps.ts"]) writeFileSync(join(folder, file), "1");
  changes = [];
  stop = watchSources(systemHost, join(folder, "worker.ts"), (path) => changes.push(path));
});

afterEach(() => {
  stop();
  rmSync(folder, { recursive: true, force: true });
});

/** As many editors do: what was there is never half written, and its place is taken by another file. */
function replace(file: string): void {
  writeFileSync(join(folder, "~new"), "2");
  renameSync(join(folder, "~new"), join(folder, file));
}

async function told(count: number, path: string): Promise<void> {
  await vi.waitFor(() => expect(changes.length).toBe(count), { timeout: 10_000 });
  expect(changes.at(-1)).toBe(path);
}

it("tells of a file that is replaced, each time", async () => {
  for (let count = 1; count <= 3; count++) {
    replace("worker.ts");
    await told(count, "worker.ts");
  }
  replace(join("lib", "steps.ts"));
  await told(4, join("lib", "steps.ts"));
  writeFileSync(join(folder, "lib", "steps.ts"), "3");
  await told(5, join("lib", "steps.ts"));
});

it("tells of files in folders that come later, also in the place of one that went, and not of packages", async () => {
  mkdirSync(join(folder, "later"));
  replace("worker.ts");
  await told(1, "worker.ts");
  writeFileSync(join(folder, "later", "one.ts"), "1");
  await told(2, join("later", "one.ts"));
  rmSync(join(folder, "later"), { recursive: true });
  await vi.waitFor(() => expect(changes.length).toBe(3), { timeout: 10_000 });
  mkdirSync(join(folder, "later"));
  replace("worker.ts");
  await told(4, "worker.ts");
  writeFileSync(join(folder, "node_modules", "some.js"), "1");
  writeFileSync(join(folder, "later", "two.ts"), "1");
  await told(5, join("later", "two.ts"));
});
