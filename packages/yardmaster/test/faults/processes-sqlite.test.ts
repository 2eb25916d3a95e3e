import { join } from "node:path";
import { processFaults } from "./process-faults.ts";

processFaults({
  name: "SQLite",
  address: async () => (folder) => `sqlite:${join(folder, "yard.db")}`,
});
