import type { Host } from "../host.ts";
import type { Fact } from "../testing/fact.ts";
import type { HistoryChecker } from "../testing/history.ts";
import type { Coverage } from "./coverage.ts";
import { type Edge, type PointCounts, pointName, type Role } from "./crash-points.ts";
import type { Faults } from "./faults.ts";
import type { Random } from "./random.ts";
import type { EventOwner, Timeline } from "./timeline.ts";
import type { Trace } from "./trace.ts";
import { describeChange } from "./trace-text.ts";
import { createVirtualHost } from "./virtual-host.ts";

/** What all processes of a run share. */
export interface SimWorld {
  readonly timeline: Timeline;
  readonly faults: Faults;
  readonly trace: Trace;
  readonly points: PointCounts;
  readonly history: HistoryChecker;
  readonly coverage: Coverage;
  /** Gets every fact of the run. */
  readonly record: ((fact: Fact) => void) | null;
}

/** A fact without its time. */
export type Observation = Fact extends infer F ? (F extends Fact ? Omit<F, "at"> : never) : never;

/** A name by which a process is present. */
export interface SimHold {
  lose(heardAfterMs: number): Promise<void>;
  takeAgain(): Promise<void>;
}

/** A channel by which a process receives. */
export interface SimChannel {
  lose(): Promise<void>;
}

/** So much more than usual makes a call slow. */
const SLOW_MS = 100;
/** So far a wall clock is off, or has drifted, before it counts. */
const CLOCK_OFF_MS = 1_000;
const CLOCK_DRIFT_MS = 1;

/** One incarnation of a simulated process. After a crash nothing of it runs, settles or gets out any more. */
export class SimProcess implements EventOwner {
  readonly name: string;
  readonly role: Role;
  readonly random: Random;
  readonly host: Host;
  readonly world: SimWorld;
  readonly #onCrash: () => void;
  readonly #clock: { wallSkewMs: number; readonly driftRate: number };
  readonly holds: Set<SimHold> = new Set();
  readonly channels: Set<SimChannel> = new Set();
  alive = true;
  held: (() => void)[] | null = null;
  #lastRequestAt = 0;

  constructor(name: string, role: Role, random: Random, world: SimWorld, onCrash: () => void) {
    this.name = name;
    this.role = role;
    this.random = random;
    this.world = world;
    this.#onCrash = onCrash;
    this.#clock = {
      wallSkewMs: world.faults.wallSkewMs(role, random),
      driftRate: world.faults.driftRate(random),
    };
    this.host = createVirtualHost(world.timeline, this, random, this.#clock);
  }

  /** Comes to a crash point; false when the process does not get past it. */
  passes(call: string, edge: Edge): boolean {
    if (!this.alive) return false;
    const point = pointName(this.role, call, edge);
    const count = this.world.points.get(point) ?? { passed: 0, crashed: 0 };
    this.world.points.set(point, count);
    count.passed++;
    if (!this.world.faults.crashesAt(point, this.random)) return true;
    count.crashed++;
    this.crash(`${call} ${edge}`);
    return false;
  }

  crash(why: string): void {
    if (!this.alive) return;
    this.alive = false;
    this.note("crash", why);
    this.world.coverage.fault(`${this.role} crash`);
    this.#onCrash();
  }

  /** Holds everything of this process back, as SIGSTOP does. */
  pause(forMs: number): void {
    if (!this.alive || this.held !== null) return;
    this.held = [];
    this.world.coverage.fault(`${this.role} pause`);
    this.note("pause", `${forMs.toFixed(0)} ms`);
    this.world.timeline.schedule(forMs, null, () => this.resume());
  }

  /** Somebody sets its wall clock. */
  setClock(byMs: number): void {
    if (!this.alive) return;
    this.world.coverage.fault("clock set");
    this.note("clock", `${byMs} ms`);
    this.#clock.wallSkewMs += byMs;
  }

  /** Loses the connection that its presence hangs on. */
  disconnect(forMs: number, heardAfterMs = 0): void {
    if (!this.alive) return;
    this.world.coverage.fault("disconnection");
    this.note("disconnect", `${forMs.toFixed(0)} ms`);
    for (const hold of this.holds) void hold.lose(heardAfterMs);
    this.world.timeline.schedule(forMs, null, () => {
      for (const hold of this.holds) void hold.takeAgain();
    });
  }

  resume(): void {
    const held = this.held;
    if (held === null) return;
    this.held = null;
    this.note("resume");
    for (const run of held) this.world.timeline.schedule(0, this, run);
  }

  /** How long something that leaves now or comes back is on its way. */
  latency(): number {
    const { faults, coverage } = this.world;
    const ms = faults.latency(this.random);
    if (ms >= faults.plan.latencyMs + SLOW_MS) coverage.fault("call slow");
    return ms;
  }

  /** How long until a request that leaves now arrives: one process's requests arrive in order. */
  requestDelay(latencyMs: number): number {
    const { now } = this.world.timeline;
    this.#lastRequestAt = Math.max(this.#lastRequestAt, now + latencyMs);
    return this.#lastRequestAt - now;
  }

  observe(observation: Observation): void {
    const fact = { ...observation, at: this.world.timeline.now };
    if (fact.type === "committed" && this.world.trace.verbose)
      for (const change of fact.changes)
        this.say("committed", describeChange(fact.lease.epoch, fact.sequence, change));
    this.world.record?.(fact);
    this.world.history.observe(fact);
    if (fact.type === "committed" || fact.type === "started") this.#coverClock();
    this.world.coverage.observe(fact);
  }

  /** A clock is wrong all the time: what counts is that its process does something by it. */
  #coverClock(): void {
    const { coverage, timeline } = this.world;
    const { wallSkewMs, driftRate } = this.#clock;
    if (Math.abs(wallSkewMs) >= CLOCK_OFF_MS) coverage.fault("clock off");
    if (Math.abs(driftRate) * timeline.now >= CLOCK_DRIFT_MS) coverage.fault("clock drifting");
  }

  /** For the reader of a trace alone. */
  say(what: string, detail: string): void {
    this.world.trace.say(this.world.timeline.now, this.name, what, detail);
  }

  note(what: string, detail?: string): void {
    this.world.trace.note(this.world.timeline.now, this.name, what, detail);
  }
}
