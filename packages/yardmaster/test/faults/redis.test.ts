import { startRedis } from "../../../../servers/redis.ts";
import { serverTests } from "../server-tests.ts";
import { engineFaults } from "./engine-faults.ts";
import { networkFaults } from "./network-faults.ts";
import { processFaults } from "./process-faults.ts";
import { shardFaults } from "./shard-faults.ts";

await serverTests(
  "Redis under faults",
  () => startRedis(),
  (server) => {
    processFaults({ name: "Redis", address: async () => server.yardUrl() });
    shardFaults({ name: "Redis", address: async () => server.yardUrl() });
    networkFaults({ name: "Redis", url: () => server.yardUrl(), address: (url) => url });
    engineFaults({
      name: "Redis",
      open: async () => ({ address: server.yardUrl(), servers: [server], stop: async () => undefined }),
    });
  },
);
