import { NO_FAULTS } from "./fault-plan.ts";
import { NO_LINKS } from "./linked-tasks.ts";
import { type RunPlan, withTasks } from "./run-plan.ts";

/** More runs than this are not worth a smaller plan. */
const MOST_RUNS = 400;

/**
 * Takes out of a plan what it fails without: faults, features, processes, then tasks in halves, quarters and so on
 * (delta debugging: A. Zeller, R. Hildebrandt, 2002), as long as the same promise breaks.
 */
export async function shrink(plan: RunPlan, fails: (plan: RunPlan) => Promise<boolean>): Promise<RunPlan> {
  let best = plan;
  let runs = 0;
  const keep = async (smaller: RunPlan): Promise<boolean> => {
    if (runs >= MOST_RUNS) return false;
    runs++;
    if (!(await fails(smaller))) return false;
    best = smaller;
    return true;
  };
  for (const candidate of parts(plan)) await keep(candidate(best));
  for (
    let size = Math.ceil(best.workload.tasks.length / 2);
    size >= 1;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  )
    for (let from = 0; from < best.workload.tasks.length; ) {
      const out = new Set(best.workload.tasks.slice(from, from + size));
      if (!(await keep(withTasks(best, (task) => !out.has(task))))) from += size;
    }
  return best;
}

/** Each takes one thing away. */
function parts({ faults }: RunPlan): ((plan: RunPlan) => RunPlan)[] {
  const names = Object.keys(NO_FAULTS) as (keyof typeof NO_FAULTS)[];
  const drawn = names.filter((name) => name !== "healAt" && faults[name] !== NO_FAULTS[name]);
  const workload =
    (changes: Partial<RunPlan["workload"]>) =>
    (plan: RunPlan): RunPlan => ({ ...plan, workload: { ...plan.workload, ...changes } });
  return [
    ...drawn.map((name) => (plan: RunPlan) => ({
      ...plan,
      faults: { ...plan.faults, [name]: NO_FAULTS[name] },
    })),
    (plan) => ({ ...plan, links: NO_LINKS }),
    workload({ schedules: [] }),
    workload({ queues: [] }),
    workload({ maxLive: 1_000_000 }),
    workload({ shards: 1 }),
    workload({ dispatchers: 1 }),
    workload({ workers: 1 }),
    workload({ clients: 1 }),
  ];
}
