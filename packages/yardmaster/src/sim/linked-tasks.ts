import { FAILED_DEPENDENCY_RULES, type FailedDependencyRule } from "../protocol/task.ts";
import type { Random } from "./random.ts";
import type { TaskPlan } from "./task-plan.ts";
import type { Workload } from "./workload.ts";

/** Which tasks hang together. Members of a graph are submitted together, layer after layer. */
export interface LinkPlan {
  readonly after: ReadonlyMap<TaskPlan, AfterPlan>;
  readonly graphs: readonly GraphPlan[];
}

interface AfterPlan {
  readonly tasks: readonly TaskPlan[];
  readonly onFailure: FailedDependencyRule;
}

export interface GraphPlan {
  /** What is in one layer waits for all of the one before. */
  readonly layers: readonly (readonly TaskPlan[])[];
  readonly onFailure: FailedDependencyRule;
  /** How long after the submission all of it is cancelled; null for never. */
  readonly cancelAfterMs: number | null;
}

export const NO_LINKS: LinkPlan = { after: new Map(), graphs: [] };

/** Drawn apart from the rest, so that a seed's other tasks and faults stay what they were. */
export function drawLinks(
  random: Random,
  workload: Workload,
  isBound: (task: TaskPlan) => boolean,
): LinkPlan {
  const { tasks, clients, features } = workload;
  const [hasGraphs, hasAfter] = [features.includes("graphs"), features.includes("dependencies")];
  const after = new Map<TaskPlan, AfterPlan>();
  const graphs: GraphPlan[] = [];
  for (let client = 0; client < clients; client++) {
    const own = tasks.filter((task) => task.client === client);
    const plain = own.filter((task) => task.key === null && task.collapse === null && !isBound(task));
    const members = hasGraphs ? plain.splice(random.below(plain.length), random.integer(1, 9)) : [];
    if (members.length > 0) graphs.push(drawGraph(random, members));
    for (const task of plain) {
      const earlier = own.filter((other) => other.submitAt < task.submitAt && !members.includes(other));
      if (earlier.length === 0 || !hasAfter || !random.chance(0.3)) continue;
      const picked = Array.from({ length: random.integer(1, 3) }, () => random.pick(nonEmpty(earlier)));
      after.set(task, { tasks: [...new Set(picked)], onFailure: random.pick(FAILED_DEPENDENCY_RULES) });
    }
  }
  return { after, graphs };
}

function drawGraph(random: Random, members: readonly TaskPlan[]): GraphPlan {
  const layers: TaskPlan[][] = [];
  for (const member of members) {
    const last = layers.at(-1);
    if (last === undefined || random.chance(0.4)) layers.push([member]);
    else last.push(member);
  }
  const cancelAfterMs = random.chance(0.2) ? random.below(random.pick([5, 500, 10_000])) : null;
  return { layers, onFailure: random.pick(FAILED_DEPENDENCY_RULES), cancelAfterMs };
}

function nonEmpty<T>(items: readonly T[]): readonly [T, ...T[]] {
  const [first, ...rest] = items;
  if (first === undefined) throw new RangeError("There is nothing to pick from.");
  return [first, ...rest];
}
