import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { addressOptions, type EngineName, startEngines } from "../../../servers/engines.ts";
import { connect } from "../src/yard.ts";
import { startedFor } from "./server-tests.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const ENGINES: readonly EngineName[] = [
  "sqlite",
  "redis",
  "redis-cluster",
  "postgres",
  "rabbitmq+redis",
  "rabbitmq+postgres",
  "redis+postgres",
  "rabbitmq+sqlite",
];
const TIMEOUT_MS = 240_000;
const IN_FLIGHT = 500;
const MOST_LISTED = 1_000;

/** Whether what is measured elsewhere comes from a yard that works; how fast it is says nothing here. */
describe("the bench on a yard that is given to it", () => {
  it.for(ENGINES)("runs and checks its tasks on %s", { timeout: TIMEOUT_MS }, async (engine, context) => {
    const engines = await startedFor(context, () => startEngines(engine));
    try {
      const address = engines.address();
      const { code, stdout, stderr } = await bench(...addressOptions(address));
      expect({ code, stderr }).toMatchObject({ code: 0 });
      const { results, engines: reports } = JSON.parse(stdout);
      expect(reports.map(({ isUp }: { isUp: boolean }) => isUp)).not.toContain(false);
      expect(results).toEqual([
        {
          scenario: `roundtrip-${IN_FLIGHT}-url`,
          measures: expect.objectContaining({
            tasksPerSecond: expect.objectContaining({ median: expect.any(Number) }),
          }),
        },
      ]);
      const yard = await connect(address);
      // Each of so many at a time ends at least once, before and while it is measured.
      const done = await yard.list({ state: "succeeded", limit: MOST_LISTED });
      await yard.close();
      expect(done).toHaveLength(Math.min(2 * IN_FLIGHT, MOST_LISTED));
    } finally {
      await engines.stop();
    }
  });
});

async function bench(
  ...place: readonly string[]
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const args = [
    "--only",
    `roundtrip-${IN_FLIGHT}-url`,
    "--seconds",
    "1",
    "--repeat",
    "1",
    "--json",
    ...place,
  ];
  const child = spawn(process.execPath, [resolve(ROOT, "bench/bench.ts"), ...args], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const closed = once(child, "close");
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  await closed;
  return { code: child.exitCode, stdout, stderr };
}
