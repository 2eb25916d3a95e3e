import { spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";

const ROOT = resolve(import.meta.dirname, "../../..");
const DEMO = join(ROOT, "demo/demo.ts");
const FILES = 1_500;
const TIMEOUT_MS = 120_000;

describe("the demonstration", () => {
  it("loses nothing and mixes up nothing while its processes are killed", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const { code, stdout, stderr } = await run("--json", "--files", String(FILES));
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const report = JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
    expect(report).toMatchObject({
      submitted: FILES,
      succeeded: FILES,
      failed: 0,
      lost: 0,
      wrong: 0,
      dispatchersKilled: 1,
    });
    for (const field of ["repeatedAttempts", "adoptedAttempts", "workersKilled", "tasksPerSecond"]) {
      expect(report[field], field).toBeGreaterThan(0);
    }
  });

  it("refuses engines that are not there yet, and options that it does not know", async () => {
    expect(await run("--engine", "redis")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("UNSUPPORTED"),
    });
    expect(await run("--engine", "paper")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("paper"),
    });
    expect(await run("--fast")).toMatchObject({ code: 2, stdout: "" });
  });
});

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(...args: string[]): Promise<Ended> {
  const child = spawn(process.execPath, [DEMO, ...args], { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
  const closed = once(child, "close");
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  await closed;
  return { code: child.exitCode, stdout, stderr };
}
