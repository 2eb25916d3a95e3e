import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openBroker, openEngine } from "../src/connect.ts";
import { startDispatcherOn } from "../src/dispatcher/dispatcher.ts";
import type { Engine } from "../src/engine.ts";
import { systemHost } from "../src/host.ts";
import { connect, type SubmitOptions, startDispatcher, startWorker, startYard } from "../src/index.ts";
import { pairEngines } from "../src/pair.ts";
import { createHandlers } from "../src/worker.ts";
import { double } from "./transaction-tasks.ts";

let folder: string;
let address: { broker: string; store: string };
/** The caller's own connection to the store's file, which the broker knows nothing of. */
let db: DatabaseSync;
let inside: NonNullable<SubmitOptions["tx"]>;
let runs: number;
let yards = 0;

const handlers = [
  createHandlers().on(double, ({ input }) => {
    runs += 1;
    return input * 2;
  }),
];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "yardmaster-outbox-"));
  yards += 1;
  const path = join(folder, "yard.db");
  address = { broker: `memory:outbox-${yards}`, store: `sqlite:${path}` };
  await (await connect(address)).close();
  db = new DatabaseSync(path, { timeout: 5_000 });
  db.exec("CREATE TABLE orders (item TEXT)");
  inside = (sql, params) => db.prepare(sql).run(...params);
  runs = 0;
});

afterEach(() => {
  db.close();
  rmSync(folder, { recursive: true });
});

describe("a task submitted in a transaction of the store's, beside another broker", () => {
  it("runs when it is committed", async () => {
    await using yard = await startYard({ ...address, handlers });
    db.exec("BEGIN IMMEDIATE");
    db.exec("INSERT INTO orders (item) VALUES ('lamp')");
    const task = await yard.submit(double, 21, { tx: inside });
    db.exec("COMMIT");
    expect(await task.accepted()).toEqual({ outcome: "created", id: task.id });
    expect(await task.result()).toBe(42);
  });

  it("never exists when it is rolled back, and is waited for only after the commit", async () => {
    await using yard = await startYard({ ...address, handlers });
    db.exec("BEGIN");
    const gone = await yard.submit(double, 21, { tx: inside });
    db.exec("ROLLBACK");
    db.exec("BEGIN");
    const open = await yard.submit(double, 4, { tx: inside });
    await expect(open.result()).rejects.toMatchObject({ code: "TX_OPEN" });
    db.exec("COMMIT");
    expect(await open.result()).toBe(8);
    await expect(gone.result()).rejects.toMatchObject({ code: "TX_OPEN", details: { id: gone.id } });
    expect(await yard.status(gone.id)).toBeNull();
    expect(runs).toBe(1);
  });

  it("waits in the store for a dispatcher, beside those that wait in the broker", async () => {
    await using yard = await connect(address);
    db.exec("BEGIN");
    const task = await yard.submit(double, 21, { tx: inside });
    db.exec("COMMIT");
    const plain = await yard.submit(double, 1);
    const accepted = task.accepted();
    await using _dispatcher = await startDispatcher(address);
    await using _worker = await startWorker({ ...address, handlers });
    expect(await accepted).toEqual({ outcome: "created", id: task.id });
    expect(await Promise.all([task.result(), plain.result()])).toEqual([42, 2]);
  });

  it("is one task though its owner is lost between the commit and the broker's part of it", async () => {
    const whole = await openEngine(address.store);
    const half = await openBroker(address.broker);
    let cut: () => void = () => undefined;
    const isCut = new Promise<void>((resolve) => {
      cut = resolve;
    });
    const { broker } = half;
    const send: typeof broker.send = (sends, acks) => {
      if (!sends.some(({ mailbox }) => mailbox.startsWith("client:"))) return broker.send(sends, acks);
      cut();
      return new Promise(() => undefined);
    };
    const engine: Engine = pairEngines({ ...half, broker: { ...broker, send } }, whole, null);
    const doomed = await startDispatcherOn({ engine, host: systemHost });
    await using yard = await connect(address);
    db.exec("BEGIN");
    const task = await yard.submit(double, 21, { tx: inside });
    db.exec("COMMIT");
    await isCut;
    expect(await whole.broker.depth("outbox:0")).toBe(0);
    await expect(doomed.close({ timeoutMs: 10 })).rejects.toMatchObject({ code: "TIMED_OUT_CLOSING" });
    await engine.close({ timeoutMs: 100 });
    await using _worker = await startWorker({ ...address, handlers });
    await using _dispatcher = await startDispatcher(address);
    expect(await task.result()).toBe(42);
    expect(runs).toBe(1);
  }, 40_000);
});
