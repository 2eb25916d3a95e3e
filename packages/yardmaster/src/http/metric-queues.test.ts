import { describe, expect, it } from "vitest";
import type { QueueStatus } from "../client/directory.ts";
import { BOUNDS_MS, type HistogramView, type QueueStats } from "../protocol/stats.ts";
import { MAX_METRIC_QUEUES, QueueLabels } from "./metric-queues.ts";
import { metricsText } from "./metrics.ts";

const QUEUES = 250;

function view(sumMs: number): HistogramView {
  return { counts: [...BOUNDS_MS.map(() => 0), 1], sumMs };
}

/** The later a queue, the larger. */
function statsOf(number: number): QueueStats {
  const [wait, run, total] = [view(number), view(number), view(number)];
  const ends = { succeeded: number, failed: 1, cancelled: 1, expired: 1, retried: 1 };
  return { queue: `tenant-${number}`, submitted: number, ...ends, wait, run, total, backlogMs: 1_000 };
}

function statusOf(number: number): QueueStatus {
  const waits = { scheduled: 1, ready: 2, active: 3, blocked: 4, parked: 5 };
  const settings = { order: "fifo", placement: "two-choices", revision: 0 } as const;
  return { name: `tenant-${number}`, paused: number === 3, ...settings, ...waits };
}

const numbers = Array.from({ length: QUEUES }, (_, number) => number);

describe("labels of queues", () => {
  it("name the largest ones, and count all others as one", () => {
    const text = metricsText(
      { queues: numbers.map(statsOf), slots: 1, used: 0 } as never,
      numbers.map(statusOf),
      new QueueLabels(),
    );
    const labels = new Set([...text.matchAll(/queue="([^"]+)"/g)].map(([, name]) => name));
    expect(labels.size).toBe(MAX_METRIC_QUEUES + 1);
    expect(labels).toContain(`tenant-${QUEUES - 1}`);
    expect(labels).not.toContain("tenant-0");
    const rest = QUEUES - MAX_METRIC_QUEUES;
    expect(text).toContain(`yardmaster_tasks_submitted_total{queue="other"} ${(rest * (rest - 1)) / 2}\n`);
    expect(text).toContain(`yardmaster_tasks_ended_total{queue="other",state="failed"} ${rest}\n`);
    expect(text).toContain(`yardmaster_task_wait_seconds_count{queue="other"} ${rest}\n`);
    expect(text).toContain(`yardmaster_queue_tasks{queue="other",state="ready"} ${2 * rest}\n`);
    expect(text).toContain(`yardmaster_queue_backlog_seconds{queue="other"} ${rest}\n`);
    expect(text).toContain('yardmaster_queue_paused{queue="other"} 1\n');
  });

  it("lose nothing of the sums", () => {
    const { stats, queues } = new QueueLabels(7).bounded(numbers.map(statsOf), numbers.map(statusOf));
    const sum = (of: (one: QueueStats) => number): number => stats.reduce((total, one) => total + of(one), 0);
    expect(sum(({ submitted }) => submitted)).toBe((QUEUES * (QUEUES - 1)) / 2);
    expect(sum(({ total }) => total.sumMs)).toBe((QUEUES * (QUEUES - 1)) / 2);
    expect(sum(({ wait }) => wait.counts.at(-1) ?? 0)).toBe(QUEUES);
    expect(queues.reduce((total, { parked }) => total + parked, 0)).toBe(5 * QUEUES);
    expect([stats.length, queues.length]).toEqual([8, 8]);
  });

  it("stay with the queues that they were given to, as counters may not fall", () => {
    const bound = new QueueLabels(1);
    const failedOfOthers = (submitted: number): number => {
      const stats = [statsOf(50), { ...statsOf(7), submitted, failed: 500 }];
      return bound.bounded(stats, []).stats.find(({ queue }) => queue === "other")?.failed ?? 0;
    };
    expect([failedOfOthers(49), failedOfOthers(51)]).toEqual([500, 500]);
  });

  it("leave few queues as they are", () => {
    const few = [statsOf(1), statsOf(2)];
    expect(new QueueLabels().bounded(few, [statusOf(1)])).toEqual({ stats: few, queues: [statusOf(1)] });
  });
});
