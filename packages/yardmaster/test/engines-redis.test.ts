import { describe, expect, it } from "vitest";
import { startRedis, startRedisCluster } from "../../../servers/redis.ts";
import type { Server } from "../../../servers/server.ts";
import { brokerSuite } from "../src/testing/broker-suite.ts";
import type { EngineUnderTest } from "../src/testing/conformance.ts";
import { engineSuite } from "../src/testing/engine-suite.ts";
import { storeSuite } from "../src/testing/store-suite.ts";
import { serverTests } from "./server-tests.ts";
import { urlYard } from "./url-yard.ts";

function suites(server: Server): void {
  const under: EngineUnderTest = {
    name: server.name,
    open: async () => urlYard(server.yardUrl(), async () => undefined),
  };
  brokerSuite(under, { describe, it, expect });
  storeSuite(under, { describe, it, expect });
  engineSuite(under, { describe, it, expect });
}

await serverTests("Redis", startRedis, suites);
await serverTests("Redis Cluster", startRedisCluster, suites);
