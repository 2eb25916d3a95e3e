import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Transactional } from "../src/brokers/broker.ts";
import { openEngine } from "../src/connect.ts";
import { submitLane } from "../src/engine.ts";
import {
  connect,
  defineTask,
  type SubmitOptions,
  startDispatcher,
  startYard,
  type TaskHandle,
} from "../src/index.ts";
import { frameOf, takeCount, textsOf } from "../src/testing/conformance.ts";
import { createHandlers } from "../src/worker.ts";
import fc from "./property.ts";
import type { TransactionNews } from "./transaction-child.ts";
import { double } from "./transaction-tasks.ts";

const handlers = [createHandlers().on(double, ({ input }) => input * 2)];
const LANE = submitLane(0);

let folder: string;
let path: string;
let url: string;
/** The caller's own connection, with a table of its own, to the yard's file. */
let db: DatabaseSync;
let inside: NonNullable<SubmitOptions["tx"]>;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "yardmaster-tx-"));
  path = join(folder, "yard.db");
  url = `sqlite:${path}`;
  await (await connect(url)).close();
  db = new DatabaseSync(path, { timeout: 5_000 });
  db.exec("CREATE TABLE orders (item TEXT)");
  inside = (sql, params) => db.prepare(sql).run(...params);
});

afterEach(() => {
  db.close();
  rmSync(folder, { recursive: true });
});

function orders(): number {
  return Number(db.prepare("SELECT count(*) AS n FROM orders").get()?.["n"]);
}

describe("a task submitted in a transaction", () => {
  it("runs when it is committed", async () => {
    await using yard = await startYard({ url, handlers });
    db.exec("BEGIN IMMEDIATE");
    db.exec("INSERT INTO orders (item) VALUES ('lamp')");
    const task = await yard.submit(double, 21, { tx: inside });
    db.exec("COMMIT");
    expect(await task.accepted()).toEqual({ outcome: "created", id: task.id });
    expect(await task.result()).toBe(42);
    expect(orders()).toBe(1);
  });

  it("never exists when it is rolled back", async () => {
    await using yard = await startYard({ url, handlers });
    db.exec("BEGIN");
    const task = await yard.submit(double, 21, { tx: inside });
    db.exec("ROLLBACK");
    expect(await (await yard.submit(double, 1)).result()).toBe(2);
    expect(await yard.status(task.id)).toBeNull();
    expect(await yard.list()).toHaveLength(1);
    await expect(task.result()).rejects.toMatchObject({ code: "TX_OPEN", details: { id: task.id } });
  });

  it("is waited for only after the commit", async () => {
    await using yard = await startYard({ url, handlers });
    db.exec("BEGIN");
    const task = await yard.submit(double, 21, { tx: inside });
    const waits = [
      () => task.result(),
      () => task.accepted(),
      () => task.settled(),
      () => task.events().next(),
    ];
    for (const wait of waits) await expect(wait()).rejects.toMatchObject({ code: "TX_OPEN" });
    db.exec("COMMIT");
    expect(await task.settled()).toEqual({ ok: true, value: 42 });
  });

  it("is not taken for uncommitted while it waits for a dispatcher", async () => {
    await using yard = await connect(url);
    db.exec("BEGIN");
    const task = await yard.submit(double, 21, { tx: inside });
    db.exec("COMMIT");
    const accepted = task.accepted();
    await using _dispatcher = await startDispatcher({ url });
    expect(await accepted).toEqual({ outcome: "created", id: task.id });
  });

  it("keeps its idempotency key", async () => {
    await using yard = await startYard({ url, handlers });
    const first = await yard.submit(double, 21, { idempotencyKey: "once" });
    await first.accepted();
    db.exec("BEGIN");
    const same = await yard.submit(double, 21, { idempotencyKey: "once", tx: inside });
    const other = await yard.submit(double, 22, { idempotencyKey: "once", tx: inside });
    db.exec("COMMIT");
    expect(await same.accepted()).toEqual({ outcome: "duplicate", id: first.id });
    expect(await same.result()).toBe(42);
    await expect(other.result()).rejects.toMatchObject({ code: "IDEMPOTENCY_CONFLICT" });
  });

  it("goes with others, before and after it, of many in one transaction", async () => {
    await using yard = await startYard({ url, handlers });
    const plain = await yard.submit(double, 1);
    db.exec("BEGIN IMMEDIATE");
    const tasks: TaskHandle<number>[] = [];
    for await (const task of yard.submitMany(double, [2, 3, 4], { tx: inside })) tasks.push(task);
    db.exec("COMMIT");
    const last = await yard.submit(double, 5);
    const results = await Promise.all([plain, ...tasks, last].map((task) => task.result()));
    expect(results).toEqual([2, 4, 6, 8, 10]);
  });

  it("is a statement that runs before submit returns, and fails with it", async () => {
    await using yard = await connect(url);
    let calls = 0;
    const refused = yard.submit(double, 1, {
      tx: () => {
        calls += 1;
        throw new RangeError("no");
      },
    });
    expect(calls).toBe(1);
    await expect(refused).rejects.toThrow(RangeError);
    await expect(
      yard.submit(double, 1, { tx: async () => Promise.reject(new RangeError("no")) }),
    ).rejects.toThrow(RangeError);
  });

  it("is refused where nothing could carry it", async () => {
    await using memory = await connect("memory:transactions");
    const refused = memory.submit(double, 1, { tx: inside });
    await expect(refused).rejects.toMatchObject({ code: "UNSUPPORTED" });
    // @ts-expect-error It is no function.
    const wrong = memory.submit(double, 1, { tx: db });
    await expect(wrong).rejects.toMatchObject({ code: "INVALID_OPTIONS", details: { field: "tx" } });
  });

  it("is checked before anything runs in the transaction", async () => {
    await using yard = await connect(url);
    const small = defineTask<string, string>({ name: "small", maxPayloadBytes: 4 });
    const statements: string[] = [];
    const tooLong = yard.submit(small, "too long", { tx: (sql) => statements.push(sql) });
    await expect(tooLong).rejects.toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
    expect(statements).toEqual([]);
  });
});

describe("another process", () => {
  let child: ChildProcess;

  beforeEach(() => {
    child = fork(join(import.meta.dirname, "transaction-child.ts"), [path], { execArgv: ["--no-warnings"] });
  });

  afterEach(() => child.kill("SIGKILL"));

  async function news(): Promise<TransactionNews> {
    const [message] = await once(child, "message");
    return message;
  }

  it("leaves nothing when it is killed before the commit", async () => {
    const submitted = await news();
    if (submitted.news !== "submitted") throw new Error("nothing was submitted");
    child.kill("SIGKILL");
    await once(child, "exit");
    await using yard = await startYard({ url, handlers });
    expect(await (await yard.submit(double, 1)).result()).toBe(2);
    expect(await yard.status(submitted.id)).toBeNull();
    expect(await yard.list()).toHaveLength(1);
    expect(orders()).toBe(0);
  });

  it("commits when it likes, and the task runs here", async () => {
    await news();
    const starting = startYard({ url, handlers });
    child.send("commit");
    await using _yard = await starting;
    expect(await news()).toEqual({ news: "result", value: 42 });
    expect(orders()).toBe(1);
  });
});

describe("the frames of transactions", () => {
  it("come in the order of the commits among all others, and none is left out", async () => {
    const step = fc.constantFrom("send", "commit", "rollback", "savepoint", "take");
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), fc.nat(), async (steps, salt) => {
        const engine = await openEngine(url);
        const mailbox = `order:${salt}`;
        await engine.broker.declare(mailbox, { durable: true });
        const receiver = await engine.broker.receive(mailbox);
        const run = statements(engine.broker.transactional, mailbox);
        let committed: string[] = [];
        const take = async (): Promise<void> => {
          if (committed.length > 0) {
            const taken = await takeCount(receiver, committed.length);
            expect(textsOf(taken)).toEqual(committed);
            await engine.broker.send([], taken);
          }
          committed = [];
        };
        for (const [index, what] of steps.entries()) {
          const name = `${what} ${index}`;
          if (what === "take") await take();
          else if (what === "send") await engine.broker.send([{ mailbox, frame: frameOf(name) }]);
          else committed = [...committed, ...run(what, name)];
          if (what === "send") committed = [...committed, name];
        }
        await take();
        expect(await engine.broker.depth(mailbox)).toBe(0);
        await engine.broker.remove(mailbox);
        await engine.close({ timeoutMs: 1_000 });
      }),
      { numRuns: 30 },
    );
  });

  it("wait in a mailbox that nobody has declared", async () => {
    const engine = await openEngine(url);
    const run = statements(engine.broker.transactional, LANE);
    run("commit", "early");
    await engine.broker.declare(LANE, { durable: true });
    expect(textsOf(await takeCount(await engine.broker.receive(LANE), 1))).toEqual(["early a"]);
    await engine.close({ timeoutMs: 1_000 });
  });

  it("are seen in their mailbox from the commit to the acknowledgement", async () => {
    const engine = await openEngine(url);
    const { broker } = engine;
    const { transactional } = broker;
    if (transactional === undefined) throw new Error("no transactions");
    const { sql, params } = transactional.statement(LANE, frameOf("one"), "one");
    db.exec("BEGIN");
    db.prepare(sql).run(...params);
    expect(await transactional.waits(LANE, "one")).toBe(false);
    db.exec("COMMIT");
    expect(await transactional.waits(LANE, "one")).toBe(true);
    expect(await transactional.waits("elsewhere", "one")).toBe(false);
    await broker.send([], await takeCount(await broker.receive(LANE), 1));
    expect(await transactional.waits(LANE, "one")).toBe(false);
    await engine.close({ timeoutMs: 1_000 });
  });
});

/** Sends frames in the caller's transaction and answers with those that must come. */
function statements(
  transactional: Transactional | undefined,
  mailbox: string,
): (what: "commit" | "rollback" | "savepoint", name: string) => string[] {
  return (what: "commit" | "rollback" | "savepoint", name: string): string[] => {
    const send = (text: string): void => {
      const { sql, params } = transactional?.statement(mailbox, frameOf(text), text) ?? {
        sql: "",
        params: [],
      };
      db.prepare(sql).run(...params);
    };
    db.exec("BEGIN");
    send(`${name} a`);
    db.exec("SAVEPOINT half");
    send(`${name} b`);
    if (what === "savepoint") db.exec("ROLLBACK TO half");
    send(`${name} c`);
    db.exec(what === "rollback" ? "ROLLBACK" : "COMMIT");
    if (what === "rollback") return [];
    return (what === "savepoint" ? ["a", "c"] : ["a", "b", "c"]).map((part) => `${name} ${part}`);
  };
}
