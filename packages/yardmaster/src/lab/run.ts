import { Kernel } from "../kernel/kernel.ts";
import type { Assign, Note, Outcome } from "../protocol/envelope.ts";
import { InvariantError } from "../protocol/errors.ts";
import {
  DEFAULT_SETTINGS,
  isTerminal,
  type QueueRecord,
  type Submission,
  type TaskId,
  type TaskLinks,
  type TaskSpec,
  type TaskTerms,
} from "../protocol/task.ts";
import { Agenda } from "./agenda.ts";
import { type Arrival, Arrivals, type PastFailure, QUEUE, type Source, START } from "./arrivals.ts";
import { Chance } from "./chance.ts";
import { Dependents } from "./dependents.ts";
import { draw } from "./distribution.ts";
import {
  type Abort,
  type Happening,
  heldBy,
  LabWorker,
  type Message,
  type Place,
  registerOf,
  type ToLabWorker,
  type Untold,
} from "./lab-worker.ts";
import { Measure } from "./measure.ts";
import type { Policy, Scenario } from "./scenario.ts";

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
  readonly #arrivals: Source;
  readonly #specs: readonly TaskSpec[];
  readonly #workers = new Map<string, LabWorker>();
  readonly #tasks = new Map<string, Arrival>();
  readonly #dependents = new Dependents();
  readonly #delays: Chance;
  readonly #measure: Measure;
  #now = 0;
  #boots = 0;
  /** An arrival is on the agenda. */
  #isExpecting = false;

  constructor(
    scenario: Scenario,
    policy: Policy,
    arrivals: Source = new Arrivals(scenario),
    measure: Measure = new Measure(scenario, policy),
  ) {
    const { seed } = scenario;
    this.#scenario = scenario;
    this.#arrivals = arrivals;
    this.#specs = policy.speculative === true ? arrivals.specs : arrivals.specs.map(withoutSeconds);
    this.#delays = new Chance(seed, "delays");
    this.#measure = measure;
    // Who dies is seen to die, and no task is suspected of it; without heartbeats, nobody falls silent.
    this.#kernel = new Kernel({
      shard: 0,
      epoch: EPOCH,
      seed,
      workerLossMs: scenario.heartbeats?.lossMs ?? NEVER_MS,
      quarantineDeaths: NEVER_MS,
      maxLive: 20_000_000,
    });
    this.#kernel.restored(START);
    this.#declare(queuesUnder(policy, scenario));
  }

  /** Until all that arrives has ended. */
  run(): Measure {
    const { workers, seed } = this.#scenario;
    for (const [index, plan] of workers.entries())
      for (let count = 0; count < plan.count; count++)
        this.#boot({
          plan,
          lives: new Chance(seed, `lives ${index} ${count}`),
          silences: new Chance(seed, `silences ${index} ${count}`),
        });
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
      case "ends":
        this.#end(one.worker, one.assign);
        return;
      case "boots":
        this.#boot(one.place);
        return;
      case "dies":
        this.#die(one.worker);
        return;
      case "beats":
        this.#beat(one.worker, one.everyMs);
        return;
      case "hushes":
        this.#hush(one.worker);
        return;
      case "speaks":
        this.#speak(one.worker);
        return;
      default:
        this.#receive(one);
    }
  }

  #receive(message: Message): void {
    const { worker } = message;
    switch (message.type) {
      case "assigned":
      case "aborted":
      case "forgotten":
        if (worker.isSilent) worker.unheard.push(message);
        else this.#listen(message);
        return;
      case "reported":
        // What was sent arrives, whatever has become of the sender.
        this.#kernel.apply(
          { type: "outcomeReported", outcome: message.outcome, worker: worker.id },
          this.#clock,
        );
        return;
      case "noted":
        if (worker.alive)
          this.#kernel.apply({ type: "noted", note: message.note, worker: worker.id }, this.#clock);
        return;
      case "heartbeat": {
        const { heartbeat } = message;
        if (worker.alive)
          this.#kernel.apply({ type: "heartbeatReceived", heartbeat, from: worker.mailbox }, this.#clock);
        return;
      }
      case "returns":
        if (!worker.alive) return;
        this.#kernel.apply(
          { type: "workerRegistered", register: registerOf(worker, this.#specs) },
          this.#clock,
        );
        this.#kernel.apply({ type: "attemptsHeld", held: message.held }, this.#clock);
    }
  }

  #listen(message: ToLabWorker): void {
    const { worker } = message;
    if (message.type === "assigned") this.#begin(worker, message.assign);
    else if (message.type === "aborted") this.#abort(worker, message.abort);
    else this.#later({ type: "returns", worker, held: heldBy(worker, EPOCH) });
  }

  #decide(): void {
    const { outgoing, changes } = this.#kernel.effects(this.#clock);
    for (const change of changes)
      if (change.type === "finish" || (change.type === "insert" && isTerminal(change.task.state)))
        this.#drop(change.task.id);
    for (const { mailbox, envelopes } of outgoing) {
      const worker = this.#workers.get(mailbox);
      if (worker === undefined) continue;
      for (const envelope of envelopes)
        if (envelope.type === "assign") this.#later({ type: "assigned", worker, assign: envelope });
        else if (envelope.type === "abort") this.#later({ type: "aborted", worker, abort: envelope });
        else if (envelope.type === "heartbeatAnswer" && !envelope.known)
          this.#later({ type: "forgotten", worker });
    }
  }

  /** What ends by the kernel's own decision has expired or been refused. */
  #drop(id: TaskId): void {
    const arrival = this.#tasks.get(id);
    if (arrival === undefined) return;
    this.#measure.dropped(arrival, !this.#dependents.waits(id));
    this.#settled(id);
  }

  #settled(id: TaskId): void {
    this.#tasks.delete(id);
    for (const freed of this.#dependents.ended(id)) {
      const arrival = this.#tasks.get(freed);
      if (arrival === undefined) continue;
      const due = { ...arrival, at: this.#now };
      this.#tasks.set(freed, due);
      this.#measure.arrived(due, this.#now);
    }
  }

  /** As long as a message takes from now. */
  #later(one: Message): void {
    const { delayMs, heartbeats } = this.#scenario;
    if (delayMs !== null) {
      const at = this.#now + draw(delayMs, this.#delays);
      this.#agenda.add(heartbeats === undefined ? at : one.worker.inOrder(one, at), one);
    }
    // What is freed by it, or who comes back by it, is a matter of the next decision.
    else if (one.type === "aborted" || one.type === "forgotten") this.#agenda.add(this.#now, one);
    else this.#happen(one);
  }

  #arriveNext(): void {
    const arrival = this.#arrivals.next();
    this.#isExpecting = arrival !== null;
    if (arrival !== null) this.#agenda.add(arrival.at, { type: "arrives", arrival });
  }

  #arrive(arrival: Arrival): void {
    const { number, plan, priority, recorded } = arrival;
    const spec = this.#specs[plan];
    if (spec === undefined) return;
    const id = idOf(number);
    const after = (recorded?.after ?? []).map(idOf).filter((one) => this.#tasks.has(one));
    this.#tasks.set(id, arrival);
    if (after.length === 0) this.#measure.arrived(arrival, this.#now);
    else this.#dependents.add(id, after);
    const submission: Submission = {
      id,
      spec,
      priority,
      runAt: 0,
      delayMs: 0,
      expiresInMs: recorded?.expiresInMs ?? 0,
      key: null,
      retryOf: "",
      replyTo: "",
      copy: false,
      terms: recorded === undefined ? termsOf(arrival) : recorded.terms,
      ...(after.length === 0 ? {} : { links: linksTo(after) }),
      payload: "",
    };
    this.#kernel.apply({ type: "submitted", submission, stored: null, keyed: null }, this.#clock);
  }

  #begin(worker: LabWorker, assign: Assign): void {
    const arrival = this.#tasks.get(assign.id);
    if (arrival === undefined || !worker.alive) return;
    const { running, waiting, place } = worker;
    const { plan } = place;
    if (running.size + waiting.length >= plan.slots)
      throw new InvariantError(`${worker.id} was given more than its slots.`);
    if (running.size < plan.threads) this.#start(worker, assign, arrival);
    else waiting.push(assign);
  }

  #start(worker: LabWorker, assign: Assign, arrival: Arrival): void {
    worker.running.set(assign.id, { assign, startedAt: this.#now });
    this.#measure.started(arrival, this.#now);
    // Nothing else depends on whether a task is known to run.
    if (this.#specs[arrival.plan]?.speculation !== undefined)
      this.#tell({ type: "noted", worker, note: startOf(assign, this.#clock) });
    const serviceMs = failureOf(arrival, assign)?.tookMs ?? arrival.serviceMs;
    const takesMs = (serviceMs + this.#coldMs(worker, arrival)) / worker.place.plan.speed;
    this.#agenda.add(this.#now + takesMs, { type: "ends", worker, assign });
  }

  /** What it takes to get what a key needs, where the worker has not kept it. */
  #coldMs({ warm, place }: LabWorker, { plan: kind, affinity }: Arrival): number {
    const { coldMs = 0 } = this.#scenario.tasks[kind] ?? {};
    if (coldMs === 0 || affinity === -1) return 0;
    const isWarm = warm.delete(affinity);
    warm.add(affinity);
    const [oldest] = warm;
    if (warm.size > place.plan.warmKeys && oldest !== undefined) warm.delete(oldest);
    return isWarm ? 0 : coldMs;
  }

  /** It counts no more: its slot is free as soon as the kernel has heard that it is gone. */
  #abort(worker: LabWorker, { id, attempt }: Abort): void {
    if (!worker.alive) return;
    const { running, waiting } = worker;
    const run = running.get(id);
    const isRunning = run?.assign.attempt === attempt;
    const place = waiting.findIndex((one) => one.id === id && one.attempt === attempt);
    if (place !== -1) waiting.splice(place, 1);
    const startedAt = isRunning ? run.startedAt : this.#now;
    this.#report(worker, { id, attempt, kind: "cancelled", delayMs: 0, startedAt });
    if (!isRunning) return;
    running.delete(id);
    this.#measure.lost(run.startedAt, this.#now);
    this.#startNext(worker);
  }

  #end(worker: LabWorker, assign: Assign): void {
    const run = worker.running.get(assign.id);
    if (!worker.alive || run?.assign !== assign) return;
    worker.running.delete(assign.id);
    this.#tell({ type: "ended", worker, assign, startedAt: run.startedAt, endedAt: this.#now });
    this.#startNext(worker);
  }

  /** Now, or as soon as the worker can be heard. */
  #tell(news: Untold): void {
    if (news.worker.isSilent) news.worker.untold.push(news);
    else if (news.type === "noted") this.#later(news);
    else this.#tellEnd(news);
  }

  #tellEnd({ worker, assign, startedAt, endedAt }: Extract<Untold, { type: "ended" }>): void {
    const { id, attempt } = assign;
    const arrival = this.#tasks.get(id);
    const failure = arrival === undefined ? undefined : failureOf(arrival, assign);
    if (arrival !== undefined && failure === undefined) {
      this.#measure.ended(arrival, startedAt, endedAt, this.#now);
      this.#settled(id);
    } else this.#measure.lost(startedAt, endedAt);
    const kind = failure === undefined ? "succeeded" : "retryIn";
    this.#report(worker, { id, attempt, kind, delayMs: Math.ceil(failure?.waitsMs ?? 0), startedAt });
  }

  #report(
    worker: LabWorker,
    { startedAt, ...end }: Pick<Outcome, "id" | "attempt" | "kind" | "delayMs" | "startedAt">,
  ): void {
    const outcome: Outcome = {
      ...end,
      type: "outcome",
      epoch: EPOCH,
      result: "",
      error: null,
      startedAt: START + Math.floor(startedAt),
    };
    this.#later({ type: "reported", worker, outcome });
  }

  #startNext(worker: LabWorker): void {
    for (let next = worker.waiting.shift(); next !== undefined; next = worker.waiting.shift()) {
      const arrival = this.#tasks.get(next.id);
      if (arrival !== undefined) return this.#start(worker, next, arrival);
    }
  }

  #boot(place: Place): void {
    const { plan, lives } = place;
    const worker = new LabWorker(`w${++this.#boots}`, place);
    this.#workers.set(worker.mailbox, worker);
    this.#kernel.apply({ type: "workerRegistered", register: registerOf(worker, this.#specs) }, this.#clock);
    this.#measure.slotsChanged(this.#now, plan.slots);
    if (plan.livesMs !== null)
      this.#agenda.add(this.#now + draw(plan.livesMs, lives), { type: "dies", worker });
    const { heartbeats } = this.#scenario;
    if (heartbeats === undefined) return;
    const { everyMs } = heartbeats;
    // Not all at the same time.
    this.#agenda.add(this.#now + everyMs * place.silences.fraction(), { type: "beats", worker, everyMs });
    this.#hushLater(worker);
  }

  #beat(worker: LabWorker, everyMs: number): void {
    if (!worker.alive) return;
    this.#agenda.add(this.#now + everyMs, { type: "beats", worker, everyMs });
    if (!worker.isSilent) this.#later({ type: "heartbeat", worker, heartbeat: worker.nextHeartbeat() });
  }

  #hushLater(worker: LabWorker): void {
    const { plan, silences } = worker.place;
    if (plan.silences !== undefined)
      this.#agenda.add(this.#now + draw(plan.silences.heardMs, silences), { type: "hushes", worker });
  }

  /** It goes on working; nothing that it says is heard, and nothing reaches it. */
  #hush(worker: LabWorker): void {
    const { plan, silences } = worker.place;
    if (!worker.alive || plan.silences === undefined) return;
    worker.isSilent = true;
    this.#agenda.add(this.#now + draw(plan.silences.silentMs, silences), { type: "speaks", worker });
  }

  /** All that was kept from either side comes through, and whoever was taken for lost hears that it was. */
  #speak(worker: LabWorker): void {
    if (!worker.alive) return;
    worker.isSilent = false;
    this.#later({ type: "heartbeat", worker, heartbeat: worker.nextHeartbeat() });
    for (const news of worker.untold.splice(0)) this.#tell(news);
    for (const message of worker.unheard.splice(0)) this.#listen(message);
    this.#hushLater(worker);
  }

  /** What it ran runs again elsewhere; another takes its place. */
  #die(worker: LabWorker): void {
    const { place, running, untold, id, mailbox } = worker;
    const { plan } = place;
    if (this.#isOver) return;
    worker.alive = false;
    this.#workers.delete(mailbox);
    for (const { startedAt } of running.values()) this.#measure.lost(startedAt, this.#now);
    for (const news of untold) if (news.type === "ended") this.#measure.lost(news.startedAt, news.endedAt);
    this.#measure.slotsChanged(this.#now, -plan.slots);
    this.#kernel.apply({ type: "workerLost", worker: id, cause: "died" }, this.#clock);
    this.#agenda.add(this.#now + draw(plan.downMs, place.lives), { type: "boots", place });
  }

  #declare(queues: readonly QueueRecord[]): void {
    this.#kernel.apply(
      { type: "commanded", command: { type: "apply", queues }, request: 1, replyTo: "" },
      START,
    );
  }
}

function queuesUnder(policy: Policy, { queues }: Scenario): QueueRecord[] {
  const { order, placement, agingMs, concurrency } = policy;
  if (queues !== undefined)
    return queues.map((queue) => ({
      ...queue,
      order: order ?? queue.order,
      placement: placement ?? queue.placement,
    }));
  const settings = { ...DEFAULT_SETTINGS, agingMs, concurrency };
  const one = { name: QUEUE, paused: false, revision: 1, settings };
  return [{ ...one, order: order ?? "fifo", placement: placement ?? "two-choices" }];
}

function withoutSeconds({ speculation: _, ...spec }: TaskSpec): TaskSpec {
  return spec;
}

function startOf({ id, attempt }: Assign, startedAt: number): Note {
  return { id, attempt, startedAt, progress: null, logs: [] };
}

function idOf(number: number): TaskId {
  return `t${number}`;
}

/** Whether what it waited for succeeded in the replay as well, nobody knows: it runs as it did. */
function linksTo(after: readonly TaskId[]): TaskLinks {
  return { graph: "", members: 0, after, onFailure: "run-anyway", fed: false };
}

/** What becomes of an attempt that is not the last. */
function failureOf({ recorded }: Arrival, { attempt }: Assign): PastFailure | undefined {
  return recorded?.failures[attempt - 1];
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
