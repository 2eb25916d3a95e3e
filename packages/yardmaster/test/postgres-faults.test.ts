import pg from "pg";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type PostgresServer, startPostgres } from "../../../servers/postgres.ts";
import { openEngine } from "../src/connect.ts";
import type { Engine } from "../src/engine.ts";
import { type Host, systemHost } from "../src/host.ts";
import { defineTask, startYard } from "../src/index.ts";
import { codeOf, failureOf, frameOf, NO_LIMITS, takeCount, textsOf } from "../src/testing/conformance.ts";
import { inserted, loadedIds, sampleTask, taskId } from "../src/testing/sample-tasks.ts";
import { createHandlers } from "../src/worker.ts";
import { serverTests } from "./server-tests.ts";
import { urlYard } from "./url-yard.ts";

const OPTIONS = { access: ["host all locked 127.0.0.1/32 scram-sha-256"] };

await serverTests(
  "PostgreSQL's faults",
  () => startPostgres(OPTIONS),
  (server) => {
    lossTests(server);
    refusalTests(server);
    schemaTests(server);
  },
);

async function asRoot(server: PostgresServer, ...statements: readonly string[]): Promise<void> {
  const client = new pg.Client(`postgres://postgres@127.0.0.1:${server.port}/postgres`);
  await client.connect();
  for (const statement of statements) await client.query(statement);
  await client.end();
}

/** Calls until the engine is back. */
async function untilUp<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof Error && "retryable" in error && error.retryable === true)) throw error;
      await new Promise<void>((resolve) => systemHost.after(10, resolve));
    }
  }
}

function lossTests(server: PostgresServer): void {
  describe("an engine on PostgreSQL that is lost", () => {
    let url: string;
    let engine: Engine;
    let other: Engine;

    beforeEach(async () => {
      url = server.yardUrl();
      engine = await openEngine(url);
      other = await openEngine(url);
    });

    afterEach(async () => {
      await engine.close({ timeoutMs: 1_000 });
      await other.close({ timeoutMs: 1_000 });
    });

    it("loses nothing that was confirmed, and goes on when the server is back", async () => {
      const { broker, store } = engine;
      await broker.declare("mail", { durable: true });
      const lease = await store.acquire(0, "owner", 60_000);
      if (lease === null) throw new Error("A new shard has an owner.");
      const receiver = await broker.receive("mail");
      await broker.send(["a", "b"].map((text) => ({ mailbox: "mail", frame: frameOf(text) })));
      const [first] = await takeCount(receiver, 2);
      if (first === undefined) throw new Error("Nothing was taken.");
      await engine.commit({
        lease,
        sequence: 1,
        changes: [inserted(sampleTask(1))],
        sends: [],
        acks: [first],
      });
      const waiting = receiver.take(NO_LIMITS);
      await server.kill();
      const failure = await failureOf(broker.send([{ mailbox: "mail", frame: frameOf("lost") }]));
      expect([failure?.code, failure?.retryable]).toEqual(["BROKER_UNAVAILABLE", true]);
      expect(await codeOf(store.renew(lease, 60_000))).toBe("STORE_UNAVAILABLE");
      expect(engine.report()[0]?.isUp).toBe(false);
      expect(await codeOf(openEngine(url))).toBe("BROKER_UNAVAILABLE");
      await server.start();
      const again = await waiting;
      expect(again.map(({ redelivered }) => redelivered)).toEqual([true]);
      expect(textsOf(again)).toEqual(["b"]);
      const tick = { lease, sequence: 2, changes: [inserted(sampleTask(2))], sends: [], acks: again };
      await untilUp(() => engine.commit(tick));
      expect(await loadedIds(store)).toEqual([taskId(1), taskId(2)]);
      expect([await broker.depth("mail"), engine.report()[0]?.isUp]).toEqual([0, true]);
    });

    it("holds its names again, and nobody is absent for the server's sake", async () => {
      const news: boolean[] = [];
      let isBack: () => void = () => undefined;
      const back = new Promise<void>((resolve) => {
        isBack = resolve;
      });
      await engine.broker.presence.hold("worker:1", (isHeld) => {
        news.push(isHeld);
        if (isHeld) isBack();
      });
      expect(await other.broker.presence.absent(["worker:1"])).toEqual([]);
      await server.kill();
      await server.start();
      const names = ["worker:1", "worker:2"];
      expect(await untilUp(() => other.broker.presence.absent(names))).toEqual([]);
      await back;
      expect(news).toEqual([false, true]);
      expect(await other.broker.presence.absent(names)).toEqual([]);
      await engine.close({ timeoutMs: 1_000 });
      while ((await other.broker.presence.absent(names)).length === 0);
      expect(await other.broker.presence.absent(names)).toEqual(["worker:1"]);
    });

    it("takes nobody for absent when one session's crash ends them all", async () => {
      await engine.broker.presence.hold("worker:1");
      const client = new pg.Client(`postgres://postgres@127.0.0.1:${server.port}/postgres`);
      client.on("error", () => undefined);
      await client.connect();
      const { rows } = await client.query("SELECT pg_backend_pid() AS pid");
      process.kill(rows[0].pid, "SIGKILL");
      const seen: string[] = [];
      for (let calls = 0; calls < 50; calls += 1) {
        seen.push(...(await untilUp(() => other.broker.presence.absent(["worker:1"]))));
      }
      expect(seen).toEqual([]);
    });

    it("comes back from the end of any session", async () => {
      const { broker } = engine;
      await broker.declare("mail", { durable: false });
      const receiver = await broker.receive("mail");
      const taken = receiver.take(NO_LIMITS);
      await asRoot(
        server,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'yardmaster'",
      );
      await untilUp(() => broker.send([{ mailbox: "mail", frame: frameOf("a") }]));
      expect(textsOf(await taken)).toEqual(["a"]);
    });

    it("finishes every task that was submitted before, during and after", async () => {
      const task = defineTask<number, number>({ name: "echo" });
      await using yard = await startYard({
        url,
        handlers: [createHandlers().on(task, ({ input }) => input)],
      });
      const results: Promise<number>[] = [];
      const submit = async (from: number): Promise<void> => {
        for (let n = from; n < from + 100; n += 1) {
          results.push((await untilUp(() => yard.submit(task, n))).result());
        }
      };
      await submit(0);
      const during = submit(100);
      await server.kill();
      await server.start();
      await during;
      await submit(200);
      expect(await Promise.all(results)).toEqual(Array.from({ length: 300 }, (_, n) => n));
    });

    it("gives up on a server that does not answer, and goes on when it does", async () => {
      const fast: Host = {
        ...systemHost,
        monotonic: () => systemHost.monotonic() * 20,
        after: (delayMs, run) => systemHost.after(delayMs / 20, run),
      };
      const hasty = await openEngine(url, fast);
      await hasty.broker.declare("mail", { durable: true });
      server.freeze();
      const sent = codeOf(hasty.broker.send([{ mailbox: "mail", frame: frameOf("a") }]));
      expect(await sent).toBe("BROKER_UNAVAILABLE");
      server.thaw();
      await untilUp(() => hasty.broker.send([{ mailbox: "mail", frame: frameOf("b") }]));
      await hasty.close({ timeoutMs: 1_000 });
    });
  });
}

function refusalTests(server: PostgresServer): void {
  describe("PostgreSQL that refuses us", () => {
    const at = (user: string, rest: string): string => `postgres://${user}@127.0.0.1:${server.port}/${rest}`;

    it("says which of user, password, database, permission and TLS it is, and never the password", async () => {
      await asRoot(server, "CREATE ROLE locked LOGIN PASSWORD 'right'", "CREATE ROLE plain LOGIN");
      const cases = [
        [at("locked:wrong-secret", "postgres"), /password/],
        [at("locked", "postgres"), /password/],
        [at("postgres", "nowhere"), /no such database/],
        [at("plain", "postgres?yard=denied"), /may not/],
        [at("postgres", "postgres?sslmode=verify-full"), /SSL/],
      ] as const;
      for (const [url, message] of cases) {
        const failure = await failureOf(openEngine(url));
        expect([failure?.code, failure?.retryable]).toEqual(["ENGINE_DENIED", false]);
        expect(failure?.message).toMatch(message);
        expect(failure?.message).not.toMatch(/wrong-secret|\n/);
      }
    });

    it("is not asked when the URL is wrong", async () => {
      for (const url of [
        at("postgres", "postgres?durability=os"),
        at("postgres", "postgres?yard=Shop"),
        at("postgres", "postgres?yard=a&yard=b"),
        at("postgres", "a/b"),
        "postgres:db",
        "postgres://u:p%zz@h/db",
      ]) {
        expect(await codeOf(openEngine(url))).toBe("INVALID_URL");
      }
    });

    it("is reached by its socket", async () => {
      const url = `postgres:///postgres?host=${server.folder}&port=${server.port}&yard=by_socket`;
      const engine = await openEngine(url.replace("///", "//postgres@/"));
      expect(engine.report()[0]?.engine).toMatch(/^PostgreSQL \d+/);
      expect(engine.report()[0]?.durability).toMatch(/survives a power cut/);
      await engine.close({ timeoutMs: 1_000 });
    });
  });
}

function schemaTests(server: PostgresServer): void {
  const at = (yard: string, user = "postgres"): string =>
    `postgres://${user}@127.0.0.1:${server.port}/postgres?yard=${yard}`;

  describe("a schema of PostgreSQL", () => {
    it("is created once by many that come at a time", async () => {
      const engines = await Promise.all(
        [1, 2, 3, 4].map((shards) => openEngine(at("crowd"), systemHost, { shards })),
      );
      expect(new Set(engines.map(({ shards }) => shards)).size).toBe(1);
      for (const engine of engines) await engine.close({ timeoutMs: 1_000 });
    });

    it("is created once by processes that come at a time", async () => {
      const yard = urlYard(at("processes"), async () => undefined);
      const [own] = await Promise.all([yard.engine(), ...[1, 2, 3].map(() => yard.process())]);
      try {
        const child = await yard.process();
        await own.broker.declare("mail", { durable: true });
        expect(await child.send("mail", "a")).toEqual(["confirmed"]);
        expect(own.shards).toBe((await yard.engine()).shards);
      } finally {
        await yard.close();
      }
    });

    it("is refused when it is another program's or a newer one", async () => {
      await asRoot(server, "CREATE SCHEMA foreign_one", "CREATE TABLE foreign_one.orders (item text)");
      expect(await codeOf(openEngine(at("foreign_one")))).toBe("STORE_CORRUPT");
      await (await openEngine(at("newer"))).close({ timeoutMs: 1_000 });
      await asRoot(server, "UPDATE newer.meta SET value = 99 WHERE name = 'version'");
      expect(await codeOf(openEngine(at("newer")))).toBe("UNSUPPORTED_VERSION");
    });

    it("serves a role with no more than the documented grants", async () => {
      await (await openEngine(at("granted"))).close({ timeoutMs: 1_000 });
      await asRoot(
        server,
        "CREATE ROLE app LOGIN",
        "GRANT USAGE ON SCHEMA granted TO app",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA granted TO app",
        "GRANT USAGE ON ALL SEQUENCES IN SCHEMA granted TO app",
      );
      const task = defineTask<number, number>({ name: "echo" });
      await using yard = await startYard({
        url: at("granted", "app"),
        handlers: [createHandlers().on(task, ({ input }) => input)],
      });
      expect(await (await yard.submit(task, 7)).result()).toBe(7);
    });
  });
}
