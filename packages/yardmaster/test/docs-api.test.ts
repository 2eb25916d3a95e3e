import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import * as index from "../src/index.ts";

const SOURCES = resolve(import.meta.dirname, "../src");
const PAGE = resolve(import.meta.dirname, "../../../docs/api.md");
const ENTRIES = {
  yardmaster: "index.ts",
  "yardmaster/worker": "worker.ts",
  "yardmaster/testing": "testing.ts",
};

const page = await readFile(PAGE, "utf8");

/** The part of the page about an entry point. */
function sectionOf(entry: string): string {
  return page.split(/^## /m).find((section) => section.startsWith(`\`${entry}\`\n`)) ?? "";
}

/** The names that a table's first column explains. */
function namesIn(section: string): Set<string> {
  const cells = [...section.matchAll(/^\| (.+?) \| /gm)].map(([, cell = ""]) => cell);
  return new Set(cells.flatMap((cell) => [...cell.matchAll(/`(\w+)[^`]*`/g)].map(([, name = ""]) => name)));
}

/** What an entry point exports, types included. */
async function exportsOf(file: string): Promise<string[]> {
  const source = await readFile(join(SOURCES, file), "utf8");
  const lists = [...source.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].map(([, list = ""]) => list);
  return lists
    .flatMap((list) => list.split(","))
    .map((item) =>
      item
        .trim()
        .replace(/^type /, "")
        .replace(/^.* as /, ""),
    )
    .filter((name) => name !== "");
}

describe("docs/api.md", () => {
  it.each(Object.entries(ENTRIES))("has every export of %s", async (entry, file) => {
    const exported = await exportsOf(file);
    const explained = namesIn(sectionOf(entry));
    expect(exported).not.toEqual([]);
    expect(exported.filter((name) => !explained.has(name))).toEqual([]);
  });

  it("sees every value that the main entry exports", async () => {
    const exported = new Set(await exportsOf(ENTRIES.yardmaster));
    expect(Object.keys(index).filter((name) => !exported.has(name))).toEqual([]);
  });

  it("has every call of a yard, and no other", async () => {
    const [, calls = ""] = /^`Yard` is what(.*?)^\| export/ms.exec(page) ?? [];
    const client: object = Object.getPrototypeOf(index.Yard.prototype);
    const methods = [...new Set([client, index.Yard.prototype].flatMap(Object.getOwnPropertyNames))];
    const files = ["client/client.ts", "yard.ts"].map((file) => readFile(join(SOURCES, file), "utf8"));
    const source = (await Promise.all(files)).join("\n");
    const inner = [...source.matchAll(/^ {2}(?:private|protected) (?:override )?(?:async )?(\w+)\(/gm)];
    const hidden = new Set(["constructor", "open", ...inner.map(([, name]) => name)]);
    const called = [...namesIn(calls)].sort();
    expect(called).toEqual(methods.filter((name) => !hidden.has(name)).sort());
  });

  it("shows programs that run", async () => {
    const programs = [...page.matchAll(/^```ts run\n(.*?)^```/gms)].map(([, program = ""]) => program);
    expect(await Promise.all(programs.map(outputOf))).toEqual(["Hello, Ada.\n", "Sent a lamp.\n"]);
  });
});

async function outputOf(program: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "yardmaster-docs-"));
  try {
    const file = join(folder, "program.ts");
    await writeFile(file, fromSources(program));
    return await run(file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function fromSources(program: string): string {
  return program.replace(/from "(yardmaster[^"]*)"/g, (_, entry: keyof typeof ENTRIES) => {
    return `from "${pathToFileURL(join(SOURCES, ENTRIES[entry])).href}"`;
  });
}

function run(file: string): Promise<string> {
  return new Promise((settle, reject) => {
    execFile(process.execPath, [file], { cwd: dirname(file), timeout: 20_000 }, (error, stdout) => {
      if (error === null) settle(stdout);
      else reject(error);
    });
  });
}
