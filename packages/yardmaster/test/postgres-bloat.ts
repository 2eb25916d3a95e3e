import pg from "pg";
import { startPostgres } from "../../../servers/postgres.ts";
import { openEngine } from "../src/connect.ts";
import type { Engine } from "../src/engine.ts";
import type { Change } from "../src/protocol/change.ts";
import type { Lease } from "../src/stores/store.ts";
import { finished, inserted, sampleTask } from "../src/testing/sample-tasks.ts";

/**
 * What many tasks leave behind in a schema. Run by itself it plays a million of them, or as many as it is told, and
 * prints the sizes: `node packages/yardmaster/test/postgres-bloat.ts 1000000`.
 */
export async function playTasks(engine: Engine, lease: Lease, count: number): Promise<void> {
  const { broker } = engine;
  await broker.declare("in", { durable: true });
  await broker.declare("out", { durable: false });
  const [input, output] = [await broker.receive("in"), await broker.receive("out")];
  const frame = new Uint8Array(STEP * 80);
  let sequence = 0;
  const tick = async (mailbox: string, changes: readonly Change[]): Promise<void> => {
    await broker.send([{ mailbox: "in", frame }]);
    const acks = await input.take({ frames: 1_000, bytes: 10_000_000 });
    sequence += 1;
    await engine.commit({ lease, sequence, changes, sends: [{ mailbox, frame }], acks });
  };
  for (let first = 0; first < count; first += STEP) {
    const tasks = Array.from({ length: STEP }, (_, n) =>
      sampleTask(0, { id: idOf(first + n), state: "assigned" }),
    );
    await tick(
      "out",
      tasks.map((task) => inserted(task, { payload: "x".repeat(50) })),
    );
    await tick(
      "out",
      tasks.map((task) => finished(task, "1", 5)),
    );
    await broker.send([], await output.take({ frames: 1_000, bytes: 10_000_000 }));
  }
  for (let gone = 0; gone <= count; gone += 2_000)
    await tick("nobody", [{ type: "sweep", before: 10, limit: 2_000 }]);
}

/** All that the schema's tables and indexes take on the disk. */
export async function yardSizes(client: pg.Client, yard: string): Promise<number> {
  const { rows } = await client.query(
    `SELECT sum(pg_total_relation_size(c.oid)) AS bytes FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
     WHERE nspname = $1 AND relkind = 'r'`,
    [yard],
  );
  return Number(rows[0].bytes);
}

function idOf(number: number): string {
  const time = (1_700_000_000_000 + number).toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-000000000000`;
}

const STEP = 500;

if (import.meta.main) {
  const count = Number(process.argv[2] ?? 1_000_000);
  const server = await startPostgres({ settings: ["synchronous_commit = off"] });
  const url = server.yardUrl();
  const yard = new URL(url).searchParams.get("yard") ?? "";
  const client = new pg.Client(url.split("?")[0]);
  await client.connect();
  const engine = await openEngine(url);
  const lease = await engine.store.acquire(0, "owner", 3_600_000);
  if (lease === null) throw new Error("A new shard has an owner.");
  const print = async (when: string): Promise<void> =>
    console.log(`${when}: ${Math.round((await yardSizes(client, yard)) / 1024)} KiB`);
  await print("empty");
  await playTasks(engine, lease, count);
  await print(`after ${count} tasks, finished and swept`);
  await client.query("VACUUM");
  await print("after VACUUM, as autovacuum does it");
  await engine.store.renew(lease, 3_600_000);
  await engine.store.holder(0);
  await print("after the owner's housekeeping");
  await client.end();
  await engine.close({ timeoutMs: 1_000 });
  await server.stop();
}
