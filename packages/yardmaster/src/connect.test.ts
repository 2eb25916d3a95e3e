import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openEngine } from "./connect.ts";
import type { Engine } from "./engine.ts";
import { systemHost } from "./host.ts";
import { codeOf, failureOf, frameOf } from "./testing/conformance.ts";
import { inserted, loadedIds, sampleTask, taskIdIn } from "./testing/sample-tasks.ts";

describe("openEngine", () => {
  let folder = "";
  const engines: Engine[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "yardmaster-"));
  });

  afterEach(async () => {
    for (const engine of engines.splice(0)) await engine.close({ timeoutMs: 1_000 });
    rmSync(folder, { recursive: true });
  });

  async function open(...args: Parameters<typeof openEngine>): Promise<Engine> {
    const engine = await openEngine(...args);
    engines.push(engine);
    return engine;
  }

  it("opens one yard in memory for each name, while anybody has it open", async () => {
    const [one, same, other] = [
      await open("memory:one"),
      await open("memory:one"),
      await open("memory:other"),
    ];
    await one.broker.declare("mail", { durable: true });
    expect(await same.broker.mailboxes("")).toEqual(["mail"]);
    expect(await other.broker.mailboxes("")).toEqual([]);
    await one.close({ timeoutMs: 1_000 });
    await one.close({ timeoutMs: 1_000 });
    expect(await (await open("memory:one")).broker.mailboxes("")).toEqual(["mail"]);
    for (const engine of engines.splice(0)) await engine.close({ timeoutMs: 1_000 });
    expect(await (await open("memory:one")).broker.mailboxes("")).toEqual([]);
    expect(one.url).toBe(null);
  });

  it.each([
    ["yard.db", "yard.db"],
    ["a%20b%23c%3Fd%25.db", "a b#c?d%.db"],
    ["ö.db?durability=os", "ö.db"],
    ["y.db?durability=disk", "y.db"],
  ])("opens the file of sqlite:%s", async (written, file) => {
    const engine = await open(`sqlite:${folder}/${written}`);
    expect(readdirSync(folder)).toContain(file);
    await engine.broker.declare("mail", { durable: true });
    const again = await open(String(engine.url));
    expect([await again.broker.mailboxes(""), again.url]).toEqual([["mail"], engine.url]);
  });

  it("opens a file by a path from the working folder and with three slashes", async () => {
    const engine = await open(`sqlite://${folder}/yard.db`);
    expect(engine.url).toBe(`sqlite:${folder}/yard.db`);
  });

  it("gives a new yard the shards that it is told, one by default", async () => {
    const engine = await open(`sqlite:${folder}/a.db`, systemHost, { shards: 4_096 });
    expect([engine.shards, (await open("memory:one")).shards]).toEqual([4_096, 1]);
    for (const shards of [0, 1.5, 4_097, Number.NaN]) {
      expect(await codeOf(open("memory:two", systemHost, { shards }))).toBe("INVALID_OPTIONS");
    }
  });

  it("pairs a broker with a store", async () => {
    const engine = await open({ broker: "memory:one", store: `sqlite:${folder}/a.db` }, systemHost, {
      shards: 2,
    });
    await engine.broker.declare("mail", { durable: true });
    const lease = await engine.store.acquire(1, "owner", 60_000);
    if (lease === null) throw new Error("A new shard has an owner.");
    const outcomes = await engine.commit({
      lease,
      sequence: 1,
      changes: [inserted(sampleTask(1, { id: taskIdIn(1, 1) }))],
      sends: [{ mailbox: "mail", frame: frameOf("a") }],
      acks: [],
    });
    expect(outcomes).toEqual(["confirmed"]);
    expect(await (await open("memory:one")).broker.depth("mail")).toBe(1);
    expect(await loadedIds((await open(`sqlite:${folder}/a.db`)).store, 1)).toEqual([taskIdIn(1, 1)]);
    expect([engine.shards, engine.url]).toEqual([2, null]);
    await engine.close({ timeoutMs: 1_000 });
    expect([await codeOf(engine.broker.depth("mail")), await codeOf(engine.store.holder(0))]).toEqual([
      "CLOSED",
      "CLOSED",
    ]);
  });

  it("is one engine when broker and store have one URL", async () => {
    const url = `sqlite:${folder}/a.db`;
    expect((await open({ broker: url, store: url })).url).toBe(url);
  });

  it("closes the broker again when the store does not open", async () => {
    expect(await codeOf(open({ broker: "memory:one", store: `sqlite:${folder}/none/a.db` }))).toBe(
      "INVALID_URL",
    );
    await (await open("memory:one", systemHost, { shards: 3 })).broker.declare("mail", { durable: true });
    expect(engines.at(-1)?.shards).toBe(3);
  });

  it.each([
    ["./yard.db", "scheme"],
    ["", "scheme"],
    ["mysql://localhost/x", 'no engine "mysql"'],
    ["memory:", "name"],
    ["memory:a?b=c", "parameters"],
    ["sqlite:", "file"],
    ["sqlite:?durability=os", "file"],
    ["sqlite::memory:", "memory"],
    ["sqlite://host/yard.db", "host"],
    ["sqlite:./a.db?durability=never", "durability"],
    ["sqlite:./a.db?durability=os&durability=disk", "durability"],
    ["sqlite:./a.db?mode=ro", '"mode"'],
    ["sqlite:./a.db#x", "fragment"],
    ["sqlite:./100%.db", "%25"],
    ["sqlite:./a%00.db", "NUL"],
  ])("says what is wrong with %j, and how it is written", async (url, why) => {
    const failure = await failureOf(open(url));
    expect(failure?.code).toBe("INVALID_URL");
    expect(failure?.message).toContain(why);
    expect(failure?.message).toMatch(/Example: (sqlite|memory):/);
  });

  it("keeps passwords out of its messages", async () => {
    const failure = await failureOf(open("mysql://user:secret@host/db"));
    expect(failure?.message).not.toContain("secret");
  });

  it("says that RabbitMQ keeps no results", async () => {
    const failure = await failureOf(open("amqp://user:secret@h/v"));
    expect([failure?.code, failure?.message.includes("store")]).toEqual(["INVALID_URL", true]);
  });
});
