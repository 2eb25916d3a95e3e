import { spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { ENGINE_NAMES } from "../../../servers/engines.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const RUN = join(ROOT, "examples/features/run.ts");
const SERVER_MISSING = 3;
const FEATURES = [
  "orders",
  "placements",
  "queues",
  "limits",
  "rates",
  "debounce, throttle, replace",
  "batches",
  "delays, expiry, deadlines",
  "schedules",
  "graphs",
  "second attempts",
  "explain",
];

describe("every feature", () => {
  it.for(ENGINE_NAMES)(
    "outlives the dispatcher that it began under, on %s",
    {
      timeout: 150_000,
    },
    async (engine, context) => {
      const { code, stdout, stderr } = await run("--engine", engine);
      if (code === SERVER_MISSING && process.env["CI"] !== "true") context.skip(stderr);
      expect({ code, stdout, stderr }).toMatchObject({ code: 0, stderr: "" });
      const [takeover = "", ...ends] = stdout.trimEnd().split("\n");
      expect(takeover).toMatch(/^the owner was killed; its successor took over after \d+ ms$/);
      expect(ends).toEqual(FEATURES.map((name) => `ok      ${name}`));
    },
  );

  it("is refused by a name that none has", async () => {
    expect(await run("--only", "teleport")).toMatchObject({ code: 2, stdout: "" });
  });
});

async function run(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [RUN, ...args], { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
  const closed = once(child, "close");
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  await closed;
  return { code: child.exitCode, stdout, stderr };
}
