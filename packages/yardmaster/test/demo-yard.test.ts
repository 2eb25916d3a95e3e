import { existsSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { HttpClient } from "../src/http-client.ts";
import { CliProcess } from "./cli-process.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const started: CliProcess[] = [];

afterEach(async () => {
  for (const each of started.splice(0)) {
    each.kill("SIGKILL");
    await each.ended;
  }
});

function start(...args: string[]): CliProcess {
  const yard = new CliProcess(args, tmpdir(), null, join(ROOT, "demo/yard.ts"));
  started.push(yard);
  return yard;
}

describe("npm run yard", () => {
  it("is what the README says first", () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    expect(scripts.yard).toBe("node demo/yard.ts");
    const [first] = /^npm .+$/m.exec(readFileSync(join(ROOT, "README.md"), "utf8")) ?? [];
    expect(first).toContain("npm ci && npm run yard");
  });

  it("serves a dashboard with work going on, lets in by the printed link, and leaves nothing", async () => {
    const yard = start("--port", "0");
    const [, url = "", token = ""] =
      /^Dashboard: (http:\/\/127\.0\.0\.1:\d+)\/#token=(\S+)$/.exec(await yard.line(/^Dashboard:/)) ?? [];
    const [, file = ""] = /sqlite:([^?']+)/.exec(await yard.line(/yardmaster top/)) ?? [];
    const page = await fetch(`${url}/`);
    expect(page.headers.get("content-type")).toContain("text/html");
    const html = await page.text();
    const [asset = ""] = /\/assets\/[\w.-]+\.js/.exec(html) ?? [];
    expect((await fetch(url + asset)).status).toBe(200);
    const client = new HttpClient({ url, token });
    expect(await client.session()).toMatchObject({ role: "admin" });
    expect((await client.workers()).length).toBe(3);
    await expect.poll(async () => succeeded(await client.stats()), { timeout: 20_000 }).toBeGreaterThan(3);
    expect(existsSync(file)).toBe(true);
    yard.kill("SIGINT");
    expect(await yard.ended).toMatchObject({ code: 0, stderr: "" });
    expect(existsSync(dirname(file))).toBe(false);
  });

  it("says what is wrong with its command line", async () => {
    expect(await start("--speed", "9").ended).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--port NUMBER"),
    });
  });
});

function succeeded({ queues }: { readonly queues: readonly { readonly succeeded: number }[] }): number {
  return queues.reduce((sum, one) => sum + one.succeeded, 0);
}
