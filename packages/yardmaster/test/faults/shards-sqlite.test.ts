import { join } from "node:path";
import { shardFaults } from "./shard-faults.ts";

shardFaults({
  name: "SQLite",
  address: async () => (folder) => `sqlite:${join(folder, "yard.db")}`,
});
