import pg from "pg";
import { expect, it } from "vitest";
import { startPostgres } from "../../../servers/postgres.ts";
import { openEngine } from "../src/connect.ts";
import { playTasks, yardSizes } from "./postgres-bloat.ts";
import { serverTests } from "./server-tests.ts";

await serverTests(
  "PostgreSQL's room",
  () => startPostgres({ settings: ["synchronous_commit = off"] }),
  (server) => {
    it("has its tables and indexes back at their first size after 50,000 tasks", {
      timeout: 120_000,
    }, async () => {
      const url = server.yardUrl();
      const yard = new URL(url).searchParams.get("yard") ?? "";
      const client = new pg.Client(`postgres://postgres@127.0.0.1:${server.port}/postgres`);
      await client.connect();
      const engine = await openEngine(url);
      const lease = await engine.store.acquire(0, "owner", 600_000);
      if (lease === null) throw new Error("A new shard has an owner.");
      const empty = await yardSizes(client, yard);
      await playTasks(engine, lease, 50_000);
      expect(await yardSizes(client, yard)).toBeGreaterThan(empty + 10_000_000);
      await client.query("VACUUM");
      await engine.store.renew(lease, 600_000);
      while ((await yardSizes(client, yard)) > empty + 500_000);
      await client.end();
      await engine.close({ timeoutMs: 1_000 });
    });
  },
);
