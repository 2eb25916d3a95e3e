import { escaped, policyChart, spoken } from "./chart.ts";
import type { Figures, Measure } from "./measure.ts";

export const HEADINGS: readonly string[] = [
  "POLICY",
  "TASKS",
  "TOOK",
  "USED",
  "LOST",
  "WAIT P50",
  "P90",
  "P99",
  "END P99",
  "SLOWDOWN",
  "P99",
  "FAIRNESS",
  "MISSED",
];

/** One line of the table that compares policies. */
export function rowOf(figures: Figures): string[] {
  const { policy, tasks, tookMs, utilisation, lost, waitMs, endMs, slowdown, fairness, deadlineMisses } =
    figures;
  return [
    policy,
    String(tasks),
    spoken(tookMs),
    `${(100 * utilisation).toFixed(1)} %`,
    `${(100 * lost).toFixed(1)} %`,
    spoken(waitMs.p50),
    spoken(waitMs.p90),
    spoken(waitMs.p99),
    spoken(endMs.p99),
    slowdown.mean.toFixed(2),
    slowdown.p99.toFixed(1),
    fairness === null ? "–" : fairness.toFixed(3),
    deadlineMisses === null ? "–" : `${(100 * deadlineMisses).toFixed(1)} %`,
  ];
}

/** A page of its own: chart and table, without scripts. */
export function pageOf(measures: readonly Measure[]): string {
  const [first] = measures;
  const { name = "", about = "" } = first?.scenario ?? {};
  const row = (cells: readonly string[], tag: "td" | "th"): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join("")}</tr>`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(name)}</title>
<style>
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}
svg{width:100%;height:auto}
div{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;white-space:nowrap}
td,th{padding:.35rem .8rem;text-align:right;border-bottom:1px solid #8884}
td:first-child,th:first-child{text-align:left}
th{font-weight:600;font-size:.8rem}
</style>
<h1>${escaped(name)}</h1>
<p>${escaped(about)}</p>
${policyChart(measures)}
<div><table>
${row(HEADINGS, "th")}
${measures.map((measure) => row(rowOf(measure.figures), "td")).join("\n")}
</table></div>
</html>
`;
}
