import { drawFaults, type FaultPlan, NO_FAULTS, sleptOut } from "./fault-plan.ts";
import { drawLinks, type LinkPlan, NO_LINKS } from "./linked-tasks.ts";
import { Random } from "./random.ts";
import { SimDefinitions } from "./sim-definitions.ts";
import { drawSituation } from "./situations.ts";
import type { TaskPlan } from "./task-plan.ts";
import { drawWorkload, type Workload } from "./workload.ts";

/** All that a run is made of beside the chance that its seed still gives to each process. */
export interface RunPlan {
  readonly seed: number;
  readonly situation: string | null;
  readonly faults: FaultPlan;
  readonly workload: Workload;
  readonly links: LinkPlan;
}

/** What takes the place of what the seed draws. */
export interface PlanChanges {
  readonly faults?: Partial<FaultPlan>;
  readonly workload?: Partial<Workload>;
}

export function planOf(seed: number, changes: PlanChanges = {}): RunPlan {
  const random = new Random(seed, "plan");
  const drawn = drawWorkload(random);
  const situation = drawSituation(new Random(seed, "situation"));
  const turned = situation?.workload(drawn) ?? drawn;
  const drawnFaults = drawFaults(random, changes.workload?.dispatchers ?? drawn.dispatchers);
  const faults = {
    ...sleptOut(situation?.faults(drawnFaults, turned) ?? drawnFaults),
    ...changes.faults,
  };
  const parking = aimsAtParking(faults) ? { maxLive: 5 } : {};
  const workload = { ...turned, ...parking, ...choresUnder(faults), ...changes.workload };
  const definitions = new SimDefinitions(workload);
  // Tasks that a test names are for what it tests.
  const links =
    changes.workload?.tasks === undefined
      ? drawLinks(new Random(seed, "links"), workload, (task) => definitions.isBound(task))
      : NO_LINKS;
  return { seed, situation: situation?.name ?? null, faults, workload, links };
}

/** What was paused and then forgotten stays as it is; so does a queue whose pause was kept back until another client had resumed it. */
function choresUnder({ loss, withholdChance }: FaultPlan): Partial<Workload> {
  if (loss !== null) return { queues: [], schedules: [] };
  return withholdChance > 0 ? { queues: [] } : {};
}

/** Only an owner with more tasks than it may hold comes to such a crash point. */
function aimsAtParking({ crashes }: FaultPlan): boolean {
  return crashes.some(({ point }) => point.includes("store.parked"));
}

/** What a plan comes to, on one line. */
export function describePlan({ seed, situation, faults, workload, links }: RunPlan): string {
  return JSON.stringify({
    seed,
    situation,
    faults,
    ...workload,
    tasks: workload.tasks.length,
    schedules: workload.schedules.length,
    after: links.after.size,
    graphs: links.graphs.map(({ layers }) => layers.map(({ length }) => length)),
  });
}

/** The plan with only some of its tasks. */
export function withTasks(plan: RunPlan, keeps: (task: TaskPlan) => boolean): RunPlan {
  const after = [...plan.links.after]
    .filter(([task]) => keeps(task))
    .map(([task, { tasks, onFailure }]) => [task, { tasks: tasks.filter(keeps), onFailure }] as const);
  const graphs = plan.links.graphs.map((graph) => ({
    ...graph,
    layers: graph.layers.map((layer) => layer.filter(keeps)).filter(({ length }) => length > 0),
  }));
  return {
    ...plan,
    workload: { ...plan.workload, tasks: plan.workload.tasks.filter(keeps) },
    links: { after: new Map(after), graphs: graphs.filter(({ layers }) => layers.length > 0) },
  };
}

/** A plan as JSON, in which tasks are named by their places. */
export function writePlan(plan: RunPlan): string {
  const { tasks } = plan.workload;
  const place = (task: TaskPlan): number => tasks.indexOf(task);
  const after = [...plan.links.after].map(([task, { tasks: others, onFailure }]) => ({
    task: place(task),
    tasks: others.map(place),
    onFailure,
  }));
  const graphs = plan.links.graphs.map((graph) => ({
    ...graph,
    layers: graph.layers.map((layer) => layer.map(place)),
  }));
  return JSON.stringify({ ...plan, links: { after, graphs } });
}

interface WrittenPlan extends Omit<RunPlan, "links"> {
  readonly links: {
    readonly after: readonly {
      readonly task: number;
      readonly tasks: readonly number[];
      readonly onFailure: "fail" | "skip" | "run-anyway";
    }[];
    readonly graphs: readonly (Omit<LinkPlan["graphs"][number], "layers"> & {
      readonly layers: readonly (readonly number[])[];
    })[];
  };
}

export function readPlan(text: string): RunPlan {
  // Nobody but `writePlan` makes them.
  const { links, ...plan } = JSON.parse(text) as WrittenPlan;
  const at = (place: number): TaskPlan => {
    const task = plan.workload.tasks[place];
    if (task === undefined) throw new RangeError(`The plan has no task at ${place}`);
    return task;
  };
  return {
    ...plan,
    // Those that came after it was written.
    faults: { ...NO_FAULTS, ...plan.faults },
    links: {
      after: new Map(
        links.after.map(({ task, tasks, onFailure }) => [at(task), { tasks: tasks.map(at), onFailure }]),
      ),
      graphs: links.graphs.map((graph) => ({ ...graph, layers: graph.layers.map((layer) => layer.map(at)) })),
    },
  };
}
