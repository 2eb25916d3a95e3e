import { expect } from "vitest";
import { NO_TERMS } from "../src/definition/terms.ts";
import { toBuffer } from "../src/protocol/bytes.ts";
import { encodeSchedule } from "../src/protocol/schedule.ts";
import {
  DEFAULT_SETTINGS,
  isTerminal,
  type TaskId,
  type TaskLinks,
  type TaskSpec,
} from "../src/protocol/task.ts";
import { KernelYard, type TestWorker } from "./kernel-yard.ts";
import type { Chance, Draft, Factor, Mix } from "./mix-case.ts";
import { Observer, PLACES, RATE, TICK } from "./mix-observer.ts";

const DELAY_MS = 3_000;
const EXPIRES_MS = 600;
const EVERY_MS = 1_000;
const GRAPH = "g";
const EARLY = "early";
/** When what comes later comes, and when things happen to what is there. */
const ROUND = { rest: 2, cancel: 1, failover: 2, second: 4 } as const;
/** The first tasks are of one definition and key, so that limits are felt, and of these some wait for others. */
const ALIKE = 6;
const AWAITED = 2;
const LINKED = 4;
/** This one is timed in any case. */
const TIMED = 4;
const PATIENCE = 300;

/** Plays one case to its end. */
export class MixPlay {
  readonly yard: KernelYard;
  readonly #mix: Mix;
  readonly #chance: Chance;
  readonly #observer: Observer;
  readonly #ids: TaskId[] = [];
  /** Fails for good, so that what becomes of those that wait for it shows. */
  #doomed: TaskId = "";
  readonly #retried = new Set<TaskId>();
  #cancelled: TaskId = "";
  #takeovers = 0;

  constructor(mix: Mix, chance: Chance) {
    this.#mix = mix;
    this.#chance = chance;
    // Nobody falls silent here, so that nobody needs to say that he lives.
    this.yard = new KernelYard({ seed: chance.seed, workerLossMs: 1e9 });
    this.#observer = new Observer(this.yard, mix);
  }

  /** How often the order that was promised said who goes first. */
  get decided(): number {
    return this.#observer.decided;
  }

  /** Answers which factors took effect. */
  run(): ReadonlySet<Factor> {
    const { tasks, rounds, workers } = this.#chance;
    const { failover } = this.#mix;
    this.#declare();
    const half = Math.ceil(tasks.length / 2);
    this.#submitAll(0, half);
    this.#tick(1);
    if (failover === "before-workers") this.#takeover();
    for (const [index, { credit, cpu }] of workers.entries())
      this.yard.worker(`w${index}`, { credit, tasks: ["work", "play", TICK], resources: { cpu } });
    this.#tick(0);
    for (const [index, { ms, ends }] of rounds.entries()) {
      if (index >= ROUND.cancel && this.#cancelled === "") this.#cancel();
      if (index === ROUND.rest) this.#submitAll(half, tasks.length);
      for (const [number, worker] of [...this.yard.workers.values()].entries())
        if ((ends >> number) % 2 === 1 && worker.held.length > 0) this.#finish(worker);
      this.#tick(ms);
      if (index === ROUND.failover && (failover === "at-work" || failover === "twice")) this.#takeover();
      if (index === ROUND.second && failover === "twice") this.#takeover();
    }
    this.#end();
    return this.#effective();
  }

  #declare(): void {
    const { order, placement, limit, time } = this.#mix;
    const settings = {
      ...DEFAULT_SETTINGS,
      ...(limit === "queue" ? { concurrency: PLACES } : {}),
      ...(limit === "queue-rate" ? { rate: RATE } : {}),
    };
    const queue = { name: "default", order, placement, paused: false, revision: 1, settings };
    this.yard.order({ type: "apply", queues: [queue] });
    if (time === "schedule") this.yard.order({ type: "schedule", schedule: beat() });
  }

  #submitAll(from: number, to: number): void {
    const { tasks } = this.#chance;
    const { dependency, cancel } = this.#mix;
    const isGraph = dependency === "graph" || dependency === "graph-in-parts";
    // A graph arrives at once, or in two parts.
    const last = dependency === "graph" && from === 0 ? tasks.length : to;
    const first = dependency === "graph" && from > 0 ? to : from;
    if (isGraph) this.#observer.members = tasks.length;
    for (const [index, draft] of tasks.slice(first, last).entries())
      this.#submit(first + index, draft, isGraph);
    if (from > 0 && cancel === "early") this.#submitEarly();
  }

  #submit(index: number, draft: Draft, isGraph: boolean): void {
    const { yard } = this;
    const { priority, cpu } = draft;
    const { name, key } = index < ALIKE ? { name: "work", key: "a" } : draft;
    const id = `m${index}`;
    const after = this.#dependenciesOf(index, draft);
    const { wish, from, until, deadlineInMs } = this.#timeOf(index, draft);
    const links = linksOf(this.#mix, after, isGraph ? this.#chance.tasks.length : 0);
    const runsAnyway = links?.onFailure === "run-anyway";
    this.#observer.known.set(id, {
      ...{ id, name, key, cpu, priority, submittedAt: yard.now },
      ...{ from, until, after, runsAnyway, graph: isGraph },
    });
    if (isGraph) this.#observer.arrived++;
    this.#ids.push(id);
    if (index === 0 && ["fail", "skip", "run-anyway"].includes(this.#mix.dependency)) this.#doomed = id;
    const terms = { ...NO_TERMS, deadlineInMs, fairnessKey: key, concurrencyKey: "", rateKey: "" };
    const isKeyed = this.#mix.limit === "key" || this.#mix.limit === "key-rate";
    const keys = isKeyed ? { concurrencyKey: key, rateKey: key } : {};
    const affinityKey = this.#mix.placement === "sticky" ? key : "";
    yard.submit({
      id,
      priority,
      spec: { name, timeoutMs: 0, ...this.#limitsOf(), ...needing(cpu) },
      terms: { ...terms, ...keys, affinityKey },
      ...wish,
      ...(links === null ? {} : { links }),
    });
  }

  #dependenciesOf(index: number, { isLinked }: Draft): TaskId[] {
    if (this.#mix.dependency === "none" || index < AWAITED) return [];
    if (index < LINKED) return ["m0", ...(index === AWAITED ? [] : ["m1"])];
    return isLinked && index >= 2 * LINKED ? [`m${index % 3}`] : [];
  }

  #timeOf(index: number, { isTimed }: Draft) {
    const { now } = this.yard;
    const free = { wish: {}, from: 0, until: Number.POSITIVE_INFINITY, deadlineInMs: 0 };
    const expiring = (expiresInMs: number) => ({ ...free, wish: { expiresInMs }, until: now + expiresInMs });
    if (index < AWAITED || (index !== TIMED && !isTimed)) return free;
    switch (this.#mix.time) {
      case "delay":
        return { ...free, wish: { delayMs: DELAY_MS }, from: now + DELAY_MS };
      case "run-at":
        return { ...free, wish: { runAt: now + DELAY_MS }, from: now + DELAY_MS };
      case "expiry":
        // Before there are workers, or perhaps never.
        return expiring(index === TIMED ? 1 : EXPIRES_MS);
      case "deadline":
        return { ...free, deadlineInMs: 1_000 * (1 + (index % 5)) };
      case "retry":
        this.#retried.add(`m${index}`);
        return free;
      default:
        return free;
    }
  }

  #limitsOf(): Pick<TaskSpec, "limits"> {
    const { limit } = this.#mix;
    if (limit === "definition" || limit === "key") return { limits: { concurrency: PLACES, rate: null } };
    const isPaced = limit === "definition-rate" || limit === "key-rate";
    return isPaced ? { limits: { concurrency: 0, rate: RATE } } : {};
  }

  #submitEarly(): void {
    this.#ids.push(EARLY);
    this.yard.submit({ id: EARLY });
  }

  #cancel(): void {
    const held = [...this.yard.workers.values()].flatMap((worker) =>
      worker.held.map(({ assign }) => assign.id),
    );
    const isUnbegun = (id: TaskId): boolean => this.yard.kernel.has(id) && !held.includes(id);
    const targets: Record<Mix["cancel"], TaskId | undefined> = {
      none: undefined,
      waiting: this.#ids.findLast(isUnbegun),
      running: held.find((id) => this.#ids.includes(id)),
      awaited: this.#ids.find((id) => this.yard.kernel.has(id)),
      early: EARLY,
      ended: this.#ids.find((id) => isTerminal(this.yard.record(id).state)),
    };
    const target = targets[this.#mix.cancel];
    if (target === undefined) return;
    this.yard.cancel(target);
    this.#cancelled = target;
    if (isUnbegun(target)) this.#observer.ended.add(target);
  }

  #finish(worker: TestWorker): void {
    const [held] = worker.held;
    const { id = "", attempt = 1 } = held?.assign ?? {};
    if (id === this.#doomed) worker.finish("final");
    else if (this.#retried.has(id) && attempt === 1) worker.finish("failed");
    else worker.finish();
  }

  #tick(ms: number): void {
    this.yard.tick(ms);
    // What workers answered to that, such as that they gave something up, has its effect.
    this.yard.tick(0);
    this.#observer.look();
  }

  /** The workers answer the new owner's first words, or to their heartbeats; from then on everything holds again. */
  #takeover(): void {
    if (this.yard.kernel.live > 0) this.#takeovers++;
    this.yard.takeover();
    this.#observer.takenOver();
    for (const worker of this.yard.workers.values()) worker.beat();
    this.#tick(0);
  }

  #end(): void {
    const { yard } = this;
    if (this.#mix.time === "schedule") yard.order({ type: "unschedule", schedule: "beat" });
    for (let round = 0; yard.kernel.live > 0 && round < PATIENCE; round++) {
      for (const worker of yard.workers.values()) while (worker.held.length > 0) this.#finish(worker);
      this.#tick(500);
    }
    expect(yard.kernel.live).toBe(0);
    expect(yard.kernel.oddities.impossible).toBe(0);
    for (const id of this.#ids) expect([id, isTerminal(yard.record(id).state)]).toEqual([id, true]);
    if (this.#mix.cancel === "ended" && this.#cancelled === "") this.#cancel();
    this.#tick(0);
  }

  #effective(): ReadonlySet<Factor> {
    const { order, placement, limit, time, dependency, cancel, failover } = this.#mix;
    const { sawLimit, sawBlocked, sawScheduled, sawTwoReady } = this.#observer;
    const rows = [...this.yard.rows.values()].map(({ task }) => task);
    const code = { fail: "DEPENDENCY_FAILED", skip: "SKIPPED" } as const;
    const ended = {
      fail: rows.some((task) => task.code === code.fail),
      skip: rows.some((task) => task.code === code.skip),
    };
    const times: Record<Mix["time"], boolean> = {
      none: true,
      delay: sawScheduled,
      "run-at": sawScheduled,
      expiry: rows.some(({ state }) => state === "expired"),
      deadline: rows.filter(({ terms }) => (terms?.deadline ?? 0) > 0).length > 1,
      schedule: rows.some(({ id }) => !this.#ids.includes(id)),
      retry: rows.some(({ attempt }) => attempt > 1),
    };
    const hadEffect: Record<Factor, boolean> = {
      order: order.length > 0 && sawTwoReady,
      placement: placement.length > 0 && this.yard.workers.size > 1,
      limit: limit === "none" || sawLimit,
      time: times[time],
      dependency:
        dependency === "none" || (dependency in ended ? ended[dependency as keyof typeof ended] : sawBlocked),
      cancel: cancel === "none" || this.#cancelled !== "",
      failover: failover === "none" || this.#takeovers === (failover === "twice" ? 2 : 1),
    };
    return new Set((Object.keys(hadEffect) as Factor[]).filter((factor) => hadEffect[factor]));
  }
}

function linksOf({ dependency }: Mix, after: readonly TaskId[], members: number): TaskLinks | null {
  if (members === 0 && after.length === 0) return null;
  const onFailure = dependency === "skip" || dependency === "run-anyway" ? dependency : "fail";
  return { graph: members > 0 ? GRAPH : "", members, after, onFailure, fed: false };
}

function needing(cpu: number): Pick<TaskSpec, "requirements"> {
  return cpu === 0 ? {} : { requirements: { needs: { cpu }, labels: {}, preferred: {} } };
}

function beat(): string {
  const spec: TaskSpec = {
    name: TICK,
    queue: "beats",
    version: 1,
    attempts: 3,
    backoff: { type: "fixed", baseMs: 1_000, jitter: "none" },
    timeoutMs: 0,
    graceMs: 5_000,
    delivery: "at-least-once",
    keepResultMs: 1_000,
    keepFailureMs: 1_000,
  };
  const timing = { cron: "", timeZone: "UTC", everyMs: EVERY_MS, missed: "once", missedLimit: 100 } as const;
  const task = { overlap: "allow", spec, priority: 0, expiresInMs: 0, route: "", terms: null } as const;
  return toBuffer(encodeSchedule({ name: "beat", ...timing, ...task, payload: "1" })).toString("base64");
}
