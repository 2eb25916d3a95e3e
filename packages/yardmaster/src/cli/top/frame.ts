import { styleText } from "node:util";
import type { QueueStatus, WorkerStatus } from "../../client/directory.ts";
import { BOUNDS_MS, type HistogramView, type QueueStats } from "../../protocol/stats.ts";
import { plain, truncated } from "../plain-text.ts";
import type { Snapshot, Stuck } from "./snapshot.ts";

/** By what queues are sorted; the key `s` goes through them. */
export const SORTS = ["waiting", "rate", "name"] as const;
export type Sort = (typeof SORTS)[number];

export interface View {
  readonly columns: number;
  readonly rows: number;
  readonly sort: Sort;
  readonly isPaused: boolean;
  /** Which yard, and what went wrong lately, or "". */
  readonly title: string;
  readonly trouble: string;
}

/** A queue with what has changed since the snapshot before. */
interface QueueLine {
  readonly queue: QueueStatus;
  readonly waiting: number;
  readonly inPerS: number;
  readonly outPerS: number;
  readonly failedPerS: number;
  readonly waitMs: number | null;
  readonly backlogMs: number;
}

const BAR = 20;
const NO_HISTOGRAM: HistogramView = { counts: [], sumMs: 0 };

/** One screen: never more lines than `rows`, none longer than `columns`. */
export function frameOf(now: Snapshot, before: Snapshot | null, view: View): string[] {
  const lines = sorted(linesOf(now, before), view.sort);
  const stuck = now.stuck.map((task) => stuckLine(task, view.columns));
  const head = [...headOf(now, lines, view), ""];
  // Queues and workers share what the rest leaves; queues may take what workers do not need.
  const room = Math.max(2, view.rows - head.length - 5 - Math.max(1, stuck.length) - 2);
  const workerRows = Math.min(now.workers.length, Math.max(1, Math.floor(room / 2), room - lines.length));
  const queueRows = Math.max(1, room - workerRows);
  const body = [
    heading(QUEUE_HEADINGS),
    ...shortened(lines.map(queueLine), queueRows, "no queues yet"),
    "",
    heading(WORKER_HEADINGS),
    ...shortened(
      now.workers.map(workerLine),
      workerRows,
      "no workers: start one with yardmaster worker FILE",
    ),
    "",
    bold(`Waiting long${stuck.length === 0 ? ": nothing" : ""}`),
    ...stuck,
  ];
  const foot = styleText("gray", "q quit   s sort   space pause");
  return [...head, ...body, foot].slice(0, view.rows).map((line) => fitted(line, view.columns));
}

function headOf({ at, stats, workers }: Snapshot, lines: readonly QueueLine[], view: View): string[] {
  const total = (of: (line: QueueLine) => number): number => lines.reduce((sum, line) => sum + of(line), 0);
  const mark = view.isPaused ? styleText("yellow", "paused") : new Date(at).toTimeString().slice(0, 8);
  const failed = total(({ failedPerS }) => failedPerS);
  const rates = [
    `submitted ${perSecond(total(({ inPerS }) => inPerS))}`,
    `ended ${perSecond(total(({ outPerS }) => outPerS))}`,
    failed > 0 ? styleText("red", `failed ${perSecond(failed)}`) : `failed ${perSecond(failed)}`,
    `waiting ${total(({ waiting }) => waiting)}`,
  ];
  const slots = `slots ${bar(stats.used, stats.slots)} ${stats.used}/${stats.slots} on ${workers.length} workers`;
  const head = [`${bold("yardmaster")} ${plain(view.title)}  ${mark}`, rates.join("   "), slots];
  return view.trouble === "" ? head : [...head, styleText("red", plain(view.trouble))];
}

function linesOf(now: Snapshot, before: Snapshot | null): QueueLine[] {
  const seconds = before === null ? 0 : (now.atMono - before.atMono) / 1_000;
  const counted = byQueue(now.stats.queues);
  const earlier = byQueue(before?.stats.queues ?? []);
  return now.queues.map((queue) => {
    const stats = counted.get(queue.name);
    const old = earlier.get(queue.name);
    // A new owner counts from 0: a rate is never negative.
    const rate = (of: (stats: QueueStats) => number): number =>
      stats === undefined || old === undefined || seconds <= 0
        ? 0
        : Math.max(0, of(stats) - of(old)) / seconds;
    return {
      queue,
      waiting: queue.ready + queue.parked,
      inPerS: rate(({ submitted }) => submitted),
      outPerS: rate(({ succeeded, failed, cancelled, expired }) => succeeded + failed + cancelled + expired),
      failedPerS: rate(({ failed }) => failed),
      waitMs: medianOf(since(stats?.wait ?? NO_HISTOGRAM, old?.wait ?? NO_HISTOGRAM)),
      backlogMs: (stats?.backlogMs ?? 0) / Math.max(1, now.stats.slots),
    };
  });
}

function byQueue(stats: readonly QueueStats[]): Map<string, QueueStats> {
  return new Map(stats.map((one) => [one.queue, one]));
}

function since(now: HistogramView, before: HistogramView): readonly number[] {
  return now.counts.map((count, bucket) => Math.max(0, count - (before.counts[bucket] ?? 0)));
}

/** The bound of the bucket that the middle value is in; null where nothing was counted. */
function medianOf(counts: readonly number[]): number | null {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  let seen = 0;
  const bucket = counts.findIndex((count) => {
    seen += count;
    return seen * 2 >= total;
  });
  return BOUNDS_MS[bucket] ?? Number.POSITIVE_INFINITY;
}

function sorted(lines: readonly QueueLine[], sort: Sort): QueueLine[] {
  const byName = (a: QueueLine, b: QueueLine): number => (a.queue.name < b.queue.name ? -1 : 1);
  const of = (line: QueueLine): number => (sort === "rate" ? line.outPerS : line.waiting);
  return [...lines].sort((a, b) => (sort === "name" ? 0 : of(b) - of(a)) || byName(a, b));
}

const QUEUE_HEADINGS = [
  "QUEUE",
  "STATE",
  "WAIT",
  "RUN",
  "LATER",
  "BLOCK",
  "IN/s",
  "OUT/s",
  "P50 WAIT",
  "BACKLOG",
];
const QUEUE_WIDTHS = [24, 7, 8, 6, 8, 7, 8, 8, 9, 8];
const WORKER_HEADINGS = ["WORKER", "STATE", "SLOTS", "", "HEARD", "LABELS"];
const WORKER_WIDTHS = [26, 9, BAR + 2, 9, 6, 24];

function heading(headings: readonly string[]): string {
  const widths = headings === QUEUE_HEADINGS ? QUEUE_WIDTHS : WORKER_WIDTHS;
  return styleText("inverse", cells(headings, widths));
}

function queueLine(line: QueueLine): string {
  const { queue, waiting, inPerS, outPerS, waitMs, backlogMs } = line;
  return cells(
    [
      queue.name,
      queue.paused ? "paused" : "open",
      String(waiting),
      String(queue.active),
      String(queue.scheduled),
      String(queue.blocked),
      rateText(inPerS),
      rateText(outPerS),
      waitMs === null ? "-" : `≤ ${duration(waitMs)}`,
      duration(backlogMs),
    ],
    QUEUE_WIDTHS,
  );
}

function workerLine(worker: WorkerStatus, _index: number, all: readonly WorkerStatus[]): string {
  const newest = Math.max(
    ...all.map(({ lastHeardAt }) => (lastHeardAt === null ? 0 : Date.parse(lastHeardAt))),
  );
  const heard = worker.lastHeardAt === null ? null : newest - Date.parse(worker.lastHeardAt);
  return cells(
    [
      worker.id,
      worker.draining ? "draining" : worker.registered ? "ready" : "unheard",
      bar(worker.used, worker.credit),
      `${worker.used}/${worker.credit}`,
      heard === null ? "-" : duration(heard),
      Object.entries(worker.labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(" "),
    ],
    WORKER_WIDTHS,
  );
}

function stuckLine({ id, name, queue, waitedMs, why }: Stuck, columns: number): string {
  const waited = styleText("yellow", duration(waitedMs).padStart(6));
  return `${waited}  ${truncated(plain(`${id} ${name} in ${queue}: ${why}`), Math.max(10, columns - 10))}`;
}

/** Numbers to the right, text to the left, each in its column. */
function cells(texts: readonly string[], widths: readonly number[]): string {
  return texts
    .map((text, column) => {
      const width = widths[column] ?? text.length;
      const shown = text.startsWith("[") ? text : truncated(plain(text), width);
      return column > 1 && /^[\d.<≤-]/.test(shown) ? shown.padStart(width) : shown.padEnd(width);
    })
    .join(" ");
}

function shortened(lines: readonly string[], rows: number, none: string): string[] {
  if (lines.length === 0) return [styleText("gray", none)];
  if (lines.length <= rows) return [...lines];
  const left = lines.length - rows + 1;
  return [...lines.slice(0, rows - 1), styleText("gray", `… and ${left} more`)];
}

function bar(used: number, of: number): string {
  const full = of === 0 ? 0 : Math.min(BAR, Math.round((used / of) * BAR));
  return `[${"|".repeat(full)}${" ".repeat(BAR - full)}]`;
}

function perSecond(rate: number): string {
  return `${rateText(rate)}/s`;
}

function rateText(rate: number): string {
  return rate >= 10 || rate === 0 ? String(Math.round(rate)) : rate.toFixed(1);
}

function duration(ms: number): string {
  if (ms === Number.POSITIVE_INFINITY) return "hours";
  if (ms < 1_000) return `${Math.round(ms)}ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)}s`;
  return ms < 3_600_000 ? `${Math.round(ms / 60_000)}m` : `${Math.round(ms / 3_600_000)}h`;
}

function bold(text: string): string {
  return styleText("bold", text);
}

/** Cut to the terminal's width; colours do not count. */
function fitted(line: string, columns: number): string {
  let width = 0;
  let end = 0;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these start a colour.
  for (const [part, colour] of line.matchAll(/(\u001b\[[\d;]*m)|./gsu)) {
    if (colour === undefined && ++width > columns) return `${line.slice(0, end)}${styleText("reset", "")}`;
    end += part.length;
  }
  return line;
}
