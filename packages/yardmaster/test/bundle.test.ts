import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CliYard, HANDLERS } from "./cli-process.ts";

const SRC = join(import.meta.dirname, "../src");
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

  async function bundle(
    source: string,
    platform: "node" | "browser",
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
      // Drivers are loaded by who uses them; the other packages are found beside the sources.
      external: ["@redis/client", "pg", "amqplib", "@opentelemetry/api"],
      nodePaths: [join(import.meta.dirname, "../../../node_modules")],
      alias: {
        yardmaster: join(SRC, "index.ts"),
        "yardmaster/http-client": join(SRC, "http-client.ts"),
      },
    });
    expect(warnings).toEqual([]);
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

  it("takes the HTTP client for browsers, which needs nothing of Node", async () => {
    const { bytes } = await bundle(BROWSER, "browser");
    expect(bytes).toBeGreaterThan(500);
    expect(bytes).toBeLessThan(16_000);
  });
});
