import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemHost } from "../host.ts";
import { codeOf, failureOf } from "../testing/conformance.ts";
import { int, openDatabase } from "./driver.ts";
import { openSqliteEngine } from "./engine.ts";
import { openYardFile, type YardFileOptions } from "./yard-file.ts";

const OPTIONS: YardFileOptions = { durability: "disk", shards: 1 };

describe("a yard's file", () => {
  let folder = "";
  let path = "";

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "yardmaster-"));
    path = join(folder, "yard.db");
  });

  afterEach(() => {
    chmodSync(folder, 0o700);
    rmSync(folder, { recursive: true });
  });

  async function create(): Promise<void> {
    const [, leave] = await openYardFile(path, systemHost, OPTIONS);
    leave();
  }

  function execute(sql: string): void {
    const db = openDatabase(path);
    db.exec(sql);
    db.close();
  }

  it("marks the file as its own, and keeps the number of shards", async () => {
    const [, leave] = await openYardFile(path, systemHost, { ...OPTIONS, shards: 7 });
    leave();
    const [file, leaveAgain] = await openYardFile(path, systemHost, OPTIONS);
    const header = [
      int(file.connection.prepare("PRAGMA application_id").get()?.["application_id"]),
      int(file.connection.prepare("PRAGMA user_version").get()?.["user_version"]),
    ];
    leaveAgain();
    expect([file.shards, ...header]).toEqual([7, 0x59415244, 1]);
  });

  it("is one connection for all who open it at once, until the last has left", async () => {
    const opened = await Promise.all([1, 2, 3].map(() => openYardFile(path, systemHost, OPTIONS)));
    const connections = new Set(opened.map(([file]) => file.connection));
    expect(connections.size).toBe(1);
    const [[first, leaveFirst], ...others] = [opened[0] ?? [], ...opened.slice(1)];
    leaveFirst?.();
    const [another, leaveAnother] = await openYardFile(join(folder, ".", "yard.db"), systemHost, OPTIONS);
    expect(another).toBe(first);
    for (const [, leave] of others) leave();
    leaveAnother();
    expect(await codeOf(another.connection.read("STORE_UNAVAILABLE", () => 1))).toBe("CLOSED");
  });

  it("is another connection for another durability", async () => {
    const [disk, leaveDisk] = await openYardFile(path, systemHost, OPTIONS);
    const [os, leaveOs] = await openYardFile(path, systemHost, { ...OPTIONS, durability: "os" });
    leaveDisk();
    leaveOs();
    expect(disk.connection).not.toBe(os.connection);
  });

  it("may be created by an empty file that was there", async () => {
    writeFileSync(path, "");
    await create();
    expect(statSync(path).size).toBeGreaterThan(0);
  });

  it("refuses a schema of a newer version, and leaves it as it is", async () => {
    await create();
    execute("PRAGMA user_version = 99");
    const failure = await failureOf(openYardFile(path, systemHost, OPTIONS));
    expect([failure?.code, failure?.message.includes("99")]).toEqual(["UNSUPPORTED_VERSION", true]);
  });

  it("refuses the database of another program, and leaves it as it is", async () => {
    execute("CREATE TABLE theirs (a)");
    const before = statSync(path).size;
    expect(await codeOf(openYardFile(path, systemHost, OPTIONS))).toBe("STORE_CORRUPT");
    execute("DROP TABLE theirs; PRAGMA application_id = 5");
    expect(await codeOf(openYardFile(path, systemHost, OPTIONS))).toBe("STORE_CORRUPT");
    expect([statSync(path).size, existsSync(`${path}-wal`)]).toEqual([before, false]);
  });

  it("refuses what is not a database", async () => {
    writeFileSync(path, "These are not the bytes that you are looking for. ".repeat(100));
    expect(await codeOf(openYardFile(path, systemHost, OPTIONS))).toBe("STORE_CORRUPT");
  });

  it("says that a damaged file is damaged", async () => {
    await create();
    truncateSync(path, 4_096 * 3);
    const attempt = openSqliteEngine(path, systemHost, OPTIONS).then((engine) => engine.broker.mailboxes(""));
    expect(await codeOf(attempt)).toBe("STORE_CORRUPT");
  });

  it("refuses a folder, and a file in no folder", async () => {
    mkdirSync(path);
    expect(await codeOf(openYardFile(path, systemHost, OPTIONS))).toBe("INVALID_URL");
    expect(await codeOf(openYardFile(join(folder, "none", "x.db"), systemHost, OPTIONS))).toBe("INVALID_URL");
  });

  it("refuses a file and a folder that cannot be reached or written", async () => {
    await create();
    chmodSync(folder, 0o700);
    expect(unprivileged(path)).toBe("STORE_READ_ONLY");
    chmodSync(folder, 0o777);
    chmodSync(path, 0o444);
    expect(unprivileged(path)).toBe("STORE_READ_ONLY");
    chmodSync(path, 0o666);
    chmodSync(folder, 0o555);
    expect(unprivileged(path)).toBe("STORE_READ_ONLY");
    expect(unprivileged(join(folder, "new.db"))).toBe("STORE_READ_ONLY");
  });

  it("copies the log back again and again, so that it stays small", async () => {
    const engine = await openSqliteEngine(path, systemHost, { ...OPTIONS, durability: "os" });
    await engine.broker.declare("mail", { durable: true });
    const frame = new Uint8Array(500_000);
    for (let n = 0; n < 120; n += 1) await engine.broker.send([{ mailbox: "mail", frame }]);
    expect(await engine.broker.depth("mail")).toBe(120);
    expect(statSync(`${path}-wal`).size).toBeLessThan(40_000_000);
    await engine.close({ timeoutMs: 1_000 });
    expect(existsSync(`${path}-wal`)).toBe(false);
  });
});

/** The code that a process without root's rights gets. */
function unprivileged(path: string): string {
  const child = join(import.meta.dirname, "../../test/open-child.ts");
  const { stdout } = spawnSync(process.execPath, ["--no-warnings", child, path], { encoding: "utf8" });
  return stdout;
}
