import { mkdtempSync, rmSync } from "node:fs";
import { open as openFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { BATCH, PAYLOAD, type RawEngine, type RawMeasure } from "./limit.ts";

/** One connection to a file in WAL mode. */
export async function sqliteLimits(): Promise<RawEngine> {
  const folder = mkdtempSync(join(tmpdir(), "yardmaster-raw-"));
  const databases: DatabaseSync[] = [];
  const rows = (synchronous: "FULL" | "NORMAL", batch: number): RawMeasure["run"] => {
    const database = new DatabaseSync(join(folder, `${databases.length}.db`));
    databases.push(database);
    database.exec(`PRAGMA journal_mode=WAL; PRAGMA synchronous=${synchronous};
      CREATE TABLE task (id INTEGER PRIMARY KEY, payload TEXT)`);
    const insert = database.prepare("INSERT INTO task (payload) VALUES (?)");
    return () => {
      database.exec("BEGIN IMMEDIATE");
      for (let index = 0; index < batch; index++) insert.run(PAYLOAD);
      database.exec("COMMIT");
      return batch;
    };
  };
  const file = await openFile(join(folder, "plain"), "w");
  return {
    name: `SQLite ${process.versions["sqlite"] ?? ""} (WAL)`,
    measures: [
      {
        name: "fsync of 4 KiB appended",
        isRoundTrip: true,
        run: async () => {
          await file.write(PAGE);
          await file.sync();
          return 1;
        },
      },
      { name: "single commits, FULL", isRoundTrip: true, run: rows("FULL", 1) },
      { name: `rows in commits of ${BATCH}, FULL`, run: rows("FULL", BATCH) },
      { name: "single commits, NORMAL", run: rows("NORMAL", 1) },
      { name: `rows in commits of ${BATCH}, NORMAL`, run: rows("NORMAL", BATCH) },
    ],
    close: async () => {
      await file.close();
      for (const database of databases) database.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const PAGE = Buffer.alloc(4_096, "x");
