import { execFile } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

interface Ended {
  readonly code: number;
  readonly lines: readonly string[];
  readonly complaint: string;
}

function run(...numbers: number[]): Promise<Ended> {
  const child = join(import.meta.dirname, "worker-blocked-child.ts");
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [child, ...numbers.map(String)],
      { timeout: 25_000 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : Number(error.code);
        resolve({ code, lines: stdout.trim().split("\n"), complaint: stderr });
      },
    );
  });
}

describe("a handler that blocks the event loop", () => {
  it("ends the process with 75 beyond its timeout and grace", async () => {
    const { code, lines, complaint } = await run(60_000, 500);
    expect(lines).toEqual(["blocking"]);
    expect(complaint).toMatch(
      /^yardmaster: worker w ends with code 75: the event loop has not moved for \d+\.\d s/m,
    );
    expect(code).toBe(75);
  });

  it("does not stop the heartbeats, and may take its time within its timeout", async () => {
    const { code, lines } = await run(5_000, 30_000);
    const [, ended = "{}", closed = "{}"] = lines;
    expect(JSON.parse(ended)).toMatchObject({ result: '"moved on"', stalled: true });
    expect(JSON.parse(closed)).toEqual({ left: [], unconfirmed: 0 });
    expect(code).toBe(0);
  });
});
