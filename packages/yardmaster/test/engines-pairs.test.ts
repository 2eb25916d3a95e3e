import { describe, expect, it } from "vitest";
import { startPostgres } from "../../../servers/postgres.ts";
import { startRabbitMq } from "../../../servers/rabbitmq.ts";
import { startRedis } from "../../../servers/redis.ts";
import type { Server } from "../../../servers/server.ts";
import { engineSuite } from "../src/testing/engine-suite.ts";
import { serverTests } from "./server-tests.ts";
import { urlYard } from "./url-yard.ts";

function suite(broker: Server, store: Server): void {
  const under = {
    name: `${broker.name} and ${store.name}`,
    open: async () => {
      const address = { broker: broker.yardUrl(), store: store.yardUrl() };
      return urlYard(address, async () => undefined);
    },
  };
  engineSuite(under, { describe, it, expect });
}

let redis: Server | null = null;
let postgres: Server | null = null;
await serverTests("Redis in pairs", startRedis, (server) => {
  redis = server;
});
await serverTests("PostgreSQL in pairs", startPostgres, (server) => {
  postgres = server;
  if (redis !== null) suite(redis, server);
});
await serverTests("RabbitMQ in pairs", startRabbitMq, (server) => {
  for (const store of [redis, postgres]) if (store !== null) suite(server, store);
});
