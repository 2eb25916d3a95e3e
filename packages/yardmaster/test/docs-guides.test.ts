import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CliYard } from "./cli-process.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const DOCS = join(ROOT, "docs");
const runFile = promisify(execFile);

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "yardmaster-guides-"));
  // Programs import the package by its name, which here is its sources.
  const home = join(folder, "node_modules/yardmaster");
  await mkdir(home, { recursive: true });
  await symlink(join(ROOT, "packages/yardmaster/src"), join(home, "src"));
  for (const name of ["fastify"])
    await symlink(join(ROOT, "node_modules", name), join(folder, "node_modules", name));
  const exports = { ".": "./src/index.ts", "./worker": "./src/worker.ts" };
  await writeFile(
    join(home, "package.json"),
    JSON.stringify({ name: "yardmaster", type: "module", exports }),
  );
  await writeFile(join(folder, "package.json"), JSON.stringify({ type: "module" }));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

/** Node takes types out of no file below node_modules, and follows links out of it. */
async function run(file: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const { stdout } = await runFile(process.execPath, ["--no-warnings", file], {
    cwd: folder,
    env: { ...process.env, ...env },
    timeout: 60_000,
  });
  return stdout;
}

describe("the guides", () => {
  it("lead through the tutorial as it says", async () => {
    const page = await readFile(join(DOCS, "tutorial.md"), "utf8");
    const files = [...page.matchAll(/^```ts file=(\S+)\n(.*?)^```/gms)];
    expect(files.map(([, name]) => name)).toEqual(["tasks.ts", "worker.ts", "produce.ts"]);
    const yard = new CliYard();
    try {
      for (const [, name = "", text = ""] of files)
        await writeFile(join(folder, name), text.replace("sqlite:./yard.db", yard.url));
      await yard.start("start", join(folder, "worker.ts"));
      expect(await run(join(folder, "produce.ts"))).toBe("order 3 is on its way\nduplicate\nTASK_FAILED\n");
    } finally {
      await yard.close();
    }
  });

  it("show a Fastify server that runs", async () => {
    const page = await readFile(join(DOCS, "embedding.md"), "utf8");
    const [, program = ""] = /^```ts run\n(.*?)^```/ms.exec(page) ?? [];
    await writeFile(join(folder, "server.ts"), program);
    expect(await run(join(folder, "server.ts"))).toBe("202\n");
  });

  it("lead nowhere that is not there", async () => {
    const pages = (await readdir(DOCS, { recursive: true })).filter((name) => name.endsWith(".md"));
    const texts = new Map<string, string>();
    for (const name of [...pages, "../README.md", "../CHANGELOG.md"])
      texts.set(resolve(DOCS, name), await readFile(join(DOCS, name), "utf8"));
    const broken: string[] = [];
    for (const [page, text] of texts) {
      for (const [, to = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(to)) continue;
        const [path = "", anchor] = to.split("#");
        const target = path === "" ? page : resolve(page, "..", path);
        const found = texts.get(target);
        if (!target.endsWith(".md") || !target.startsWith(ROOT)) continue;
        const anchors = anchorsIn(found ?? "");
        const isThere = found !== undefined || existsSync(target);
        if (!isThere || (anchor !== undefined && !anchors.includes(anchor))) broken.push(`${page}: ${to}`);
      }
    }
    expect(broken).toEqual([]);
  });
});

/** Of headings, and those that the reference sets itself. */
function anchorsIn(page: string): string[] {
  const titles = [...page.matchAll(/^#+ (.*)$/gm)].map(([, title = ""]) => slugOf(title));
  return [...titles, ...[...page.matchAll(/<a id="([^"]+)"><\/a>/g)].map(([, id = ""]) => id)];
}

/** As GitHub makes it of a heading. */
function slugOf(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .replaceAll(" ", "-");
}
