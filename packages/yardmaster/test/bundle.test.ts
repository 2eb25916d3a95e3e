import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CliYard, HANDLERS } from "./cli-process.ts";

const ROOT = join(import.meta.dirname, "../../..");
const EMBEDDING = readFileSync(join(ROOT, "docs/embedding.md"), "utf8");
/** Drivers are loaded by who uses them. */
const EXTERNAL = ["@redis/client", "pg", "amqplib", "@opentelemetry/api"];
const runFile = promisify(execFile);

/** As a function of a serverless platform or a server action would have it. */
const PRODUCER = `
import { connect, defineTask } from "yardmaster";
const echo = defineTask({ name: "echo" });
const yard = await connect(process.argv[2]);
const task = await yard.submit(echo, { from: "a bundle" });
console.log(JSON.stringify(await task.result({ timeoutMs: 20_000 })));
await yard.close();
`;
/** What a page does that calls the server action. */
const NEXT_ENTRY = `
import { upload } from "./app/actions";
import { yard } from "./lib/yard";
console.log(await upload("https://example.com/a.png"));
await (await yard()).close();
`;
const NEXT_TASKS = `
import { defineTask } from "yardmaster";
export const resize = defineTask<{ url: string; width: number }, unknown>({ name: "echo" });
`;
const BROWSER = `
import { HttpClient } from "yardmaster/http-client";
globalThis.client = new HttpClient({ url: "http://127.0.0.1:4400", token: "t" });
`;

describe("a bundler", () => {
  let yard: CliYard;
  let folder: string;

  beforeEach(() => {
    yard = new CliYard();
    folder = mkdtempSync(join(tmpdir(), "yardmaster-bundle-"));
  });

  afterEach(async () => {
    await yard.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** From the package as it is built; the packages that it needs are found beside it. */
  async function bundle(
    source: string,
    platform: "node" | "browser",
    external: string[] = EXTERNAL,
  ): Promise<{ file: string; bytes: number }> {
    writeFileSync(join(folder, "entry.ts"), source);
    const file = join(folder, "bundle.mjs");
    const { metafile, warnings } = await build({
      entryPoints: [join(folder, "entry.ts")],
      outfile: file,
      bundle: true,
      minify: true,
      metafile: true,
      platform,
      format: "esm",
      target: "es2023",
      external,
      nodePaths: [join(ROOT, "node_modules")],
    });
    expect(warnings).toEqual([]);
    const inputs = Object.keys(metafile.inputs);
    expect(inputs.filter((path) => path.includes("packages/yardmaster/src/"))).toEqual([]);
    expect(inputs.some((path) => path.includes("packages/yardmaster/dist/"))).toBe(true);
    const [output] = Object.values(metafile.outputs);
    return { file, bytes: output?.bytes ?? 0 };
  }

  it("takes a producer, which runs as one file", async () => {
    await yard.start("start", HANDLERS);
    const { file } = await bundle(PRODUCER, "node");
    expect(existsSync(join(folder, "node_modules"))).toBe(false);
    const { stdout } = await runFile(process.execPath, ["--no-warnings", file, yard.url]);
    expect(JSON.parse(stdout)).toEqual({ from: "a bundle" });
  });

  it("takes the code for Next.js as it is written down, with what is to be left alone", async () => {
    await yard.start("start", HANDLERS);
    for (const [, path = "", code = ""] of EMBEDDING.matchAll(/^```ts file=(\S+)\n(.*?)^```/gms)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), code);
    }
    writeFileSync(join(folder, "tasks.ts"), NEXT_TASKS);
    const [, list = ""] = /serverExternalPackages: (\[[^\]]+\])/.exec(EMBEDDING) ?? [];
    expect(JSON.parse(list)).toEqual(EXTERNAL);
    const { file } = await bundle(NEXT_ENTRY, "node", JSON.parse(list));
    const env = { ...process.env, YARDMASTER_URL: yard.url };
    const { stdout } = await runFile(process.execPath, ["--no-warnings", file], { env });
    const [result] = await yard.json("result", stdout.trim(), "--wait-ms", "20000");
    expect(result).toMatchObject({ result: { url: "https://example.com/a.png", width: 320 } });
  });

  it("takes the HTTP client for browsers, which needs nothing of Node", async () => {
    const { bytes } = await bundle(BROWSER, "browser");
    expect(bytes).toBeGreaterThan(500);
    expect(bytes).toBeLessThan(16_000);
  });
});
