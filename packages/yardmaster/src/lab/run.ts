import { Kernel } from "../kernel/kernel.ts";
import type { Assign, Outcome } from "../protocol/envelope.ts";
import { InvariantError } from "../protocol/errors.ts";
import { DEFAULT_SETTINGS, type Submission, type TaskSpec, type TaskTerms } from "../protocol/task.ts";
import { Agenda } from "./agenda.ts";
import { type Arrival, Arrivals } from "./arrivals.ts";
import { Chance } from "./chance.ts";
import { draw } from "./distribution.ts";
import { Measure } from "./measure.ts";
import type { Policy, Scenario, TaskPlan, WorkerPlan } from "./scenario.ts";

/** What can happen in a laboratory. */
type Happening =
  | { readonly type: "arrives"; readonly arrival: Arrival }
  | { readonly type: "assigned"; readonly worker: LabWorker; readonly assign: Assign }
  | { readonly type: "ends"; readonly worker: LabWorker; readonly assign: Assign }
  | { readonly type: "reported"; readonly worker: LabWorker; readonly outcome: Outcome }
  | { readonly type: "boots"; readonly place: Place }
  | { readonly type: "dies"; readonly worker: LabWorker };

/** Where one worker follows another; how long each lives is a matter of the place alone, whatever the policy. */
interface Place {
  readonly plan: WorkerPlan;
  readonly lives: Chance;
}

interface LabWorker {
  readonly id: string;
  readonly plan: WorkerPlan;
  readonly place: Place;
  alive: boolean;
  /** When each attempt began that it runs. */
  readonly running: Map<string, number>;
  /** What it was given and has no thread for. */
  readonly waiting: Assign[];
  /** The affinity keys that it has served last, the latest at the end. */
  readonly warm: Set<number>;
}

const START = 1_790_000_000_000;
const QUEUE = "lab";
const EPOCH = 1;
const NEVER_MS = 1e13;

/**
 * Runs a scenario under one policy: the real kernel decides, under a virtual clock, for workers that are modelled.
 * Arrivals and service times are those of the scenario's seed, the same under every policy.
 */
export class LabRun {
  readonly #scenario: Scenario;
  readonly #kernel: Kernel;
  readonly #agenda = new Agenda<Happening>();
  readonly #arrivals: Arrivals;
  readonly #workers = new Map<string, LabWorker>();
  readonly #tasks = new Map<string, Arrival>();
  readonly #specs: readonly TaskSpec[];
  readonly #delays: Chance;
  readonly #measure: Measure;
  #now = 0;
  #boots = 0;
  /** An arrival is on the agenda. */
  #isExpecting = false;

  constructor(scenario: Scenario, policy: Policy, arrivals: Arrivals = new Arrivals(scenario)) {
    const { seed } = scenario;
    this.#scenario = scenario;
    this.#arrivals = arrivals;
    this.#delays = new Chance(seed, "delays");
    this.#specs = scenario.tasks.map(specOf);
    this.#measure = new Measure(scenario, policy);
    // Nobody falls silent here: who dies is seen to die, and no task is suspected of it.
    this.#kernel = new Kernel({
      shard: 0,
      epoch: EPOCH,
      seed,
      workerLossMs: NEVER_MS,
      quarantineDeaths: NEVER_MS,
      maxLive: 20_000_000,
    });
    this.#kernel.restored(START);
    this.#declare(policy);
  }

  /** Until all that arrives has ended. */
  run(): Measure {
    const { workers, seed } = this.#scenario;
    for (const [index, plan] of workers.entries())
      for (let count = 0; count < plan.count; count++)
        this.#boot({ plan, lives: new Chance(seed, `lives ${index} ${count}`) });
    this.#arriveNext();
    this.#decide();
    for (;;) {
      const wakeAt = this.#kernel.nextWakeAt() - START;
      const next = Math.min(this.#agenda.nextAt, this.#tasks.size > 0 ? wakeAt : Number.POSITIVE_INFINITY);
      if (next === Number.POSITIVE_INFINITY || this.#isOver) break;
      this.#now = Math.max(this.#now, next);
      for (let one = this.#agenda.take(next); one !== undefined; one = this.#agenda.take(next))
        this.#happen(one);
      this.#decide();
    }
    this.#measure.endedAt(this.#now);
    if (this.#tasks.size > 0)
      throw new InvariantError(`${this.#tasks.size} tasks of the laboratory never ended.`);
    return this.#measure;
  }

  get #isOver(): boolean {
    return this.#tasks.size === 0 && !this.#isExpecting;
  }

  get #clock(): number {
    return START + Math.floor(this.#now);
  }

  #happen(one: Happening): void {
    switch (one.type) {
      case "arrives":
        this.#arrive(one.arrival);
        this.#arriveNext();
        return;
      case "assigned":
        this.#begin(one.worker, one.assign);
        return;
      case "ends":
        this.#end(one.worker, one.assign);
        return;
      case "reported":
        if (one.worker.alive)
          this.#kernel.apply(
            { type: "outcomeReported", outcome: one.outcome, worker: one.worker.id },
            this.#clock,
          );
        return;
      case "boots":
        this.#boot(one.place);
        return;
      case "dies":
        this.#die(one.worker);
        return;
    }
  }

  #decide(): void {
    for (const { mailbox, envelopes } of this.#kernel.effects(this.#clock).outgoing) {
      const worker = this.#workers.get(mailbox);
      if (worker === undefined) continue;
      for (const envelope of envelopes)
        if (envelope.type === "assign") this.#later({ type: "assigned", worker, assign: envelope });
    }
  }

  /** As long as a message takes from now. */
  #later(one: Happening): void {
    const { delayMs } = this.#scenario;
    if (delayMs === null) this.#happen(one);
    else this.#agenda.add(this.#now + draw(delayMs, this.#delays), one);
  }

  #arriveNext(): void {
    const arrival = this.#arrivals.next();
    this.#isExpecting = arrival !== null;
    if (arrival !== null) this.#agenda.add(arrival.at, { type: "arrives", arrival });
  }

  #arrive(arrival: Arrival): void {
    const spec = this.#specs[arrival.plan];
    if (spec === undefined) return;
    const id = `t${arrival.number}`;
    this.#tasks.set(id, arrival);
    this.#measure.arrived(arrival, this.#now);
    const submission: Submission = {
      id,
      spec,
      priority: arrival.priority,
      runAt: 0,
      delayMs: 0,
      expiresInMs: 0,
      key: null,
      retryOf: "",
      replyTo: "",
      copy: false,
      terms: termsOf(arrival),
      payload: "",
    };
    this.#kernel.apply({ type: "submitted", submission, stored: null, keyed: null }, this.#clock);
  }

  #begin(worker: LabWorker, assign: Assign): void {
    const arrival = this.#tasks.get(assign.id);
    if (arrival === undefined || !worker.alive) return;
    const { running, waiting, plan } = worker;
    if (running.size + waiting.length >= plan.slots)
      throw new InvariantError(`${worker.id} was given more than its slots.`);
    if (running.size < plan.threads) this.#start(worker, assign, arrival);
    else waiting.push(assign);
  }

  #start(worker: LabWorker, assign: Assign, arrival: Arrival): void {
    worker.running.set(assign.id, this.#now);
    this.#measure.started(arrival, this.#now);
    const takesMs = (arrival.serviceMs + this.#coldMs(worker, arrival)) / worker.plan.speed;
    this.#agenda.add(this.#now + takesMs, { type: "ends", worker, assign });
  }

  /** What it takes to get what a key needs, where the worker has not kept it. */
  #coldMs({ warm, plan }: LabWorker, { plan: kind, affinity }: Arrival): number {
    const { coldMs = 0 } = this.#scenario.tasks[kind] ?? {};
    if (coldMs === 0 || affinity === -1) return 0;
    const isWarm = warm.delete(affinity);
    warm.add(affinity);
    const [oldest] = warm;
    if (warm.size > plan.warmKeys && oldest !== undefined) warm.delete(oldest);
    return isWarm ? 0 : coldMs;
  }

  #end(worker: LabWorker, assign: Assign): void {
    const arrival = this.#tasks.get(assign.id);
    const startedAt = worker.running.get(assign.id);
    if (!worker.alive || arrival === undefined || startedAt === undefined) return;
    worker.running.delete(assign.id);
    this.#tasks.delete(assign.id);
    this.#measure.ended(arrival, startedAt, this.#now);
    const outcome: Outcome = {
      type: "outcome",
      id: assign.id,
      epoch: EPOCH,
      attempt: assign.attempt,
      kind: "succeeded",
      delayMs: 0,
      result: "",
      error: null,
      startedAt: START + Math.floor(startedAt),
    };
    this.#later({ type: "reported", worker, outcome });
    const next = worker.waiting.shift();
    const following = next === undefined ? undefined : this.#tasks.get(next.id);
    if (next !== undefined && following !== undefined) this.#start(worker, next, following);
  }

  #boot(place: Place): void {
    const { plan, lives } = place;
    const id = `w${++this.#boots}`;
    const nothing = { running: new Map(), waiting: [], warm: new Set<number>() };
    const worker: LabWorker = { id, plan, place, alive: true, ...nothing };
    const mailbox = `worker:${id}`;
    this.#workers.set(mailbox, worker);
    const tasks = this.#specs.map(({ name, version }) => ({ name, version }));
    const { slots: credit, labels, resources } = plan;
    const register = {
      type: "register",
      worker: id,
      mailbox,
      credit,
      tasks,
      queues: [],
      labels,
      resources,
    } as const;
    this.#kernel.apply({ type: "workerRegistered", register }, this.#clock);
    this.#measure.slotsChanged(this.#now, plan.slots);
    if (plan.livesMs !== null)
      this.#agenda.add(this.#now + draw(plan.livesMs, lives), { type: "dies", worker });
  }

  /** What it ran runs again elsewhere; another takes its place. */
  #die(worker: LabWorker): void {
    const { plan, place, running, id } = worker;
    if (this.#isOver) return;
    worker.alive = false;
    this.#workers.delete(`worker:${id}`);
    for (const startedAt of running.values()) this.#measure.lost(startedAt, this.#now);
    this.#measure.slotsChanged(this.#now, -plan.slots);
    this.#kernel.apply({ type: "workerLost", worker: id, cause: "died" }, this.#clock);
    this.#agenda.add(this.#now + draw(plan.downMs, place.lives), { type: "boots", place });
  }

  #declare({ order, placement, agingMs, concurrency }: Policy): void {
    const settings = { ...DEFAULT_SETTINGS, agingMs, concurrency };
    const queue = { name: QUEUE, order, placement, paused: false, revision: 1, settings };
    this.#kernel.apply(
      { type: "commanded", command: { type: "apply", queues: [queue] }, request: 1, replyTo: "" },
      START,
    );
  }
}

/** A lost attempt costs the scenario time, and never the task its life. */
function specOf({ name, needs, labels, concurrency }: TaskPlan, index: number): TaskSpec {
  const asks = Object.keys(needs).length + Object.keys(labels).length > 0;
  return {
    name: `${index}.${name}`,
    queue: QUEUE,
    version: 1,
    attempts: 1_000,
    backoff: { type: "fixed", baseMs: 0, jitter: "none" },
    timeoutMs: 0,
    graceMs: 0,
    delivery: "at-least-once",
    keepResultMs: 0,
    keepFailureMs: 0,
    ...(concurrency === 0 ? {} : { limits: { concurrency, rate: null } }),
    ...(asks ? { requirements: { needs, labels, preferred: {} } } : {}),
  };
}

function termsOf({ deadlineAt, tenant, affinity }: Arrival): TaskTerms | null {
  if (deadlineAt === 0 && tenant === -1 && affinity === -1) return null;
  return {
    deadline: deadlineAt === 0 ? 0 : START + Math.ceil(deadlineAt),
    deadlineInMs: 0,
    fairnessKey: tenant === -1 ? "" : `tenant-${tenant}`,
    weight: 1,
    concurrencyKey: "",
    rateKey: "",
    affinityKey: affinity === -1 ? "" : `key-${affinity}`,
  };
}
