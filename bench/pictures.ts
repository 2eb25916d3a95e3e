import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { waitChart } from "../packages/yardmaster/src/lab/chart.ts";
import { compare } from "../packages/yardmaster/src/lab/laboratory.ts";
import { HEADINGS, rowOf } from "../packages/yardmaster/src/lab/report.ts";
import { readScenario } from "../packages/yardmaster/src/lab/scenario.ts";

/*
 * Draws the pictures of docs/scheduling.md from the scenarios in examples/scenarios, and prints their figures as
 * tables. Everything follows from the scenarios' seeds: run again, it changes nothing.
 */

const ROOT = join(import.meta.dirname, "..");
/** For its speed and not for its picture. */
const UNDRAWN = "large.yaml";

for (const file of readdirSync(join(ROOT, "examples/scenarios")).sort()) {
  if (file === UNDRAWN) continue;
  const measures = [...compare(readScenario(readFileSync(join(ROOT, "examples/scenarios", file), "utf8")))];
  writeFileSync(join(ROOT, "docs/img", file.replace(".yaml", ".svg")), waitChart(measures));
  console.log(`\n${file}\n\n| ${HEADINGS.join(" | ").toLowerCase()} |`);
  console.log(`| ${HEADINGS.map(() => "---").join(" | ")} |`);
  for (const { figures } of measures) console.log(`| ${rowOf(figures).join(" | ")} |`);
}
