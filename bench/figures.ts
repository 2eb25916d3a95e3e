import type { Comparison } from "./record.ts";
import type { Spread } from "./statistics.ts";

/** What a measure is called for people. */
interface Title {
  readonly title: (run: Comparison) => string;
  readonly unit: "/s" | "ms" | "B" | "µs";
  /** Whether the README and the chart have it, or the long table only. */
  readonly isShown: boolean;
}

const TITLES: Readonly<Record<string, Title>> = {
  roundtrip500: shown("end to end, 500 in flight, every result awaited", "/s"),
  roundtrip5000: shown("end to end, 5,000 in flight", "/s"),
  drain: { title: ({ tasks }) => `drain of a backlog of ${grouped(tasks)}`, unit: "/s", isShown: true },
  submit: shown("submit in bulk", "/s"),
  mixed: shown("priorities, delays, keys and 5 % failures, 2,000 in flight", "/s"),
  latencyP50: shown("idle round trip, p50 (less is better)", "ms"),
  latencyP99: shown("idle round trip, p99 (less is better)", "ms"),
  roundtrip1: more("end to end, one in flight", "/s"),
  loadedRate: more("half of its own saturation", "/s"),
  loadedP50: more("at that pace, from when a task was due to its result, p50", "ms"),
  loadedP99: more("at that pace, p99", "ms"),
  memory: more("engine memory of a waiting task, beside its payload", "B"),
  cpu: more("CPU of a task with 500 in flight, engine and all processes", "µs"),
  drainCpu: more("CPU of a task of the backlog, engine and all processes", "µs"),
};

export interface Group {
  readonly measure: string;
  readonly title: string;
  /** By system. */
  readonly figures: Readonly<Record<string, Spread>>;
}

/** What a chart and the README show of a run. */
export function groupsOf(run: Comparison, all = false): Group[] {
  return Object.entries(TITLES).flatMap(([measure, { title, isShown }]) => {
    const figures = run.measures[measure];
    if (figures === undefined || !(isShown || all)) return [];
    return [{ measure, title: title(run), figures }];
  });
}

/** The systems of a run, ours first, with their versions. */
export function namesOf(run: Comparison): { readonly system: string; readonly label: string }[] {
  const peers = Object.keys(run.settings).map((label) => ({ system: label.split(" ")[0] ?? label, label }));
  return [{ system: "yardmaster", label: "Yardmaster" }, ...peers];
}

/** A figure of a measure with three digits and its unit. */
export function figureText(measure: string, value: number): string {
  const unit = TITLES[measure]?.unit ?? "";
  const text = grouped(Number(value.toPrecision(3)));
  return unit === "/s" ? `${text}/s` : `${text} ${unit}`;
}

function shown(title: string, unit: Title["unit"]): Title {
  return { title: () => title, unit, isShown: true };
}

function more(title: string, unit: Title["unit"]): Title {
  return { title: () => title, unit, isShown: false };
}

/** With commas between thousands. */
export function grouped(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: 3 });
}
