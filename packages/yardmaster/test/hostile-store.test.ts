import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openEngine } from "../src/connect.ts";
import type { Engine } from "../src/engine.ts";
import { systemHost } from "../src/host.ts";
import { cursorOf } from "../src/redis/replies.ts";
import { openDatabase } from "../src/sqlite/driver.ts";
import { partsOf } from "../src/stores/redis-reads.ts";
import { frameOf, takeCount, textsOf } from "../src/testing/conformance.ts";
import { loaded, owner } from "../src/testing/sample-tasks.ts";

let folder = "";
let path = "";
let engine: Engine | null = null;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "yardmaster-"));
  path = join(folder, "yard.db");
  const first = await openEngine(`sqlite:${path}`, systemHost);
  const commit = await owner(first.store);
  await commit({ type: "tombstone", id: "a", keepUntil: 5 });
  await first.broker.presence.hold("worker:a");
  await first.broker.declare("mail", { durable: true });
  await first.broker.send([{ mailbox: "mail", frame: frameOf("frame") }]);
  await first.close({ timeoutMs: 1_000 });
});

afterEach(async () => {
  await engine?.close({ timeoutMs: 1_000 });
  engine = null;
  rmSync(folder, { recursive: true, force: true });
});

async function changed(sql: string): Promise<Engine> {
  const db = openDatabase(path);
  db.exec(sql);
  db.close();
  const opened = await openEngine(`sqlite:${path}`, systemHost);
  engine = opened;
  return opened;
}

describe("a yard file that somebody else has written to", () => {
  it("gives a typed error for a column of another type", async () => {
    const { store } = await changed("UPDATE tombstone SET keep = 'soon'");
    await expect(loaded(store)).rejects.toMatchObject({ code: "STORE_CORRUPT" });
  });

  it("gives a typed error for a number that JavaScript does not have", async () => {
    const { store } = await changed("UPDATE tombstone SET keep = 9007199254740993");
    await expect(loaded(store)).rejects.toMatchObject({ code: "STORE_CORRUPT" });
  });

  it("gives a typed error for other tables, and is closed again", async () => {
    await expect(changed("ALTER TABLE task RENAME COLUMN payload TO content")).rejects.toMatchObject({
      code: "STORE_CORRUPT",
    });
  });

  it("keeps nobody waiting for a frame that it counts", async () => {
    const { broker } = await changed("UPDATE frame SET id = -1");
    expect(await broker.depth("mail")).toBe(1);
    const receiver = await broker.receive("mail");
    expect(textsOf(await takeCount(receiver, 1))).toEqual(["frame"]);
    await receiver.close();
  });

  it("names no file that the system cannot have", async () => {
    const { broker } = await changed(`UPDATE presence SET holder = '${"x".repeat(5_000)}'`);
    expect(await broker.presence.absent(["worker:a"])).toEqual([]);
  });

  it("names no file that is removed", async () => {
    const { broker } = await changed("UPDATE presence SET holder = '../yard.db'");
    expect(await broker.presence.absent(["worker:a"])).toEqual([]);
    expect(existsSync(path)).toBe(true);
  });
});

describe("what Redis answers", () => {
  it("is asked for no further page where its cursor is none", () => {
    expect(() => cursorOf(null)).toThrow(expect.objectContaining({ code: "STORE_CORRUPT" }));
    expect(cursorOf(Buffer.from("0"))).toBe("0");
  });

  it("is a typed error where a task's value ends early", () => {
    expect(() => partsOf(Buffer.from([1]))).toThrow(expect.objectContaining({ code: "STORE_CORRUPT" }));
  });
});
