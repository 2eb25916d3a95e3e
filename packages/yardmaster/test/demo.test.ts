import { spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";

const ROOT = resolve(import.meta.dirname, "../../..");
const DEMO = join(ROOT, "demo/demo.ts");
const FILES = 1_500;
const ENGINES = ["sqlite", "postgres", "rabbitmq+sqlite", "rabbitmq+postgres"];
const TIMEOUT_MS = 120_000;

describe("the demonstration", () => {
  it.each(ENGINES)(
    "loses nothing and mixes up nothing on %s while its processes are killed",
    {
      timeout: TIMEOUT_MS,
    },
    async (engine) => {
      const { code, stdout, stderr } = await run("--json", "--files", String(FILES), "--engine", engine);
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
    },
  );

  it.each([
    [
      "an engine that there is not",
      ["--engine", "paper"],
      "there is no engine paper; there are sqlite, redis,",
    ],
    ["two places", ["--engine", "redis", "--url", "sqlite:a.db"], "or --engine"],
    ["half a pair", ["--broker", "amqp://localhost"], "go together"],
    ["an option that it does not know", ["--fast"], "--fast"],
  ])("refuses %s", async (_, args, why) => {
    expect(await run(...args)).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining(why) });
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
