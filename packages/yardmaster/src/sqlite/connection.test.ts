import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Host, systemHost } from "../host.ts";
import { codeOf } from "../testing/conformance.ts";
import { createManualHost } from "../testing/manual-host.ts";
import { Connection, DURABLE, TRANSIENT } from "./connection.ts";
import { type Database, int, openDatabase } from "./driver.ts";

const HALF = "STORE_UNAVAILABLE";

describe("a connection", () => {
  let folder = "";
  const open: Database[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "yardmaster-"));
    const db = database();
    db.exec("PRAGMA journal_mode = WAL; CREATE TABLE line (entry INTEGER, filler BLOB)");
  });

  afterEach(() => {
    for (const db of open.splice(0)) db.close();
    rmSync(folder, { recursive: true });
  });

  function database(options: { readonly readOnly?: boolean } = {}): Database {
    const db = openDatabase(join(folder, "x.db"), options);
    open.push(db);
    return db;
  }

  function connection(db: Database, host: Host = systemHost, syncs = true): Connection {
    return new Connection(db, join(folder, "x.db"), host, { syncs });
  }

  function entries(): number[] {
    return database()
      .prepare("SELECT entry FROM line ORDER BY rowid")
      .all()
      .map(({ entry }) => int(entry));
  }

  it("syncs durable writes to the disk and no others", async () => {
    const own = connection(database());
    const level = (): number => int(own.prepare("PRAGMA synchronous").get()?.["synchronous"]);
    const levels: number[] = [];
    for (const isDurable of [DURABLE, TRANSIENT, TRANSIENT, DURABLE]) {
      levels.push(await own.write(HALF, isDurable, level));
    }
    expect(levels).toEqual([2, 1, 1, 2]);
  });

  it("leaves every write to the operating system when it is told to", async () => {
    const own = connection(database(), systemHost, false);
    const level = (): number => int(own.prepare("PRAGMA synchronous").get()?.["synchronous"]);
    expect(await own.write(HALF, DURABLE, level)).toBe(1);
  });

  it("keeps the order of writes that found the file locked", async () => {
    const host = createManualHost();
    const own = connection(database(), host);
    const insert = own.prepare("INSERT INTO line (entry) VALUES (?)");
    const other = database();
    other.exec("BEGIN IMMEDIATE");
    const writes = [1, 2, 3].map((entry) => own.write(HALF, TRANSIENT, () => insert.run(entry)));
    await host.advance(100);
    other.exec("INSERT INTO line (entry) VALUES (0); COMMIT");
    await host.advance(1);
    await Promise.all(writes);
    expect(entries()).toEqual([0, 1, 2, 3]);
  });

  it("gives up on a file that stays locked, and works again when it is free", async () => {
    const host = createManualHost();
    const own = connection(database(), host);
    const insert = own.prepare("INSERT INTO line (entry) VALUES (?)");
    const other = database();
    other.exec("BEGIN IMMEDIATE");
    const code = codeOf(own.write("BROKER_UNAVAILABLE", TRANSIENT, () => insert.run(1)));
    await host.advance(6_000);
    expect(await code).toBe("BROKER_UNAVAILABLE");
    other.exec("ROLLBACK");
    await own.write(HALF, TRANSIENT, () => insert.run(2));
    expect(entries()).toEqual([2]);
  });

  it("calls a file damaged where it has other tables, and not where a statement only fails", async () => {
    const db = database();
    const own = connection(db);
    expect(await codeOf(own.write(HALF, TRANSIENT, () => db.exec("BEGIN")))).toBe("STORE_UNAVAILABLE");
    for (const text of [
      "SELECT 1 FROM absent",
      "SELECT absent FROM line",
      "INSERT INTO line (absent) VALUES (1)",
    ])
      expect(await codeOf(own.write(HALF, TRANSIENT, () => db.exec(text)))).toBe("STORE_CORRUPT");
  });

  it("undoes a write that fails, and goes on with the next", async () => {
    const own = connection(database());
    const insert = own.prepare("INSERT INTO line (entry) VALUES (?)");
    const failed = own.write(HALF, TRANSIENT, () => {
      insert.run(1);
      throw new RangeError("no");
    });
    const next = own.write(HALF, TRANSIENT, () => insert.run(2));
    await expect(failed).rejects.toThrow(RangeError);
    await next;
    expect(entries()).toEqual([2]);
  });

  it("says that the disk is full, makes room with what can still be written, and recovers", async () => {
    const db = database();
    const own = connection(db);
    const fill = own.prepare("INSERT INTO line (entry, filler) VALUES (1, zeroblob(100000))");
    db.exec("PRAGMA max_page_count = 20");
    expect(await codeOf(own.write(HALF, DURABLE, () => fill.run()))).toBe("STORE_FULL");
    expect(entries()).toEqual([]);
    db.exec("PRAGMA max_page_count = 1000");
    await own.write(HALF, DURABLE, () => fill.run());
    expect(entries()).toEqual([1]);
  });

  it("says that the file cannot be written", async () => {
    const own = connection(database({ readOnly: true }));
    const insert = own.prepare("INSERT INTO line (entry) VALUES (1)");
    expect(await codeOf(own.write(HALF, DURABLE, () => insert.run()))).toBe("STORE_READ_ONLY");
  });

  it("refuses what waits and what comes when it is closed", async () => {
    const host = createManualHost();
    const db = openDatabase(join(folder, "x.db"));
    const own = connection(db, host);
    const other = database();
    other.exec("BEGIN IMMEDIATE");
    const waiting = codeOf(own.write(HALF, TRANSIENT, () => undefined));
    own.close();
    own.close();
    await host.advance(10);
    expect([
      await waiting,
      await codeOf(own.write(HALF, TRANSIENT, () => undefined)),
      await codeOf(own.read(HALF, () => undefined)),
    ]).toEqual(["CLOSED", "CLOSED", "CLOSED"]);
  });
});
