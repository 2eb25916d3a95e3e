import { parse } from "yaml";
import { messageOf, YardmasterError } from "../protocol/errors.ts";
import { quoted } from "../protocol/quotation.ts";
import {
  MAX_LATE_FACTOR,
  MIN_LATE_FACTOR,
  ORDERS,
  type Order,
  PLACEMENTS,
  type PlacementName,
  type QueueRecord,
  type Speculation,
} from "../protocol/task.ts";
import { type Distribution, distributionOf } from "./distribution.ts";
import { Fields } from "./fields.ts";

/** What a laboratory run is made of; all times are milliseconds unless their name says otherwise. */
export interface Scenario {
  readonly name: string;
  readonly about: string;
  readonly seed: number;
  /** How long tasks arrive; the run ends when all of them have ended. */
  readonly forMs: number;
  readonly workers: readonly WorkerPlan[];
  readonly tasks: readonly TaskPlan[];
  readonly policies: readonly Policy[];
  /** As they were recorded; absent where there is one, of which a policy says everything. */
  readonly queues?: readonly QueueRecord[];
  /** How long a message takes each way. */
  readonly delayMs: Distribution | null;
  /** Absent where nobody falls silent. */
  readonly heartbeats?: Heartbeats;
}

/** Every how many milliseconds a worker shows that it lives, and after how many without any it is taken for lost. */
interface Heartbeats {
  readonly everyMs: number;
  readonly lossMs: number;
}

export interface WorkerPlan {
  readonly count: number;
  readonly slots: number;
  /** How many of the tasks in its slots it works on at a time; the others wait there. */
  readonly threads: number;
  /** Of so many affinity keys it keeps what their tasks need. */
  readonly warmKeys: number;
  /** A task takes its service time divided by this. */
  readonly speed: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly resources: Readonly<Record<string, number>>;
  /** How long each lives before its process dies, and how long until another takes its place; null for ever. */
  readonly livesMs: Distribution | null;
  readonly downMs: Distribution;
  /** `name@version` of each task that it handles; absent for all. */
  readonly handles?: readonly string[];
  /** How long it is heard before it falls silent, and how long that lasts; absent where it never does. */
  readonly silences?: { readonly heardMs: Distribution; readonly silentMs: Distribution };
}

export interface TaskPlan {
  readonly name: string;
  readonly arrivals: Arrivals;
  readonly serviceMs: Distribution;
  /** How many fairness keys its tasks are spread over; 0 for none. */
  readonly tenants: number;
  /** The share of the first tenant, from 0 to 1; the others share the rest evenly. */
  readonly heaviest: number;
  readonly priority: Distribution;
  /** From arrival; null for none. */
  readonly deadlineMs: Distribution | null;
  readonly needs: Readonly<Record<string, number>>;
  readonly labels: Readonly<Record<string, string>>;
  /** 0 for any number. */
  readonly concurrency: number;
  /** Keys that go to the same worker; 0 for none. */
  readonly affinities: number;
  /** What a task takes longer where its worker has not kept what its affinity key needs. */
  readonly coldMs: number;
  /** When a late attempt may be joined by a second one, under a policy that has such; absent for never. */
  readonly speculation?: Speculation;
}

type Arrivals =
  /** `perSecond` swings by `swing` (0 to 1) of itself once in `periodMs`. */
  | {
      readonly type: "poisson";
      readonly perSecond: number;
      readonly swing: number;
      readonly periodMs: number;
    }
  | { readonly type: "bursts"; readonly size: Distribution; readonly everyMs: Distribution }
  | { readonly type: "atOnce"; readonly count: number };

export interface Policy {
  readonly name: string;
  /** Null for what each queue had when it was recorded. */
  readonly order: Order | null;
  readonly placement: PlacementName | null;
  readonly agingMs: number;
  readonly concurrency: number;
  /** Late attempts of the tasks that allow it are joined by second ones. */
  readonly speculative?: boolean;
}

const DEFAULT_AGING_MS = 10_000;
/** As of real workers and dispatchers. */
const DEFAULT_HEARTBEAT_MS = 2_000;
const DEFAULT_LOSS_MS = 10_000;
const MOST_WORKERS = 100_000;
const MOST_TASKS = 10_000_000;
const ONE: Distribution = { type: "constant", value: 1 };

/** Reads a scenario file. Throws INVALID_OPTIONS that names the field. */
export function readScenario(text: string): Scenario {
  let parsed: unknown;
  try {
    parsed = parse(text);
  } catch (error) {
    throw new YardmasterError("INVALID_OPTIONS", `The scenario is not YAML: ${messageOf(error)}`);
  }
  const fields = new Fields(parsed, "");
  const scenario: Scenario = {
    name: fields.text("name", "Scenario"),
    about: fields.text("about", ""),
    seed: fields.whole("seed", 1, { min: 0, max: 2 ** 31 }),
    forMs: fields.number("seconds", 60, { min: 0.001, max: 31_536_000 }) * 1000,
    workers: fields.list("workers").map(workersOf),
    tasks: fields.list("tasks").map(tasksOf),
    policies: fields.list("policies", [{}]).map(policyOf),
    delayMs: fields.has("messageMs") ? distributionOf(fields.sub("messageMs")) : null,
    ...(fields.isGiven("heartbeats") ? { heartbeats: heartbeatsOf(fields.sub("heartbeats")) } : {}),
  };
  fields.done();
  if (scenario.heartbeats === undefined && scenario.workers.some(({ silences }) => silences !== undefined))
    fields.refuse("heartbeats", "given where workers fall silent", undefined);
  for (const [index, task] of scenario.tasks.entries())
    for (const asked of ["needs", "labels"] as const)
      if (!scenario.workers.some((worker) => offers(worker, task, asked)))
        fields.refuse(`tasks[${index}].${asked}`, "what a kind of workers offers", task[asked]);
  const workers = scenario.workers.reduce((sum, { count }) => sum + count, 0);
  if (workers > MOST_WORKERS) fields.refuse("workers", `${MOST_WORKERS} at most in all`, workers);
  return scenario;
}

/** What nobody offers would be waited for without end. Labels are asked for beside needs. */
function offers(worker: WorkerPlan, { needs, labels }: TaskPlan, asked: "needs" | "labels"): boolean {
  const hasNeeds = Object.entries(needs).every(([name, amount]) => amount <= (worker.resources[name] ?? 0));
  if (asked === "needs") return hasNeeds;
  return hasNeeds && Object.entries(labels).every(([name, text]) => worker.labels[name] === text);
}

function heartbeatsOf(fields: Fields): Heartbeats {
  const everyMs = fields.number("everyMs", DEFAULT_HEARTBEAT_MS, { min: 1, max: 1e9 });
  const lossMs = fields.whole("lossMs", Math.max(DEFAULT_LOSS_MS, Math.ceil(everyMs)), {
    min: everyMs,
    max: 1e9,
  });
  fields.done();
  return { everyMs, lossMs };
}

function workersOf(fields: Fields): WorkerPlan {
  const slots = fields.whole("slots", 1, { min: 1, max: 10_000 });
  const plan: WorkerPlan = {
    count: fields.whole("count", 1, { min: 1, max: MOST_WORKERS }),
    slots,
    threads: fields.whole("threads", slots, { min: 1, max: slots }),
    warmKeys: fields.whole("warmKeys", 10, { min: 1, max: 1_000_000 }),
    speed: fields.number("speed", 1, { min: 0.001, max: 1000 }),
    labels: fields.texts("labels"),
    resources: fields.numbers("resources"),
    livesMs: fields.has("livesMs") ? distributionOf(fields.sub("livesMs")) : null,
    downMs: fields.has("downMs") ? distributionOf(fields.sub("downMs")) : { type: "constant", value: 1000 },
    ...(fields.has("silentMs") || fields.has("heardMs") ? { silences: silencesOf(fields) } : {}),
  };
  fields.done();
  return plan;
}

function silencesOf(fields: Fields): NonNullable<WorkerPlan["silences"]> {
  return {
    heardMs: distributionOf(fields.sub("heardMs")),
    silentMs: distributionOf(fields.sub("silentMs")),
  };
}

function tasksOf(fields: Fields): TaskPlan {
  const plan: TaskPlan = {
    name: fields.text("name", "task"),
    arrivals: arrivalsOf(fields.sub("arrivals")),
    serviceMs: distributionOf(fields.sub("serviceMs")),
    tenants: fields.whole("tenants", 0, { min: 0, max: 1_000_000 }),
    heaviest: fields.number("heaviest", 0, { min: 0, max: 1 }),
    priority: fields.has("priority")
      ? distributionOf(fields.sub("priority"))
      : { type: "constant", value: 0 },
    deadlineMs: fields.has("deadlineMs") ? distributionOf(fields.sub("deadlineMs")) : null,
    needs: fields.numbers("needs"),
    labels: fields.texts("labels"),
    concurrency: fields.whole("concurrency", 0, { min: 0, max: 1_000_000 }),
    affinities: fields.whole("affinities", 0, { min: 0, max: 1_000_000 }),
    coldMs: fields.number("coldMs", 0, { min: 0, max: 1e12 }),
    ...(fields.isGiven("speculative") ? { speculation: speculationOf(fields.sub("speculative")) } : {}),
  };
  fields.done();
  return plan;
}

function speculationOf(fields: Fields): Speculation {
  const speculation = {
    afterFactor: fields.number("afterFactor", 3, { min: MIN_LATE_FACTOR, max: MAX_LATE_FACTOR }),
    afterMs: fields.whole("afterMs", 1_000, { min: 0, max: 1e12 }),
  };
  fields.done();
  return speculation;
}

function arrivalsOf(fields: Fields): Arrivals {
  const arrivals = oneArrival(fields);
  fields.done();
  return arrivals;
}

function oneArrival(fields: Fields): Arrivals {
  if (fields.has("atOnce"))
    return { type: "atOnce", count: fields.whole("atOnce", 1, { min: 1, max: MOST_TASKS }) };
  if (fields.has("burst"))
    return {
      type: "bursts",
      size: distributionOf(fields.sub("burst")),
      everyMs: fields.has("everyMs") ? distributionOf(fields.sub("everyMs")) : ONE,
    };
  return {
    type: "poisson",
    perSecond: fields.number("perSecond", undefined, { min: 1e-6, max: 1e7 }),
    swing: fields.number("swing", 0, { min: 0, max: 1 }),
    periodMs: fields.number("periodSeconds", 86_400, { min: 0.001, max: 1e9 }) * 1000,
  };
}

/** A policy by its words: an order, a placement, or both, as `fair,least-loaded`. Throws INVALID_OPTIONS. */
export function policyNamed(text: string): Policy {
  let [order, placement]: [Order | null, PlacementName | null] = [null, null];
  for (const word of text.split(",").map((part) => part.trim())) {
    const knownOrder = ORDERS.find((one) => one === word);
    const knownPlacement = PLACEMENTS.find((one) => one === word);
    if (order === null && knownOrder !== undefined) order = knownOrder;
    else if (placement === null && knownPlacement !== undefined) placement = knownPlacement;
    else
      throw new YardmasterError(
        "INVALID_OPTIONS",
        `--policy ${quoted(text)}: give an order (${ORDERS.join(", ")}), a placement (${PLACEMENTS.join(", ")}), or one of each with a comma.`,
        { details: { field: "policy" } },
      );
  }
  const name = [order, placement].filter((word) => word !== null).join(", ");
  return { name, order, placement, agingMs: DEFAULT_AGING_MS, concurrency: 0 };
}

function policyOf(fields: Fields): Policy {
  const order = fields.oneOf("order", ORDERS);
  const placement = fields.oneOf("placement", PLACEMENTS);
  const policy: Policy = {
    name: fields.text("name", `${order}, ${placement}`),
    order,
    placement,
    agingMs: fields.whole("agingMs", DEFAULT_AGING_MS, { min: 1, max: 1e12 }),
    concurrency: fields.whole("concurrency", 0, { min: 0, max: 1_000_000 }),
    speculative: fields.flag("speculative"),
  };
  fields.done();
  return policy;
}
