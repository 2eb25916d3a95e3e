import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { type Address, bytesInUse } from "../servers/engines.ts";
import { startPostgres } from "../servers/postgres.ts";
import { startRabbitMq } from "../servers/rabbitmq.ts";
import { type RedisOptions, startRedis } from "../servers/redis.ts";

/*
 * Where a yard and other systems are compared: the same server for both wherever both can use it, with the same
 * durability, and empty for each run. On SQLite, and on RabbitMQ beside Redis, the others are on their own Redis.
 */

export type GroundName = "redis" | "postgres" | "sqlite" | "rabbitmq+redis";

export interface Spot<Where> {
  readonly address: Where;
  /** What the engine that keeps the tasks has taken of memory or, where that is a disk, of the disk. */
  bytes(): Promise<number>;
  dispose(): Promise<void>;
}

export interface Ground {
  readonly name: GroundName;
  /** What the other systems are on. */
  readonly peers: "redis" | "postgres";
  /** What keeps what, ours first where it differs. */
  readonly durability: string;
  readonly servers: readonly string[];
  /** An empty place for a yard, and for another system. */
  yard(): Promise<Spot<Address>>;
  peer(): Promise<Spot<string>>;
  stop(): Promise<void>;
}

type Fsync = NonNullable<RedisOptions["fsync"]>;

/** Redis keeps nothing on its disk unless told: that is how the others are measured everywhere. */
export async function openGround(name: GroundName, fsync: Fsync = "no"): Promise<Ground> {
  if (name === "postgres") return onPostgres();
  const redis = await onRedis(fsync);
  if (name === "redis") return redis;
  try {
    return name === "sqlite" ? onSqlite(redis) : await onRabbit(redis);
  } catch (error) {
    await redis.stop();
    throw error;
  }
}

async function onRedis(fsync: Fsync): Promise<Ground> {
  const server = await startRedis({ fsync });
  const version = /redis_version:(\S+)/.exec(await server.cli("info", "server"))?.[1] ?? "?";
  const spot = async (database: number): Promise<Spot<string>> => {
    await server.cli("flushall", "sync");
    return {
      address: `redis://127.0.0.1:${server.port}/${database}`,
      bytes: async () => Number(/^used_memory:(\d+)/m.exec(await server.cli("info", "memory"))?.[1]),
      dispose: async () => void (await server.cli("flushall", "sync")),
    };
  };
  return {
    name: "redis",
    peers: "redis",
    durability: fsync === "no" ? "Redis without persistence" : `Redis with appendfsync ${fsync}`,
    servers: [`Redis ${version}`],
    yard: () => spot(0),
    peer: () => spot(1),
    stop: () => server.stop(),
  };
}

async function onPostgres(): Promise<Ground> {
  const server = await startPostgres();
  const base = `postgres://postgres@127.0.0.1:${server.port}`;
  const query = async (text: string, of = "postgres"): Promise<Readonly<Record<string, string>>> => {
    const client = new pg.Client(`${base}/${of}`);
    await client.connect();
    try {
      const { rows } = await client.query<Readonly<Record<string, string>>>(text);
      return rows[0] ?? {};
    } finally {
      await client.end();
    }
  };
  const version = (await query("SHOW server_version"))["server_version"] ?? "?";
  let databases = 0;
  const spot = async (): Promise<Spot<string>> => {
    databases += 1;
    const database = `bench_${databases}`;
    await query(`CREATE DATABASE ${database}`);
    return {
      address: `${base}/${database}`,
      bytes: async () => {
        // What is deleted is no memory of what waits. And what was only just filled is planned for like any table.
        await query("VACUUM ANALYZE", database);
        return Number((await query(`SELECT pg_database_size('${database}') AS bytes`))["bytes"]);
      },
      dispose: async () => void (await query(`DROP DATABASE ${database} WITH (FORCE)`)),
    };
  };
  return {
    name: "postgres",
    peers: "postgres",
    durability: "PostgreSQL with synchronous_commit on",
    servers: [`PostgreSQL ${version.split(" ")[0]}`],
    yard: spot,
    peer: spot,
    stop: () => server.stop(),
  };
}

function onSqlite(redis: Ground): Ground {
  return {
    ...redis,
    name: "sqlite",
    durability: `SQLite with synchronous FULL beside ${redis.durability}`,
    servers: [`SQLite ${process.versions["sqlite"] ?? "of Node.js"}`, ...redis.servers],
    yard: async () => {
      const folder = mkdtempSync(join(tmpdir(), "yardmaster-bench-"));
      const file = join(folder, "yard.db");
      return {
        address: `sqlite:${file}`,
        bytes: async () => bytesInUse(file),
        dispose: async () => rmSync(folder, { recursive: true, force: true }),
      };
    },
  };
}

async function onRabbit(redis: Ground): Promise<Ground> {
  const rabbit = await startRabbitMq();
  const version = (await rabbit.control("version")).trim();
  return {
    ...redis,
    name: "rabbitmq+redis",
    durability: `RabbitMQ quorum queues and ${redis.durability}`,
    servers: [`RabbitMQ ${version}`, ...redis.servers],
    yard: async () => {
      const store = await redis.yard();
      return { ...store, address: { broker: rabbit.yardUrl(), store: store.address as string } };
    },
    stop: async () => {
      await rabbit.stop();
      await redis.stop();
    },
  };
}
