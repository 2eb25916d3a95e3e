import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EngineUnderTest } from "../src/testing/conformance.ts";
import { urlYard } from "./url-yard.ts";

/** SQLite for the suites: each yard a file in a folder of its own. */
export const sqliteUnderTest: EngineUnderTest = {
  name: "SQLite",
  open: async () => {
    const folder = mkdtempSync(join(tmpdir(), "yardmaster-"));
    return urlYard(`sqlite:${join(folder, "yard.db")}`, async () => rmSync(folder, { recursive: true }));
  },
};
