import { YardmasterError } from "../protocol/errors.ts";
import {
  DEFAULT_SETTINGS,
  isTerminal,
  ORDERS,
  type QueueRecord,
  type TaskSpec,
  type TaskTerms,
} from "../protocol/task.ts";
import type { TraceTask, TraceWorker } from "../protocol/yard-trace.ts";
import { type Arrival, MODELLED, type PastFailure, type Source, START } from "./arrivals.ts";
import { type Policy, policyNamed, type Scenario, type WorkerPlan } from "./scenario.ts";
import type { Trace } from "./trace-file.ts";

/** Each order, where nobody says which policies; placements stay. */
const EACH_ORDER: readonly Policy[] = ORDERS.map(policyNamed);

/** How the tasks of a trace come again: those left out, and why, are told apart. */
export interface Replay {
  readonly scenario: Scenario;
  readonly source: () => Source;
  /** How many ended before they could start, by somebody's hand or a refusal. */
  readonly neverStarted: number;
  /** How many have never started, and nothing of their name has ever ended. */
  readonly unknown: number;
  /** How many ask for what none of the recorded workers has. */
  readonly unserved: number;
}

/** Makes a scenario of a trace. Throws INVALID_OPTIONS where it has no workers, or nothing that they could run. */
export function replayOf(trace: Trace, name: string, policies: readonly Policy[] = EACH_ORDER): Replay {
  const { header, tasks } = trace;
  const workers = header.workers.filter(({ slots }) => slots > 0);
  if (workers.length === 0)
    throw unplayable(
      "names no workers with slots: export it while they are connected, or add them to its first line",
    );
  const expected = meansOf(tasks);
  const counts = { neverStarted: 0, unknown: 0, unserved: 0 };
  const played: Played[] = [];
  for (const task of [...tasks].sort(inOrder)) {
    const one = playedOf(task, header.at, expected.get(task.name));
    if (typeof one === "string") counts[one]++;
    else if (workers.some((worker) => canRun(worker, task))) played.push(one);
    else counts.unserved++;
  }
  const [first] = played;
  if (first === undefined)
    throw unplayable(
      `has no task that could run again (${counts.neverStarted} never started, of ${counts.unknown} nobody knows what they take, ${counts.unserved} fit none of its workers): export it while the yard still knows some`,
    );
  const from = played.reduce((least, { task }) => Math.min(least, task.dueAt), first.task.dueAt);
  const to = played.reduce((most, { task }) => Math.max(most, task.dueAt), from);
  const scenario: Scenario = {
    name,
    about: `${played.length} recorded tasks on ${workers.length} recorded workers.`,
    seed: 1,
    forMs: to - from,
    workers: workers.map(workerPlanOf),
    tasks: [],
    policies,
    queues: queuesOf(trace),
    delayMs: null,
  };
  const { specs, arrivals } = arrivalsOf(played, from);
  return { scenario, source: () => sourceOf(specs, arrivals), ...counts };
}

/** A task with what each of its attempts takes. */
interface Played {
  readonly task: TraceTask;
  readonly serviceMs: number;
  readonly failures: readonly PastFailure[];
}

function playedOf(
  task: TraceTask,
  at: number,
  expectedMs: number | undefined,
): Played | "neverStarted" | "unknown" {
  const { attempts, state } = task;
  const isOver = isTerminal(state);
  const last = attempts.at(-1);
  if (last === undefined && isOver && state !== "expired") return "neverStarted";
  // An attempt that is to be followed by another was not the last.
  const isLast = last !== undefined && (isOver ? state !== "expired" : last.endedAt === null);
  const failures = (isLast ? attempts.slice(0, -1) : attempts).map(({ startedAt, endedAt, resumesAt }) => {
    const tookMs = Math.max(0, (endedAt ?? at) - startedAt);
    return { tookMs, waitsMs: Math.max(0, (resumesAt ?? 0) - (endedAt ?? at)) };
  });
  if (isLast) {
    const { startedAt, endedAt } = last;
    const serviceMs = endedAt === null ? Math.max(at - startedAt, expectedMs ?? 0) : endedAt - startedAt;
    return { task, failures, serviceMs: Math.max(0, serviceMs) };
  }
  return expectedMs === undefined ? "unknown" : { task, failures, serviceMs: expectedMs };
}

/** What attempts of each name took that were the last of their tasks. */
function meansOf(tasks: readonly TraceTask[]): Map<string, number> {
  const sums = new Map<string, { count: number; ms: number }>();
  for (const { name, attempts } of tasks) {
    const last = attempts.at(-1);
    if (last === undefined || last.endedAt === null || last.resumesAt !== undefined) continue;
    const sum = sums.get(name) ?? { count: 0, ms: 0 };
    sum.count++;
    sum.ms += last.endedAt - last.startedAt;
    sums.set(name, sum);
  }
  return new Map(Array.from(sums, ([name, { count, ms }]) => [name, ms / count]));
}

/** As they came; what one waits for has the smaller id. */
function inOrder(a: TraceTask, b: TraceTask): number {
  return a.dueAt === b.dueAt ? (a.id < b.id ? -1 : 1) : a.dueAt - b.dueAt;
}

function canRun({ tasks, labels, resources }: TraceWorker, task: TraceTask): boolean {
  return (
    tasks.includes(`${task.name}@${task.version}`) &&
    Object.entries(task.labels ?? {}).every(([name, text]) => labels[name] === text) &&
    Object.entries(task.needs ?? {}).every(([name, amount]) => amount <= (resources[name] ?? 0))
  );
}

function workerPlanOf({ slots, labels, resources, tasks }: TraceWorker): WorkerPlan {
  return {
    count: 1,
    slots,
    threads: slots,
    warmKeys: 1,
    speed: 1,
    labels,
    resources,
    livesMs: null,
    downMs: { type: "constant", value: 0 },
    handles: tasks,
  };
}

/** With those that only tasks name, as they are by default. Nothing is paused: nobody would be there to resume it. */
function queuesOf({ header, tasks }: Trace): QueueRecord[] {
  const byName = new Map<string, QueueRecord>();
  for (const { name, order, placement, ...settings } of header.queues)
    byName.set(name, { name, order, placement, paused: false, revision: 1, settings });
  for (const { queue: name } of tasks)
    if (!byName.has(name))
      byName.set(name, {
        name,
        order: "fifo",
        placement: "two-choices",
        paused: false,
        revision: 1,
        settings: DEFAULT_SETTINGS,
      });
  return [...byName.values()];
}

function arrivalsOf(played: readonly Played[], from: number): { specs: TaskSpec[]; arrivals: Arrival[] } {
  const specs = new Map<string, { readonly spec: TaskSpec; readonly index: number }>();
  const tenants = new Map<string, number>();
  const numbers = new Map(played.map(({ task }, index) => [task.id, index + 1]));
  const arrivals = played.map(({ task, serviceMs, failures }, index): Arrival => {
    const { priority, dueAt, expiresAt = 0, deadline = 0, fairnessKey = "", after = [] } = task;
    const spec = specOf(task);
    const text = JSON.stringify(spec);
    const kind = specs.get(text) ?? { spec, index: specs.size };
    specs.set(text, kind);
    const tenant = fairnessKey === "" ? -1 : (tenants.get(fairnessKey) ?? tenants.size);
    if (tenant !== -1) tenants.set(fairnessKey, tenant);
    return {
      number: index + 1,
      at: dueAt - from,
      plan: kind.index,
      serviceMs,
      priority,
      deadlineAt: deadline === 0 ? 0 : Math.max(1, deadline - from),
      tenant,
      affinity: -1,
      recorded: {
        terms: termsOf(task, from),
        // What had expired when it was due would never start.
        expiresInMs: expiresAt === 0 ? 0 : Math.max(1, expiresAt - dueAt),
        failures,
        after: after.flatMap((id) => numbers.get(id) ?? []),
      },
    };
  });
  return { specs: Array.from(specs.values(), ({ spec }) => spec), arrivals };
}

function sourceOf(specs: readonly TaskSpec[], arrivals: readonly Arrival[]): Source {
  let next = 0;
  return { specs, next: () => arrivals[next++] ?? null };
}

function specOf({
  name,
  version,
  queue,
  limits,
  needs = {},
  labels = {},
  preferred = {},
}: TraceTask): TaskSpec {
  const asks = Object.keys(needs).length + Object.keys(labels).length + Object.keys(preferred).length > 0;
  return {
    name,
    queue,
    version,
    ...MODELLED,
    ...(limits === undefined ? {} : { limits }),
    ...(asks ? { requirements: { needs, labels, preferred } } : {}),
  };
}

function termsOf(task: TraceTask, from: number): TaskTerms | null {
  const {
    deadline = 0,
    fairnessKey = "",
    weight = 1,
    affinityKey = "",
    concurrencyKey = "",
    rateKey = "",
  } = task;
  if (deadline === 0 && `${fairnessKey}${affinityKey}${concurrencyKey}${rateKey}` === "") return null;
  return {
    deadline: deadline === 0 ? 0 : START + Math.max(1, deadline - from),
    deadlineInMs: 0,
    fairnessKey,
    weight,
    concurrencyKey,
    rateKey,
    affinityKey,
  };
}

function unplayable(why: string): YardmasterError {
  return new YardmasterError("INVALID_OPTIONS", `The trace ${why}.`);
}
