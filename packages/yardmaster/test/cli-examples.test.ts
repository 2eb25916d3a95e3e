import { execFile } from "node:child_process";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, it } from "vitest";
import { CliYard } from "./cli-process.ts";

const EXAMPLE = resolve(import.meta.dirname, "../../../examples/thumbnails");
const runFile = promisify(execFile);

let yard: CliYard;

beforeEach(() => {
  yard = new CliYard();
});

afterEach(() => yard.close());

it("the example runs as its comment says", async () => {
  await yard.start("start", join(EXAMPLE, "worker.ts"));
  const env = { ...process.env, YARDMASTER_URL: yard.url };
  const { stdout } = await runFile(process.execPath, [join(EXAMPLE, "produce.ts")], { env });
  expect(stdout.replaceAll(/[0-9a-f]{8}[0-9a-f-]{28}/g, "ID")).toBe(
    "ID/64: 64 bytes\nID/320: 64 bytes\nID/1280: 64 bytes\n",
  );
});
