import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import * as http from "../src/http.ts";
import * as httpClient from "../src/http-client.ts";
import * as api from "../src/index.ts";
import * as testing from "../src/testing.ts";
import * as worker from "../src/worker.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const SRC = join(ROOT, "packages/yardmaster/src");
const PRELUDE = join(import.meta.dirname, "docs-prelude.ts");
const OWN = [...readFileSync(PRELUDE, "utf8").matchAll(/^export declare const (\w+)/gm)];
/** What fragments use without a word about where it comes from. */
const GIVEN = { yardmaster: Object.keys(api), "docs-prelude": OWN.map(([, name = ""]) => name) };
/** A page of the reference is about an entry point: its examples, which come from docstrings, do not import that. */
const ENTRIES: Readonly<Record<string, object>> = { worker, testing, http, "http-client": httpClient };

/** Its errors are the only ones that there may be. */
const PLANTED = `
\`\`\`ts
await yard.submit(resize, input, { priority: "high" });
\`\`\`

\`\`\`ts
import { connect, startYard } from "yardmaster";

const yard = await connect("memory:shop");
await yard.submit(resize, {});
\`\`\`

\`\`\`ts peer
await queue.add("welcome");
\`\`\`
`;

interface Block {
  readonly page: string;
  /** Of its fence, from 1. */
  readonly line: number;
  /** Beside the page's others. */
  readonly file: string;
  readonly text: string;
}

it("the code in the docs fits the types, and what does not is named by page and line", async () => {
  const pages = readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name));
  const blocks = ["README.md", ...pages].flatMap((page) =>
    blocksOf(page, readFileSync(join(ROOT, page), "utf8")),
  );
  expect(await mistakesIn([...blocks, ...blocksOf("planted.md", PLANTED)])).toEqual([
    "planted.md:3: Type 'string' is not assignable to type 'number'.",
    "planted.md:7: 'startYard' is declared but its value is never read.",
    "planted.md:10: Cannot find name 'resize'.",
  ]);
});

/** Those of another system are marked `peer`. */
function blocksOf(page: string, text: string): Block[] {
  return [...text.matchAll(/^```ts(?: (\S+))?\n(.*?)^```/gms)]
    .filter(([, mark]) => mark !== "peer")
    .map(({ index, 1: mark = "", 2: body = "" }) => {
      const line = text.slice(0, index).split("\n").length;
      return { page, line, file: /^file=(.*)/.exec(mark)?.[1] ?? `${line}.ts`, text: body };
    });
}

async function mistakesIn(blocks: readonly Block[]): Promise<string[]> {
  const folder = mkdtempSync(join(ROOT, "node_modules/.docs-"));
  try {
    const byPath = new Map(blocks.map((block) => [join(block.page, block.file), block]));
    const files = new Map([...byPath].map(([path, block]) => [path, moduleOf(block)]));
    // Definitions that a page's files import and the page does not show.
    for (const { page } of blocks)
      if (!files.has(join(page, "tasks.ts")))
        files.set(join(page, "tasks.ts"), 'export * from "docs-prelude";');
    files.set("tsconfig.json", JSON.stringify(configOf([...files.keys()])));
    for (const [path, text] of files) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
    const { stdout } = await promisify(execFile)(process.execPath, [tsc, "--pretty", "false"], {
      cwd: folder,
    }).catch((refused: { stdout: string }) => refused);
    return [...stdout.matchAll(/^(\S.*?)(?:\((\d+),\d+\))?: error (TS\d+): (.*)/gm)].flatMap(
      ([whole, path = "", line = "", code = "", message = ""]) => {
        const block = byPath.get(path);
        if (block === undefined) return [whole];
        // A fragment may end with what the reader goes on with; an import that nothing needs is a mistake.
        const isIdle = ["TS6133", "TS6192", "TS6196"].includes(code);
        if (isIdle && !block.text.split("\n")[Number(line) - 2]?.startsWith("import")) return [];
        return [`${block.page}:${block.line + Number(line) - 1}: ${message}`];
      },
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Adds a line above. Programs import the package themselves; fragments get all that they do not import. */
function moduleOf({ page, text }: Block): string {
  if (/ from "yardmaster|^export /m.test(text)) return `\n${text}`;
  const isMissing = (name: string): boolean => !new RegExp(`^import .*\\b${name}\\b`, "m").test(text);
  const imports = Object.entries(givenOn(page)).map(
    ([from, names]) => `import { ${names.filter(isMissing).join(", ")} } from "${from}";`,
  );
  const body = text.replace(/^(?!import |\/\/)/m, "export async function fragment(): Promise<any> { ");
  return `${imports.join(" ")}\n${body}}`;
}

function givenOn(page: string): Readonly<Record<string, readonly string[]>> {
  const name = basename(page, ".md");
  const entry = dirname(page) === join("docs", "reference") ? ENTRIES[name] : undefined;
  if (entry === undefined) return GIVEN;
  const known = Object.values(GIVEN).flat();
  return { ...GIVEN, [`yardmaster/${name}`]: Object.keys(entry).filter((one) => !known.includes(one)) };
}

function configOf(files: readonly string[]): object {
  return {
    extends: join(ROOT, "tsconfig.base.json"),
    compilerOptions: {
      noEmit: true,
      // Next.js leaves out the endings of files.
      module: "esnext",
      moduleResolution: "bundler",
      // A house rule, not a reader's.
      isolatedDeclarations: false,
      paths: {
        "docs-prelude": [PRELUDE],
        yardmaster: [join(SRC, "index.ts")],
        "yardmaster/*": [join(SRC, "*.ts")],
      },
    },
    files,
  };
}
