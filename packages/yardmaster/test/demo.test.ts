import { spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { addressOptions, type EngineName, startEngines } from "../../../servers/engines.ts";
import { ServerMissing } from "../../../servers/server.ts";
import { connect } from "../src/yard.ts";
import { startedFor } from "./server-tests.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const DEMO = join(ROOT, "demo/demo.ts");
const FILES = 1_500;
const PRIVATE: readonly EngineName[] = [
  "sqlite",
  "redis",
  "postgres",
  "rabbitmq+redis",
  "rabbitmq+sqlite",
  "rabbitmq+postgres",
];
/** Servers that were there before the demonstration, and are there after it. */
const FOREIGN: readonly EngineName[] = ["redis", "postgres", "rabbitmq+redis"];
const TIMEOUT_MS = 120_000;

describe("the demonstration", () => {
  it.for(PRIVATE)(
    "loses nothing and mixes up nothing on %s while its processes are killed",
    {
      timeout: TIMEOUT_MS,
    },
    async (engine, context) => {
      expectAll(await startedFor(context, () => demonstrated("--engine", engine)));
    },
  );

  it.for(FOREIGN)(
    "is the same on servers for %s that somebody else started",
    {
      timeout: TIMEOUT_MS,
    },
    async (engine, context) => {
      const engines = await startedFor(context, () => startEngines(engine));
      try {
        const address = engines.address();
        expectAll(await demonstrated(...addressOptions(address)));
        const yard = await connect(address);
        expect(await yard.list({ name: "file.digest", state: "succeeded", limit: 1 })).toHaveLength(1);
        await yard.close();
      } finally {
        await engines.stop();
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

/** What a run that ended well says of itself. Throws ServerMissing. */
async function demonstrated(...place: readonly string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await run("--json", "--files", String(FILES), ...place);
  if (stderr.includes(" is not installed. To install it: ")) throw new ServerMissing(stderr.trim());
  expect({ code, stderr }).toMatchObject({ code: 0 });
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
}

function expectAll(report: Record<string, unknown>): void {
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
}

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
