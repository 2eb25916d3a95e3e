import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { barChart } from "./chart.ts";
import { figureText, grouped, groupsOf, namesOf } from "./figures.ts";
import { type Comparison, keptRuns } from "./record.ts";
import type { Spread } from "./statistics.ts";

/*
 * The bench's figures as people see them: the tables of README.md and docs/performance.md and the charts in docs/img,
 * all made of the last run that was kept of each engine. Nobody writes a figure by hand.
 */

const ROOT = join(import.meta.dirname, "..");
const BEGIN = "<!-- figures of docs/runs, written by `npm run bench -- --chart` -->";
const END = "<!-- end of the figures -->";

/**
 * The last run that was kept of each engine, with those before it under the same conditions: a long comparison can be
 * made in pieces, by workload or by system.
 */
export function lastRuns(runs: readonly Comparison[] = keptRuns()): Comparison[] {
  const last = new Map(runs.map((run) => [run.engine, run])).values();
  return [...last].map((run) => runs.filter((each) => isAlike(each, run)).reduce(joined));
}

function isAlike(one: Comparison, other: Comparison): boolean {
  return CONDITIONS.every((name) => String(one[name]) === String(other[name]));
}

const CONDITIONS = [
  "engine",
  "commit",
  "machine",
  "node",
  "servers",
  "durability",
  "payloadBytes",
  "tasks",
  "seconds",
  "repeat",
] as const;

/** Both as one; what both have is the later one's. Ratios are those of systems that ran in turns. */
function joined(earlier: Comparison, later: Comparison): Comparison {
  return {
    ...later,
    load: Math.max(earlier.load, later.load),
    settings: { ...earlier.settings, ...later.settings },
    measures: together(earlier.measures, later.measures),
    ratios: together(earlier.ratios, later.ratios),
  };
}

function together(earlier: Comparison["measures"], later: Comparison["measures"]): Comparison["measures"] {
  const names = new Set([...Object.keys(earlier), ...Object.keys(later)]);
  return Object.fromEntries([...names].map((name) => [name, { ...earlier[name], ...later[name] }]));
}

/** Every generated file with its text. */
export function pictures(runs: readonly Comparison[] = lastRuns()): ReadonlyMap<string, string> {
  const files = new Map(runs.map((run) => [chartOf(run), barChart(run)] as const));
  const [first] = FIRST.flatMap((engine) => runs.filter((run) => run.engine === engine));
  const readme =
    first === undefined ? "" : `![Yardmaster beside others](${chartOf(first)})\n\n${tableOf(first, false)}`;
  const long = runs.map(
    (run) => `### ${run.durability}\n\n![The same as bars](../${chartOf(run)})\n\n${tableOf(run, true)}`,
  );
  for (const [path, block] of [
    ["README.md", readme],
    ["docs/performance.md", long.join("\n\n")],
  ] as const) {
    files.set(path, withBlock(readFileSync(join(ROOT, path), "utf8"), block));
  }
  return files;
}

/** Writes the tables and the charts. */
export function writePictures(): void {
  for (const [path, text] of pictures()) writeFileSync(join(ROOT, path), text);
}

/** Which engine the README has, if there are runs of several. */
const FIRST = ["redis", "postgres", "sqlite", "rabbitmq+redis"] as const;

function chartOf({ engine }: Comparison): string {
  return `docs/img/bench-${engine.replace("+", "-")}.svg`;
}

function tableOf(run: Comparison, all: boolean): string {
  const systems = namesOf(run);
  const rows = groupsOf(run, all).map(({ measure, title, figures }) => {
    const cells = systems.map(({ system }) => cellOf(run, measure, system, figures[system], all));
    return `| ${[title, ...cells].join(" | ")} |`;
  });
  const labels = systems.map(({ label }) => label);
  const settings = Object.entries(run.settings).map(([name, text]) => `${name}: ${text}.`);
  return [
    `| | ${labels.join(" | ")} |`,
    `|---${"|---".repeat(systems.length)}|`,
    ...rows,
    "",
    conditions(run),
    ...(all ? ["", ...settings.map((line) => `- ${line}`)] : []),
  ].join("\n");
}

function cellOf(
  run: Comparison,
  measure: string,
  system: string,
  figure: Spread | undefined,
  all: boolean,
): string {
  if (figure === undefined) return "";
  const text = figureText(measure, figure.median);
  const [min, max] = [figure.min, figure.max].map((value) => grouped(Number(value.toPrecision(3))));
  const range = all ? ` (${min} to ${max})` : "";
  const ratio = run.ratios[system]?.[measure]?.median;
  return ratio === undefined ? `${text}${range}` : `${text}${range}: × ${Number(ratio.toPrecision(2))}`;
}

function conditions(run: Comparison): string {
  const { durability, servers, node, machine, load, payloadBytes, seconds, repeat, at, commit } = run;
  return `${durability}; ${servers.join(", ")}; Node.js ${node.slice(1)}; ${machine}, shared by everything (load average ${load} before it began); no-op tasks of ${payloadBytes} bytes, ${seconds} s a measurement, medians of ${repeat}, in turns. After “×”: how many times better Yardmaster is, above 1 for the better. Commit ${commit}, ${at.slice(0, 10)}.`;
}

/** The page with this block between its marks. */
function withBlock(page: string, block: string): string {
  const [before, rest] = page.split(BEGIN);
  const [, after] = rest?.split(END) ?? [];
  if (before === undefined || after === undefined) throw new Error(`the page has no ${BEGIN} … ${END}`);
  return `${before}${BEGIN}\n\n${block}\n\n${END}${after}`;
}
