import type { QueueStats, ShardStats } from "../protocol/stats.ts";
import type { Millis } from "../protocol/task.ts";
import type { Queue } from "./live.ts";
import type { Shard } from "./shard.ts";

/** What was counted, and what waits by what it is expected to take: looks at queues and workers, never at tasks. */
export function viewStats({ queues, roster }: Shard, now: Millis): ShardStats {
  let [credit, used] = [0, 0];
  for (const worker of roster.workers.values()) {
    if (worker.takesWork) credit += worker.credit;
    used += worker.used;
  }
  return { queues: Array.from(queues.all, viewQueue), credit, used, at: now };
}

function viewQueue({ record, lines, limited, parked, tally }: Queue): QueueStats {
  const { submitted, succeeded, failed, cancelled, expired, retried, wait, run, total } = tally;
  let [ready, backlogMs] = [0, 0];
  for (const { ordering, skill } of lines) {
    ready += ordering.size;
    backlogMs += ordering.size * skill.expectedMs;
  }
  // What a limit or want of memory keeps out of the lines is taken for as long as the rest, or as a first guess.
  const meanMs = ready === 0 ? (lines[0]?.skill.expectedMs ?? 0) : backlogMs / ready;
  return {
    queue: record.name,
    ...{ submitted, succeeded, failed, cancelled, expired, retried },
    ...{ wait: wait.view, run: run.view, total: total.view },
    backlogMs: backlogMs + (limited + parked) * meanMs,
  };
}
