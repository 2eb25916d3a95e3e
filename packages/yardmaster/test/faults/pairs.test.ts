import { afterAll, describe } from "vitest";
import { type EngineName, type Engines, startEngines } from "../../../../servers/engines.ts";
import { engineFaults } from "./engine-faults.ts";
import { processFaults, type Scene } from "./process-faults.ts";
import { shardFaults } from "./shard-faults.ts";

const NAMES: readonly EngineName[] = [
  "redis-cluster",
  "redis+postgres",
  "rabbitmq+redis",
  "rabbitmq+postgres",
];

for (const name of NAMES) {
  describe(name, () => {
    let starting: Promise<Engines> | null = null;
    afterAll(async () => await (await starting)?.stop());
    const scene: Scene = {
      name,
      address: async () => {
        starting ??= startEngines(name);
        return (await starting).address();
      },
    };
    processFaults(scene);
    shardFaults(scene);
  });
  engineFaults({
    name,
    open: async () => {
      const { address, servers, stop } = await startEngines(name);
      return { address: address(), servers, stop };
    },
  });
}
