import { sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import pg from "pg";
import postgres from "postgres";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type PostgresServer, startPostgres } from "../../../servers/postgres.ts";
import { openEngine } from "../src/connect.ts";
import { type Engine, submitLane } from "../src/engine.ts";
import { connect, startDispatcher, startYard } from "../src/index.ts";
import { frameOf, takeCount, textsOf } from "../src/testing/conformance.ts";
import { createHandlers } from "../src/worker.ts";
import { serverTests } from "./server-tests.ts";
import { double } from "./transaction-tasks.ts";

const handlers = [createHandlers().on(double, ({ input }) => input * 2)];
const LANE = submitLane(0);

await serverTests("PostgreSQL's transactions", startPostgres, (server) => {
  driverTests(server);
  frameTests(server);
});

function databaseOf({ port }: PostgresServer, user = "postgres"): string {
  return `postgres://${user}@127.0.0.1:${port}/postgres`;
}

function driverTests(server: PostgresServer): void {
  describe("a task submitted in a transaction on PostgreSQL", () => {
    let url: string;
    let client: pg.Client;

    beforeEach(async () => {
      url = server.yardUrl();
      client = new pg.Client(databaseOf(server));
      await client.connect();
      await client.query("CREATE TABLE orders (item text)");
    });

    afterEach(async () => {
      await client.query("DROP TABLE orders");
      await client.end();
    });

    const orders = async (): Promise<number> =>
      Number((await client.query("SELECT count(*) AS n FROM orders")).rows[0].n);

    it("runs when it is committed, with pg", async () => {
      await using yard = await startYard({ url, handlers });
      await client.query("BEGIN");
      await client.query("INSERT INTO orders VALUES ('lamp')");
      const task = await yard.submit(double, 21, { tx: (text, params) => client.query(text, [...params]) });
      await expect(task.result()).rejects.toMatchObject({ code: "TX_OPEN" });
      await client.query("COMMIT");
      expect(await task.accepted()).toEqual({ outcome: "created", id: task.id });
      expect([await task.result(), await orders()]).toEqual([42, 1]);
    });

    it("never exists when it is rolled back, with pg", async () => {
      await using yard = await startYard({ url, handlers });
      await client.query("BEGIN");
      const task = await yard.submit(double, 21, { tx: (text, params) => client.query(text, [...params]) });
      await client.query("ROLLBACK");
      expect(await (await yard.submit(double, 1)).result()).toBe(2);
      expect([await yard.status(task.id), (await yard.list()).length]).toEqual([null, 1]);
      await expect(task.result()).rejects.toMatchObject({ code: "TX_OPEN" });
    });

    it("runs when it is committed, and only then, with postgres.js", async () => {
      await using yard = await startYard({ url, handlers });
      const db = postgres(databaseOf(server), { max: 1 });
      const task = await db.begin(async (tx) => {
        await tx`INSERT INTO orders VALUES ('lamp')`;
        return yard.submit(double, 21, { tx: (text, params) => tx.unsafe(text, [...params]) });
      });
      expect([await task.result(), await orders()]).toEqual([42, 1]);
      const undone = db.begin(async (tx) => {
        await yard.submit(double, 1, { tx: (text, params) => tx.unsafe(text, [...params]) });
        throw new RangeError("no");
      });
      await expect(undone).rejects.toThrow(RangeError);
      await db.end();
      expect([await (await yard.submit(double, 2)).result(), (await yard.list()).length]).toEqual([4, 2]);
    });

    it("runs when it is committed, and only then, with Drizzle", async () => {
      await using yard = await startYard({ url, handlers });
      const db = drizzle(client);
      type Tx = Parameters<Parameters<typeof db.transaction>[0]>[0];
      // Drizzle numbers parameters itself: the statement is cut at each $n, and the value goes in its place.
      const inside = (tx: Tx) => (text: string, params: readonly (string | Uint8Array)[]) =>
        tx.execute(
          sql.join(
            text
              .split(/\$\d+/)
              .flatMap((part, n) => (n === 0 ? [sql.raw(part)] : [sql`${params[n - 1]}`, sql.raw(part)])),
          ),
        );
      const task = await db.transaction((tx) => yard.submit(double, 21, { tx: inside(tx) }));
      expect(await task.result()).toBe(42);
      const undone = db.transaction(async (tx) => {
        await yard.submit(double, 1, { tx: inside(tx) });
        tx.rollback();
      });
      await expect(undone).rejects.toThrow();
      expect([await (await yard.submit(double, 2)).result(), (await yard.list()).length]).toEqual([4, 2]);
    });

    it("waits for a dispatcher that comes later", async () => {
      await using yard = await connect(url);
      await client.query("BEGIN");
      const task = await yard.submit(double, 21, { tx: (text, params) => client.query(text, [...params]) });
      await client.query("COMMIT");
      const accepted = task.accepted();
      await using _dispatcher = await startDispatcher({ url });
      expect(await accepted).toEqual({ outcome: "created", id: task.id });
    });

    it("takes a role that may do nothing else", async () => {
      await using yard = await startYard({ url, handlers });
      const schema = new URL(url).searchParams.get("yard");
      await client.query("CREATE ROLE shop LOGIN");
      const shop = new pg.Client(databaseOf(server, "shop"));
      await shop.connect();
      const inside = async (text: string, params: readonly (string | Uint8Array)[]): Promise<unknown> =>
        await shop.query(text, [...params]);
      await expect(yard.submit(double, 1, { tx: inside })).rejects.toMatchObject({ code: "42501" });
      await client.query(`GRANT USAGE ON SCHEMA ${schema} TO shop`);
      await expect(yard.submit(double, 1, { tx: inside })).rejects.toMatchObject({ code: "42501" });
      await client.query(`GRANT EXECUTE ON FUNCTION ${schema}.submit TO shop`);
      expect(await (await yard.submit(double, 21, { tx: inside })).result()).toBe(42);
      await expect(shop.query(`SELECT * FROM ${schema}.frame`)).rejects.toMatchObject({ code: "42501" });
      await shop.end();
      await client.query("DROP OWNED BY shop; DROP ROLE shop");
    });
  });
}

function frameTests(server: PostgresServer): void {
  describe("the frames of transactions on PostgreSQL", () => {
    let engine: Engine;
    let clients: pg.Client[];

    beforeEach(async () => {
      engine = await openEngine(server.yardUrl());
      clients = [];
      for (let n = 0; n < 3; n += 1) {
        const client = new pg.Client(databaseOf(server));
        await client.connect();
        clients.push(client);
      }
    });

    afterEach(async () => {
      for (const client of clients) await client.end();
      await engine.close({ timeoutMs: 1_000 });
    });

    async function send(client: pg.Client | undefined, text: string): Promise<void> {
      const statement = engine.broker.transactional?.statement(LANE, frameOf(text), text);
      await client?.query(statement?.sql ?? "", [...(statement?.params ?? [])]);
    }

    it("come though later ones were committed, taken and acknowledged before", async () => {
      const { broker } = engine;
      const [first, second] = clients;
      await broker.declare(LANE, { durable: true });
      const receiver = await broker.receive(LANE);
      await first?.query("BEGIN");
      await second?.query("BEGIN");
      await send(first, "first");
      await send(second, "second");
      await broker.send([{ mailbox: LANE, frame: frameOf("third") }]);
      const third = await takeCount(receiver, 1);
      await second?.query("COMMIT");
      const later = await takeCount(receiver, 1);
      expect(textsOf([...third, ...later])).toEqual(["third", "second"]);
      await broker.send([], third);
      await first?.query("COMMIT");
      const last = await takeCount(receiver, 1);
      expect(textsOf(last)).toEqual(["first"]);
      await broker.send([], [...later, ...last]);
      expect(await broker.depth(LANE)).toBe(0);
    });

    it("come though very many others overtook them", async () => {
      const { broker } = engine;
      const [slow] = clients;
      await broker.declare(LANE, { durable: true });
      const receiver = await broker.receive(LANE);
      await slow?.query("BEGIN");
      await send(slow, "slow");
      const many = Array.from({ length: 15_000 }, () => ({ mailbox: LANE, frame: frameOf("x") }));
      await broker.send(many);
      await broker.send([], await takeCount(receiver, many.length));
      await slow?.query("COMMIT");
      expect(textsOf(await takeCount(receiver, 1))).toEqual(["slow"]);
    });

    it("wake a receiver that sleeps, and are seen from the commit to the acknowledgement", async () => {
      const { broker } = engine;
      const [client] = clients;
      await send(client, "early");
      await broker.declare(LANE, { durable: true });
      const receiver = await broker.receive(LANE);
      const early = await takeCount(receiver, 1);
      expect([textsOf(early), early[0]?.redelivered]).toEqual([["early"], true]);
      const taken = takeCount(receiver, 1);
      await client?.query("BEGIN");
      await send(client, "one");
      expect(await broker.transactional?.waits(LANE, "one")).toBe(false);
      await client?.query("COMMIT");
      expect(await broker.transactional?.waits(LANE, "one")).toBe(true);
      expect(await broker.transactional?.waits("elsewhere", "one")).toBe(false);
      await broker.send([], await taken);
      expect(await broker.transactional?.waits(LANE, "one")).toBe(false);
    });

    it("leave out what a savepoint took back, and nothing else", async () => {
      const { broker } = engine;
      const [client] = clients;
      await broker.declare(LANE, { durable: true });
      await client?.query("BEGIN");
      await send(client, "a");
      await client?.query("SAVEPOINT half");
      await send(client, "b");
      await client?.query("ROLLBACK TO half");
      await send(client, "c");
      await client?.query("COMMIT");
      expect(textsOf(await takeCount(await broker.receive(LANE), 2))).toEqual(["a", "c"]);
      expect(await broker.depth(LANE)).toBe(2);
    });
  });
}
