import { type EngineName, startEngines } from "../../../../servers/engines.ts";
import { engineFaults } from "./engine-faults.ts";

const NAMES: readonly EngineName[] = [
  "redis-cluster",
  "redis+postgres",
  "rabbitmq+redis",
  "rabbitmq+postgres",
];

for (const name of NAMES) {
  engineFaults({
    name,
    open: async () => {
      const { address, servers, stop } = await startEngines(name);
      return { address: address(), servers, stop };
    },
  });
}
