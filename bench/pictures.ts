import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { policyChart, shareChart } from "../packages/yardmaster/src/lab/chart.ts";
import { compare } from "../packages/yardmaster/src/lab/laboratory.ts";
import { HEADINGS, rowOf } from "../packages/yardmaster/src/lab/report.ts";
import { readScenario } from "../packages/yardmaster/src/lab/scenario.ts";
import { makespan } from "../packages/yardmaster/test/critical-paths.ts";

/*
 * Draws the pictures of docs/scheduling.md from the scenarios in examples/scenarios, and prints their figures as
 * tables. Everything follows from the scenarios' seeds: run again, it changes nothing. With a name, draws that one only.
 */

const ROOT = join(import.meta.dirname, "..");
/** For its speed and not for its picture. */
const UNDRAWN = "large";
const GRAPHS = 60;
const [only] = process.argv.slice(2);

const names = readdirSync(join(ROOT, "examples/scenarios")).map((file) => file.replace(".yaml", ""));
for (const name of names.sort()) {
  if (name === UNDRAWN || (only ?? name) !== name) continue;
  const text = readFileSync(join(ROOT, "examples/scenarios", `${name}.yaml`), "utf8");
  const measures = [...compare(readScenario(text))];
  draw(name, policyChart(measures));
  console.log(`\n${name}\n\n| ${HEADINGS.join(" | ").toLowerCase()} |`);
  console.log(`| ${HEADINGS.map(() => "---").join(" | ")} |`);
  for (const { figures } of measures) console.log(`| ${rowOf(figures).join(" | ")} |`);
}
if ((only ?? "graphs") === "graphs") {
  const curves = (["random", "fifo", "critical-path"] as const).map((order) => {
    const spans = Array.from({ length: GRAPHS }, (_, seed) => makespan(order, seed));
    return { name: order, sorted: spans.sort((a, b) => a - b) };
  });
  draw("graphs", shareChart("Random graphs", "share of the graphs that took longer than …", curves));
}

function draw(name: string, svg: string): void {
  writeFileSync(join(ROOT, "docs/img", `${name}.svg`), svg);
}
