import {
  MISSED_POLICIES,
  type MissedPolicy,
  OVERLAP_POLICIES,
  type OverlapPolicy,
} from "../protocol/schedule.ts";
import type { Random } from "./random.ts";
import type { TaskPlan } from "./task-plan.ts";

/** A schedule that the first client declares and takes away again. */
export interface SchedulePlan {
  readonly name: string;
  readonly at: number;
  readonly forMs: number;
  /** "" where `everyMs` says when. */
  readonly cron: string;
  readonly everyMs: number;
  readonly missed: MissedPolicy;
  readonly overlap: OverlapPolicy;
  /** What each tick submits. */
  readonly task: TaskPlan;
}

export function drawSchedules(random: Random, tasks: readonly TaskPlan[]): SchedulePlan[] {
  return tasks.map((task, index) => {
    const cron = random.chance(0.3) ? random.pick(["* * * * * *", "*/2 * * * * *", "*/3 * * * * *"]) : "";
    return {
      name: `schedule-${index + 1}`,
      at: random.below(5_000),
      forMs: random.between(1_000, random.pick([4_000, 12_000])),
      cron,
      everyMs: cron === "" ? random.pick([1_000, 1_000, 1_700, 4_000]) : 0,
      missed: random.pick(MISSED_POLICIES),
      overlap: random.pick(OVERLAP_POLICIES),
      task,
    };
  });
}
