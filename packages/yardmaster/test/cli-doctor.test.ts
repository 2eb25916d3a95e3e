import pg from "pg";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startPostgres } from "../../../servers/postgres.ts";
import { startRabbitMq } from "../../../servers/rabbitmq.ts";
import { startRedis } from "../../../servers/redis.ts";
import { CliYard } from "./cli-process.ts";
import { serverTests } from "./server-tests.ts";

let yard: CliYard;

beforeEach(() => {
  yard = new CliYard();
});

afterEach(() => yard.close());

/** What doctor finds with a dispatcher at work: of each check what it looked at, and what it says to people. */
async function examined(...address: string[]): Promise<{ answer: object; looked: string[]; advice: string }> {
  await yard.start("dispatcher", ...address);
  const { code, stdout, stderr } = await yard.run("doctor", "--json", ...address);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  const answer = JSON.parse(stdout);
  const looked = answer.checks.map(({ check, what, found }: Record<string, string>) => {
    expect(found).not.toMatch(/unknown|not compared|not installed/);
    return `${check} of ${what}`;
  });
  return { answer, looked, advice: stderr };
}

/** What doctor says of an engine that this user may not use. */
async function refused(...address: string[]): Promise<string> {
  const { code, stdout, stderr } = await yard.run("doctor", "--json", ...address);
  expect(code).toBe(4);
  expect(JSON.parse(stdout)).toMatchObject({ isUp: false, error: { code: "ENGINE_DENIED" } });
  return stderr;
}

describe("doctor on SQLite", () => {
  it("looks at engine, versions, clock, durability and permissions", async () => {
    const { answer, looked, advice } = await examined("--url", yard.url);
    expect(answer).toMatchObject({ engines: [{ isUp: true, durability: expect.stringContaining("FULL") }] });
    expect(looked).toEqual([
      "versions of yardmaster",
      "versions of sqlite",
      "clock of shard 0",
      expect.stringMatching(/^permissions of .*yard\.db$/),
    ]);
    expect(advice).not.toContain("durability");
  });

  it("says how to survive a power cut, and that no clock was compared", async () => {
    const { code, stdout, stderr } = await yard.run("doctor", "--url", `${yard.url}?durability=os`);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^warning: .*take durability=os out of the URL/m);
    expect(stdout).toMatch(/^clock +this machine: not compared: a shard has no dispatcher/m);
  });
});

await serverTests("doctor on Redis", startRedis, (server) => {
  it("looks at Redis, and says what to change", async () => {
    await server.cli("CONFIG", "SET", "appendfsync", "everysec");
    const { answer, looked, advice } = await examined("--url", server.yardUrl());
    expect(answer).toMatchObject({
      engines: [
        { engine: expect.stringMatching(/^Redis \d+\.\d+/), durability: expect.stringContaining("everysec") },
      ],
    });
    expect(looked).toEqual(["versions of yardmaster", "versions of @redis/client", "clock of shard 0"]);
    expect(advice).toMatch(/^warning: .*set appendfsync always/m);
  });

  it("says which permission a user of Redis lacks", async () => {
    await server.cli("ACL", "SETUSER", "guest", "on", ">secret", "~*", "&*", "+@all", "-evalsha", "-info");
    const url = server.yardUrl().replace("redis://", "redis://guest:secret@");
    expect(await refused("--url", url)).toContain("the user lacks a permission: see docs/engines/redis.md");
  });
});

await serverTests(
  "doctor on PostgreSQL",
  () => startPostgres({ settings: ["synchronous_commit = off"] }),
  (server) => {
    it("looks at PostgreSQL, and says what to change", async () => {
      const { answer, looked, advice } = await examined("--url", server.yardUrl());
      expect(answer).toMatchObject({ engines: [{ engine: expect.stringMatching(/^PostgreSQL \d+/) }] });
      expect(looked).toEqual(["versions of yardmaster", "versions of pg", "clock of shard 0"]);
      expect(advice).toMatch(/^warning: synchronous_commit is off: .*Turn it on/m);
    });

    it("says what to grant to a user of PostgreSQL", async () => {
      const root = new pg.Client({
        host: "127.0.0.1",
        port: server.port,
        user: "postgres",
        database: "postgres",
      });
      await root.connect();
      await root.query("CREATE ROLE guest LOGIN");
      await root.query("CREATE DATABASE closed");
      await root.query("REVOKE ALL ON DATABASE closed FROM PUBLIC");
      await root.query("GRANT CONNECT ON DATABASE closed TO guest");
      await root.end();
      const said = await refused("--url", `postgres://guest@127.0.0.1:${server.port}/closed`);
      expect(said).toContain("grant what docs/engines/postgres.md lists");
    });
  },
);

await serverTests("doctor on RabbitMQ", startRabbitMq, (server) => {
  it("looks at RabbitMQ and its store", async () => {
    const { answer, looked } = await examined("--broker", server.yardUrl(), "--store", yard.url);
    expect(answer).toMatchObject({
      engines: [{ engine: expect.stringMatching(/^RabbitMQ \d+\.\d+/) }, { durability: expect.any(String) }],
    });
    expect(looked).toEqual([
      "versions of yardmaster",
      "versions of sqlite",
      "versions of amqplib",
      "clock of shard 0",
      expect.stringMatching(/^permissions of .*yard\.db$/),
    ]);
  });

  it("says which permission a user of RabbitMQ lacks", async () => {
    await server.control("add_user", "visitor", "secret");
    const broker = server.yardUrl().replace(/\/\/(.*@)?/, "//visitor:secret@");
    const said = await refused("--broker", broker, "--store", yard.url);
    expect(said).toContain("grant the permissions");
  });
});
