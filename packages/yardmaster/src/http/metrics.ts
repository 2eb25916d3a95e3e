import type { QueueStatus, YardStats } from "../client/directory.ts";
import { BOUNDS_MS, type HistogramView, type QueueStats } from "../protocol/stats.ts";
import type { QueueLabels } from "./metric-queues.ts";

/** Every metric by its name, with what it says. `ops/` may use no other. */
export const METRICS = {
  yardmaster_tasks_submitted_total: "Tasks that dispatchers have recorded.",
  yardmaster_tasks_ended_total: "Tasks that have ended, by how.",
  yardmaster_attempts_retried_total: "Attempts that failed and were followed by another.",
  yardmaster_task_wait_seconds: "From when a task could start to its first start.",
  yardmaster_attempt_run_seconds: "How long attempts took that succeeded.",
  yardmaster_task_duration_seconds: "From a task's acceptance to its success.",
  yardmaster_queue_tasks: "Unfinished tasks by what they wait for, or that they run.",
  yardmaster_queue_paused: "1 where a queue is paused.",
  yardmaster_queue_backlog_seconds:
    "How long the slots that there are would take for what is ready: scale by this.",
  yardmaster_slots: "How many attempts the workers run at a time at most.",
  yardmaster_slots_used: "How many attempts the workers have.",
  yardmaster_commits_fenced: "Commits that the store refused, as another dispatcher owned the shard.",
} as const;
type Metric = keyof typeof METRICS;

const ENDS = ["succeeded", "failed", "cancelled", "expired"] as const;
const WAITS = ["scheduled", "blocked", "ready", "parked", "active"] as const;

/** In the text format of Prometheus (0.0.4). Labels are states, bounds and a limited number of queues, so that series stay few. */
export function metricsText(
  { queues: counted, slots, used, fencedCommits }: YardStats,
  present: readonly QueueStatus[],
  labels: QueueLabels,
): string {
  const { stats, queues } = labels.bounded(counted, present);
  const page = new Page();
  page.head("yardmaster_tasks_submitted_total", "counter");
  for (const { queue, submitted } of stats)
    page.line("yardmaster_tasks_submitted_total", { queue }, submitted);
  page.head("yardmaster_tasks_ended_total", "counter");
  for (const one of stats)
    for (const state of ENDS)
      page.line("yardmaster_tasks_ended_total", { queue: one.queue, state }, one[state]);
  page.head("yardmaster_attempts_retried_total", "counter");
  for (const { queue, retried } of stats) page.line("yardmaster_attempts_retried_total", { queue }, retried);
  page.histogram("yardmaster_task_wait_seconds", stats, ({ wait }) => wait);
  page.histogram("yardmaster_attempt_run_seconds", stats, ({ run }) => run);
  page.histogram("yardmaster_task_duration_seconds", stats, ({ total }) => total);
  page.head("yardmaster_queue_tasks", "gauge");
  for (const one of queues)
    for (const state of WAITS) page.line("yardmaster_queue_tasks", { queue: one.name, state }, one[state]);
  page.head("yardmaster_queue_paused", "gauge");
  for (const { name, paused } of queues)
    page.line("yardmaster_queue_paused", { queue: name }, paused ? 1 : 0);
  page.head("yardmaster_queue_backlog_seconds", "gauge");
  for (const { queue, backlogMs } of stats)
    page.line("yardmaster_queue_backlog_seconds", { queue }, backlogMs / 1_000 / Math.max(1, slots));
  page.head("yardmaster_slots", "gauge");
  page.line("yardmaster_slots", {}, slots);
  page.head("yardmaster_slots_used", "gauge");
  page.line("yardmaster_slots_used", {}, used);
  page.head("yardmaster_commits_fenced", "gauge");
  page.line("yardmaster_commits_fenced", {}, fencedCommits);
  return page.text;
}

class Page {
  readonly #lines: string[] = [];

  get text(): string {
    return `${this.#lines.join("\n")}\n`;
  }

  head(name: Metric, type: "counter" | "gauge" | "histogram"): void {
    this.#lines.push(`# HELP ${name} ${METRICS[name]}`, `# TYPE ${name} ${type}`);
  }

  line(name: string, labels: Readonly<Record<string, string>>, value: number): void {
    const shown = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`);
    this.#lines.push(`${name}${shown.length === 0 ? "" : `{${shown.join(",")}}`} ${value}`);
  }

  histogram(name: Metric, stats: readonly QueueStats[], of: (queue: QueueStats) => HistogramView): void {
    this.head(name, "histogram");
    for (const one of stats) {
      const { counts, sumMs } = of(one);
      const { queue } = one;
      let count = 0;
      for (const [bucket, bound] of BOUNDS_MS.entries()) {
        count += counts[bucket] ?? 0;
        this.line(`${name}_bucket`, { queue, le: String(bound / 1_000) }, count);
      }
      count += counts[BOUNDS_MS.length] ?? 0;
      this.line(`${name}_bucket`, { queue, le: "+Inf" }, count);
      this.line(`${name}_sum`, { queue }, sumMs / 1_000);
      this.line(`${name}_count`, { queue }, count);
    }
  }
}

function escaped(text: string): string {
  return text.replace(/[\\"\n]/g, (character) => (character === "\n" ? "\\n" : `\\${character}`));
}
