import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { serverTests } from "../../yardmaster/test/server-tests.ts";
import { dashboardSuite } from "./dashboard-suite.ts";
import { Scene } from "./scene.ts";

const folder = mkdtempSync(join(tmpdir(), "yardmaster-dashboard-"));
afterAll(() => rmSync(folder, { recursive: true }));

await serverTests(
  "The dashboard on SQLite",
  () => Scene.open(`sqlite:${join(folder, "yard.db")}?durability=os`),
  (scene) => dashboardSuite("SQLite", scene),
);
