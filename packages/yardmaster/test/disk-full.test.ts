import { chownSync, statSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { describe, expect, it, vi } from "vitest";
import { startPostgres } from "../../../servers/postgres.ts";
import { mountSmallDisk, type SmallDisk } from "../../../servers/small-disk.ts";
import { defineTask } from "../src/definition.ts";
import type { TaskHandle } from "../src/index.ts";
import { takeProcessLock } from "../src/sqlite/process-lock.ts";
import { failureOf } from "../src/testing/conformance.ts";
import { createHandlers } from "../src/worker.ts";
import { startYard } from "../src/yard.ts";
import { startedFor } from "./server-tests.ts";

const PATIENCE = { timeout: 30_000, interval: 50 };
const PADDING = "x".repeat(100_000);

interface Input {
  readonly n: number;
  readonly padding: string;
}

const double = defineTask<Input, number>({ name: "double" });
const { on } = createHandlers();
const handlers = [on(double, ({ input }) => 2 * input.n)];

/** Fills the disk under a yard at work, and frees it again. */
async function fillUnder(url: string, disk: SmallDisk): Promise<void> {
  const yard = await startYard({ url, handlers });
  const acknowledged: TaskHandle<number>[] = [];
  const submit = async (): Promise<void> => {
    const n = acknowledged.length;
    acknowledged.push(await yard.submit(double, { n, padding: PADDING }));
  };
  try {
    await submit();
    expect(await acknowledged[0]?.result()).toBe(0);
    disk.fill();
    const refusal = await vi.waitFor(async () => {
      const failure = await failureOf(submit());
      expect(failure).not.toBeNull();
      return failure;
    }, PATIENCE);
    expect(refusal).toMatchObject({ code: "STORE_FULL", retryable: true });
    expect(refusal?.message).toMatch(/no room/i);
    disk.clear();
    await vi.waitFor(submit, PATIENCE);
    const results = await Promise.all(acknowledged.map((task) => task.result({ timeoutMs: 60_000 })));
    expect(results).toEqual(acknowledged.map((_, n) => 2 * n));
  } finally {
    disk.clear();
    await yard.close();
  }
}

describe("a full disk", () => {
  it("under SQLite refuses submissions, loses nothing, and needs no hand when there is room again", async (context) => {
    const disk = await startedFor(context, async () => mountSmallDisk(16));
    try {
      await fillUnder(`sqlite:${join(disk.folder, "yard.db")}`, disk);
    } finally {
      disk.remove();
    }
  });

  it("under SQLite keeps a process from showing that it is there, which says why", async (context) => {
    const disk = await startedFor(context, async () => mountSmallDisk(1));
    try {
      disk.fill();
      expect(() => takeProcessLock(disk.folder, "process")).toThrow(
        expect.objectContaining({ code: "STORE_FULL", retryable: true }),
      );
      disk.clear();
      takeProcessLock(disk.folder, "process").release();
    } finally {
      disk.remove();
    }
  });

  it("under PostgreSQL's tables refuses submissions, loses nothing, and needs no hand when there is room again", async (context) => {
    const server = await startedFor(context, () => startPostgres());
    const disk = await startedFor(context, async () => mountSmallDisk(16));
    try {
      const { uid, gid } = statSync(server.folder); // It may run as another user.
      chownSync(disk.folder, uid, gid);
      const url = server.yardUrl();
      const client = new pg.Client(url.split("?")[0]);
      await client.connect();
      // The log stays on the large disk: a server whose log cannot grow ends itself.
      await client.query(`CREATE TABLESPACE small LOCATION '${disk.folder}'`);
      await client.query("ALTER DATABASE postgres SET default_tablespace = small");
      await client.end();
      await fillUnder(url, disk);
    } finally {
      await server.stop();
      disk.remove();
    }
  });
});
