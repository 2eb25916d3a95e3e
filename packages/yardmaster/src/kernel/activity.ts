import type { RunningAttempt, ShardActivity, WaitingHead } from "../protocol/activity.ts";
import type { Millis } from "../protocol/task.ts";
import { explainHead } from "./explain.ts";
import type { LiveTask, Queue } from "./live.ts";
import type { Shard } from "./shard.ts";

/** One worker's attempts that are told: nobody sees more lanes than that. */
const MAX_OF_A_WORKER = 64;
const MAX_HEADS = 100;
/** Of a queue's lines so many have their first tasks told. */
const MAX_LINES = 3;
/** So many gates are looked at for what waits at them. */
const MAX_GATES = 1_000;

/** What goes on: looks at workers, queues and the heads of lines, never at all tasks. */
export function viewActivity(shard: Shard, after: number, limit: number, now: Millis): ShardActivity {
  const { recent, epoch } = shard;
  return {
    epoch,
    at: now,
    ended: recent.count,
    ends: recent.since(after, limit),
    running: running(shard, limit),
    heads: heads(shard, now),
  };
}

function running({ roster }: Shard, limit: number): RunningAttempt[] {
  const found: RunningAttempt[] = [];
  for (const { id: worker, held } of roster.workers.values()) {
    for (const { task, number, assignedAt } of held.slice(0, MAX_OF_A_WORKER)) {
      if (found.length === limit) return found;
      const { name, queue } = task.kind.spec;
      const { id, state } = task;
      found.push({ id, name, queue, worker, attempt: number, startedAt: assignedAt, state });
    }
  }
  return found;
}

function heads(shard: Shard, now: Millis): WaitingHead[] {
  const found: WaitingHead[] = [];
  const limited = new Set<Queue>();
  for (const queue of shard.queues.all) {
    if (queue.limited > 0) limited.add(queue);
    if (queue.ready === 0) continue;
    let lines = 0;
    for (const { ordering } of queue.lines) {
      const task = ordering.peek();
      if (task === undefined) continue;
      if (found.length === MAX_HEADS) return found;
      found.push(headOf(shard, task, now));
      if (++lines === MAX_LINES) break;
    }
  }
  if (limited.size > 0) found.push(...limitedHeads(shard, limited, now).slice(0, MAX_HEADS - found.length));
  return found;
}

/** Of each of these queues one task that a limit of its definition keeps. */
function limitedHeads(shard: Shard, queues: Set<Queue>, now: Millis): WaitingHead[] {
  const found: WaitingHead[] = [];
  let looked = 0;
  for (const { waiting } of shard.gates.all()) {
    if (looked++ === MAX_GATES || queues.size === 0) break;
    for (const [{ line }, ordering] of waiting ?? []) {
      const task = ordering.peek();
      if (task === undefined || !queues.delete(line.queue)) continue;
      found.push(headOf(shard, task, now));
    }
  }
  return found;
}

function headOf(shard: Shard, task: LiveTask, now: Millis): WaitingHead {
  const { name, queue } = task.kind.spec;
  return { ...explainHead(shard, task, now), name, queue, since: task.since };
}
