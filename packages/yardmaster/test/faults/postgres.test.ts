import { startPostgres } from "../../../../servers/postgres.ts";
import { serverTests } from "../server-tests.ts";
import { engineFaults } from "./engine-faults.ts";
import { networkFaults } from "./network-faults.ts";
import { processFaults } from "./process-faults.ts";
import { shardFaults } from "./shard-faults.ts";

await serverTests("PostgreSQL under faults", startPostgres, (server) => {
  processFaults({ name: "PostgreSQL", address: async () => server.yardUrl() });
  shardFaults({ name: "PostgreSQL", address: async () => server.yardUrl() });
  networkFaults({ name: "PostgreSQL", url: () => server.yardUrl(), address: (url) => url });
  engineFaults({
    name: "PostgreSQL",
    open: async () => ({ address: server.yardUrl(), servers: [server], stop: async () => undefined }),
  });
});
