import type { Engines } from "../servers/engines.ts";
import type { RabbitServer } from "../servers/rabbitmq.ts";
import type { RedisServer } from "../servers/redis.ts";
import type { Server } from "../servers/server.ts";
import type { SmallDisk } from "../servers/small-disk.ts";

/** What may run out under an engine. */
export type Scarcity = "memory" | "disk";

/** The servers of a round and the disk that they write to, null where there is none of its own. */
export interface Ground {
  readonly engines: Engines;
  readonly disk: SmallDisk | null;
}

/** What can run out here. */
export function scarcities({ engines, disk }: Ground): Scarcity[] {
  const all: Scarcity[] = [];
  if (engines.servers.some((server) => isRedis(server) || isRabbit(server))) all.push("memory");
  if (disk !== null || engines.servers.some(isRabbit)) all.push("disk");
  return all;
}

/** Takes it all away; the answer gives it back and starts again what did not survive that. */
export async function takeAway(what: Scarcity, ground: Ground): Promise<() => Promise<void>> {
  return what === "memory" ? await limitMemory(ground.engines.servers) : await fillDisk(ground);
}

async function limitMemory(servers: readonly Server[]): Promise<() => Promise<void>> {
  for (const server of servers) {
    // A little more than it has: what is under way may still end.
    if (isRedis(server)) {
      const used = Number(/^used_memory:(\d+)/m.exec(await server.cli("info", "memory"))?.[1]);
      await server.cli("config", "set", "maxmemory", `${used + 64 * 1024}`);
    } else if (isRabbit(server)) {
      await server.control("set_vm_memory_high_watermark", "0.00001");
    }
  }
  return async () => {
    for (const server of servers) {
      if (isRedis(server)) await server.cli("config", "set", "maxmemory", "0");
      else if (isRabbit(server)) await server.control("set_vm_memory_high_watermark", "0.4");
    }
  };
}

async function fillDisk({ engines, disk }: Ground): Promise<() => Promise<void>> {
  const rabbits = engines.servers.filter(isRabbit);
  for (const rabbit of rabbits) await rabbit.control("set_disk_free_limit", "100000GB");
  disk?.fill();
  return async () => {
    disk?.clear();
    for (const rabbit of rabbits) await rabbit.control("set_disk_free_limit", "50MB");
    // Redis and PostgreSQL end themselves when they cannot write their logs.
    if (disk === null) return;
    for (const server of engines.servers) {
      if (isRabbit(server)) continue;
      await server.kill();
      await server.start();
    }
  };
}

function isRedis(server: Server): server is RedisServer {
  return "cli" in server;
}

function isRabbit(server: Server): server is RabbitServer {
  return "control" in server;
}
