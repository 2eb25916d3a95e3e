import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { inflateSync } from "node:zlib";
import { afterEach, beforeEach, expect, it } from "vitest";
import { loadHandlers } from "../src/worker/loader.ts";
import { CliYard } from "./cli-process.ts";

const EXAMPLES = resolve(import.meta.dirname, "../../../examples");
const runFile = promisify(execFile);

let yard: CliYard;

beforeEach(() => {
  yard = new CliYard();
});

afterEach(() => yard.close());

/** Runs a producer of an example on the test's yard; answers with what it prints. */
async function run(file: string, ...args: string[]): Promise<string> {
  const env = { ...process.env, YARDMASTER_URL: yard.url };
  const { stdout } = await runFile(process.execPath, [join(EXAMPLES, file), ...args], { env });
  return stdout;
}

it("thumbnails run as their comment says", async () => {
  await yard.start("start", join(EXAMPLES, "thumbnails/worker.ts"));
  const stdout = await run("thumbnails/produce.ts");
  const lines = [...stdout.matchAll(/^([0-9a-f-]{36}\/(\d+)x(\d+)\.png): (\d+) bytes$/gm)];
  expect(lines.map(([, , width, height]) => `${width}x${height}`)).toEqual(["64x48", "320x240", "1280x960"]);
  for (const [, file = "", width, height, bytes] of lines) {
    const png = readFileSync(join(yard.folder, "thumbnails", file));
    expect(png.length).toBe(Number(bytes));
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([Number(width), Number(height)]);
    // Every row has a byte for its filter, and is there.
    const pixels = inflateSync(png.subarray(41, -16));
    expect(pixels.length).toBe((Number(width) * 3 + 1) * Number(height));
    expect(new Set(pixels).size).toBeGreaterThan(100);
  }
  const handlers = await loadHandlers(join(EXAMPLES, "thumbnails/worker.ts"));
  expect(handlers.map(({ isolate }) => isolate)).toEqual(["thread"]);
});

it("a crawl reads each page once and never overruns a host", async () => {
  const asked: string[] = [];
  let [atOnce, most] = [0, 0];
  const server = createServer((request, response) => {
    asked.push(request.url ?? "");
    atOnce += 1;
    most = Math.max(most, atOnce);
    const links = ["/", "/a", "/b", "/c", "https://elsewhere.example/"].map((to) => `<a href="${to}">x</a>`);
    setImmediate(() => {
      atOnce -= 1;
      response.end(links.join(""));
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  try {
    await yard.start("start", join(EXAMPLES, "crawl/worker.ts"));
    expect(await run("crawl/produce.ts", `http://127.0.0.1:${port}/`)).toContain("has 4 links");
    let open = await yard.json("list", "--name", "page.crawl");
    while (open.some(({ state }) => state !== "succeeded"))
      open = await yard.json("list", "--name", "page.crawl");
    expect([...asked].sort()).toEqual(["/", "/a", "/b", "/c"]);
    expect(most).toBeLessThanOrEqual(2);
  } finally {
    server.close();
  }
});

it("a nightly report is declared, and made at once to see that it works", async () => {
  await yard.start("start", join(EXAMPLES, "nightly/worker.ts"));
  expect(await run("nightly/schedule.ts")).toMatch(/^next at \d{4}-.*Z\nThe report about sales\.\n$/);
});

it("map and reduce count words over files", async () => {
  await yard.start("start", join(EXAMPLES, "map-reduce/worker.ts"));
  const files = ["one two two", "two three three", "three two four"].map((text, index) => {
    const file = join(yard.folder, `${index}.txt`);
    writeFileSync(file, text);
    return file;
  });
  expect(await run("map-reduce/produce.ts", ...files)).toMatch(/^two: 4\nthree: 3\n\w+: 1\n$/);
});
