import type { Millis, TaskError } from "../protocol/task.ts";
import { DeadlineOrdering } from "./deadline-ordering.ts";
import type { Line, LiveTask, Queue, Worker } from "./live.ts";
import { suits } from "./pool.ts";
import type { Requirement } from "./requirement.ts";
import type { Shard } from "./shard.ts";

/** The code of a task that was accepted although it will probably end after its deadline. */
export const DOUBTFUL = "DEADLINE_DOUBTFUL";

/**
 * What stands against a new task's deadline in a queue that asks, or null. The processor demand test (S. Baruah,
 * L. Rosier, R. Howell, 1990) with what tasks are expected to take: what goes before it in its queue and half of what
 * runs, divided among the slots of the workers that know it, and the task itself. Nothing is held against a
 * definition of which no task has ended yet, except that its deadline is over.
 */
export function doubtOf(shard: Shard, task: LiveTask, now: Millis): TaskError | null {
  const { line } = task.kind;
  const { queue, skill } = line;
  const { deadline } = task;
  if (queue.settings.admission === "any" || queue.record.order !== "deadline") return null;
  if (deadline === Number.POSITIVE_INFINITY) return null;
  const startAt = Math.max(now, task.since);
  if (deadline <= startAt) return doubt(task, startAt);
  if (skill.known === 0) return null;
  const slots = slotsOf(shard, line);
  const waitMs = slots === 0 ? 0 : workBefore(queue, deadline) / slots;
  const endsAt = Math.max(startAt, now + waitMs) + skill.expectedMs;
  return endsAt > deadline ? doubt(task, endsAt) : null;
}

function doubt(task: LiveTask, endsAt: Millis): TaskError {
  const lateMs = Math.ceil(endsAt - task.deadline);
  const message = `The deadline cannot be met: queue ${task.kind.spec.queue} expects the task to end ${lateMs} ms after it. Give it a later deadline, or more workers.`;
  return { code: "TASK_REFUSED", message, stack: "" };
}

/** In milliseconds of one slot. */
function workBefore({ lines }: Queue, deadline: Millis): number {
  let workMs = 0;
  for (const { ordering, skill, active } of lines) {
    const waiting = ordering instanceof DeadlineOrdering ? ordering.before(deadline) : 0;
    workMs += (waiting + active / 2) * skill.expectedMs;
  }
  return workMs;
}

/** How many tasks of a line could run at a time. */
function slotsOf(shard: Shard, { skill, requirement }: Line): number {
  let slots = 0;
  for (const worker of shard.roster.workers.values())
    if (worker.takesWork && worker.group !== null && skill.groups.includes(worker.group))
      slots += roomOf(worker, requirement);
  return slots;
}

function roomOf(worker: Worker, requirement: Requirement): number {
  if (!suits(worker, requirement)) return 0;
  let room = worker.credit;
  for (const { resource, amount } of requirement.needs)
    room = Math.min(room, Math.floor(worker.resources.offered(resource) / amount));
  return room;
}
