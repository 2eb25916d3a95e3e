import { startPostgres } from "../../../../servers/postgres.ts";
import { serverTests } from "../server-tests.ts";
import { engineFaults } from "./engine-faults.ts";
import { processFaults } from "./process-faults.ts";

await serverTests("PostgreSQL under faults", startPostgres, (server) => {
  processFaults({ name: "PostgreSQL", address: async () => server.yardUrl() });
  engineFaults({
    name: "PostgreSQL",
    open: async () => ({ address: server.yardUrl(), servers: [server], stop: async () => undefined }),
  });
});
