import { createClient } from "@redis/client";
import { startRedis } from "../../servers/redis.ts";
import { BATCH, PAYLOAD, type RawEngine } from "./limit.ts";

const STREAM = "raw";

/** One connection of node-redis to a Redis that keeps nothing on its disk. */
export async function redisLimits(): Promise<RawEngine> {
  const server = await startRedis({ fsync: "no" });
  const client = createClient({ socket: { host: "127.0.0.1", port: server.port } });
  await client.connect();
  const send = (...args: readonly string[]): Promise<unknown> => client.sendCommand([...args]);
  const script = String(await send("SCRIPT", "LOAD", "return 1"));
  const many = String(await send("SCRIPT", "LOAD", ADD_MANY));
  const version = /redis_version:(\S+)/.exec(await server.cli("info", "server"))?.[1] ?? "";
  const pipelined = async (...args: readonly string[]): Promise<number> => {
    await Promise.all(Array.from({ length: BATCH }, () => send(...args)));
    return BATCH;
  };
  const emptied = async (count: number): Promise<number> => {
    await send("DEL", STREAM);
    return count;
  };
  const payloads = Array.from({ length: BATCH }, () => PAYLOAD);
  return {
    name: `Redis ${version} (no persistence, one node-redis connection)`,
    measures: [
      {
        name: "PING, one at a time",
        isRoundTrip: true,
        run: async () => Number((await send("PING")) === "PONG"),
      },
      {
        name: `XADD of 100 bytes, pipelines of ${BATCH}`,
        run: async () => emptied(await pipelined("XADD", STREAM, "*", "f", PAYLOAD)),
      },
      {
        name: `EVALSHA of a script that does nothing, pipelines of ${BATCH}`,
        run: () => pipelined("EVALSHA", script, "0"),
      },
      {
        name: "EVALSHA of a script that does nothing, one at a time",
        isRoundTrip: true,
        run: async () => Number(await send("EVALSHA", script, "0")),
      },
      {
        name: `HSET within a script, ${BATCH} a call`,
        run: async () => emptied(Number(await send("EVALSHA", many, "1", STREAM, ...payloads))),
      },
    ],
    close: async () => {
      client.destroy();
      await server.stop();
    },
  };
}

const ADD_MANY = `for i = 1, #ARGV do redis.call("HSET", KEYS[1], i, ARGV[i]) end return #ARGV`;
