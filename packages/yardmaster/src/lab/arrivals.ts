import type { TaskSpec, TaskTerms } from "../protocol/task.ts";
import { Agenda } from "./agenda.ts";
import { Chance } from "./chance.ts";
import { draw } from "./distribution.ts";
import type { Scenario, TaskPlan } from "./scenario.ts";

/** Where the virtual time of every run begins, in milliseconds since the Unix epoch. */
export const START = 1_790_000_000_000;
/** The one queue of what is drawn. */
export const QUEUE = "lab";

/** What arrives, in the order of time. */
export interface Source {
  /** By the number of a kind of tasks. */
  readonly specs: readonly TaskSpec[];
  next(): Arrival | null;
}

/** A task as it arrives; times are milliseconds since the start. */
export interface Arrival {
  readonly number: number;
  readonly at: number;
  /** Which of the scenario's kinds of tasks. */
  readonly plan: number;
  readonly serviceMs: number;
  readonly priority: number;
  /** 0 for none. */
  readonly deadlineAt: number;
  /** -1 for none. */
  readonly tenant: number;
  readonly affinity: number;
  /** Absent for what is drawn. */
  readonly recorded?: Recorded;
}

/** What a recorded task brings beyond that. */
interface Recorded {
  readonly terms: TaskTerms | null;
  /** Must start within so long; 0 for ever. */
  readonly expiresInMs: number;
  /** Its attempts before the last one, which takes the service time. */
  readonly failures: readonly PastFailure[];
  /** The numbers of those that it waits for. */
  readonly after: readonly number[];
}

/** What an attempt took, and how long after it the next one might start. */
export interface PastFailure {
  readonly tookMs: number;
  readonly waitsMs: number;
}

/** One kind of tasks and how it goes on arriving. */
interface Stream {
  readonly plan: TaskPlan;
  readonly index: number;
  readonly chance: Chance;
  at: number;
  /** How many of a burst are still to come; of what comes at once, how many have. */
  left: number;
}

/** All arrivals of a scenario in the order of their times: drawn from its seed alone, whoever serves them. */
export class Arrivals implements Source {
  readonly specs: readonly TaskSpec[];
  readonly #scenario: Scenario;
  readonly #agenda = new Agenda<Stream>();
  #numbers = 0;

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    this.specs = scenario.tasks.map(specOf);
    for (const [index, plan] of scenario.tasks.entries()) {
      const stream = { plan, index, chance: new Chance(scenario.seed, `arrivals ${index}`), at: 0, left: 0 };
      this.#schedule(stream);
    }
  }

  next(): Arrival | null {
    const stream = this.#agenda.take(Number.POSITIVE_INFINITY);
    if (stream === undefined) return null;
    const { plan, index, chance, at } = stream;
    const { serviceMs, deadlineMs, priority, affinities } = plan;
    const arrival: Arrival = {
      number: ++this.#numbers,
      at,
      plan: index,
      serviceMs: draw(serviceMs, chance),
      priority: Math.max(0, Math.min(255, Math.round(draw(priority, chance)))),
      deadlineAt: deadlineMs === null ? 0 : at + draw(deadlineMs, chance),
      tenant: tenantOf(plan, chance),
      affinity: affinities === 0 ? -1 : chance.below(affinities),
    };
    this.#schedule(stream);
    return arrival;
  }

  #schedule(stream: Stream): void {
    const at = nextAt(stream);
    if (at > this.#scenario.forMs) return;
    stream.at = at;
    this.#agenda.add(at, stream);
  }
}

function nextAt(stream: Stream): number {
  const { arrivals } = stream.plan;
  switch (arrivals.type) {
    case "atOnce":
      return stream.left++ < arrivals.count ? 0 : Number.POSITIVE_INFINITY;
    case "bursts":
      if (stream.left > 0) {
        stream.left--;
        return stream.at;
      }
      stream.left = Math.max(0, Math.round(draw(arrivals.size, stream.chance)) - 1);
      return stream.at + draw(arrivals.everyMs, stream.chance);
    case "poisson":
      return nextPoisson(stream, arrivals);
  }
}

/** By thinning where the rate swings: P. Lewis, G. Shedler, 1979. */
function nextPoisson(
  { chance, at }: Stream,
  { perSecond, swing, periodMs }: { perSecond: number; swing: number; periodMs: number },
): number {
  const peakPerMs = (perSecond * (1 + swing)) / 1000;
  for (let next = at; ; ) {
    next += chance.exponential(1 / peakPerMs);
    const share = (1 + swing * Math.sin((2 * Math.PI * next) / periodMs)) / (1 + swing);
    if (swing === 0 || chance.fraction() < share) return next;
  }
}

function tenantOf({ tenants, heaviest }: TaskPlan, chance: Chance): number {
  if (tenants === 0) return -1;
  if (tenants === 1 || chance.fraction() < heaviest) return 0;
  return heaviest === 0 ? chance.below(tenants) : 1 + chance.below(tenants - 1);
}

/** What a modelled task does not depend on: it is tried until it ends, without a limit of time, and nothing is kept of it. */
export const MODELLED: Omit<TaskSpec, "name" | "queue" | "version"> = {
  attempts: 1_000,
  backoff: { type: "fixed", baseMs: 0, jitter: "none" },
  timeoutMs: 0,
  graceMs: 0,
  delivery: "at-least-once",
  keepResultMs: 0,
  keepFailureMs: 0,
};

/** A lost attempt costs the scenario time, and never the task its life. */
function specOf({ name, needs, labels, concurrency, speculation }: TaskPlan, index: number): TaskSpec {
  const asks = Object.keys(needs).length + Object.keys(labels).length > 0;
  return {
    name: `${index}.${name}`,
    queue: QUEUE,
    version: 1,
    ...MODELLED,
    ...(concurrency === 0 ? {} : { limits: { concurrency, rate: null } }),
    ...(speculation === undefined ? {} : { speculation }),
    ...(asks ? { requirements: { needs, labels, preferred: {} } } : {}),
  };
}
