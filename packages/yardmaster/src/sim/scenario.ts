import type { Engine } from "../engine.ts";
import { ARRIVAL_MS } from "../kernel/waiting.ts";
import { createMemoryWorld, type MemoryWorld } from "../memory/world.ts";
import { isTerminal, type TaskRecord } from "../protocol/task.ts";
import type { Fact } from "../testing/fact.ts";
import { HistoryChecker, type Violation } from "../testing/history.ts";
import { type CellCounts, Coverage } from "./coverage.ts";
import type { PointCounts } from "./crash-points.ts";
import { type FaultPlan, MAX_LOSS_MS } from "./fault-plan.ts";
import { Faults } from "./faults.ts";
import type { LinkPlan } from "./linked-tasks.ts";
import { Random } from "./random.ts";
import { describePlan, type PlanChanges, planOf, type RunPlan } from "./run-plan.ts";
import { bootClient, bootDispatcher, bootWorker } from "./sim-boot.ts";
import { ClientScript } from "./sim-client.ts";
import { SimDefinitions } from "./sim-definitions.ts";
import type { SimWorld } from "./sim-process.ts";
import { CLOSE_TIMEOUT_MS, SimYard } from "./sim-yard.ts";
import { Timeline } from "./timeline.ts";
import { Trace } from "./trace.ts";
import { createVirtualHost, quiescence } from "./virtual-host.ts";
import type { Workload } from "./workload.ts";

export interface RunOptions extends PlanChanges {
  /** Gets the course of the run, line by line. */
  readonly print?: (line: string) => void;
  /** Gets every fact, for a history that others can check. */
  readonly record?: (fact: Fact) => void;
  /** Changes every process's engine, to see whether the checks notice. */
  readonly plant?: (engine: Engine) => Engine;
  /** In place of all that the seed draws. */
  readonly plan?: RunPlan;
}

export interface RunReport {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly events: number;
  readonly virtualMs: number;
  readonly hash: number;
  readonly points: PointCounts;
  readonly cells: CellCounts;
}

/**
 * How long after the last fault everything acknowledged must be over, but for what is waited for in vain, and unless
 * something has ended or used up an attempt within PROGRESS_MS.
 */
const LIVENESS_MS = 600_000;
/**
 * How long nothing ends, nor uses up an attempt, in a yard that is stuck. One slot that fails hundreds of tasks five times
 * each, as a schedule makes them that was paused for long, is at them for longer than LIVENESS_MS.
 */
const PROGRESS_MS = 60_000;
/** How long a yard at rest is watched for things that should not happen any more. */
const AFTERMATH_MS = 3_000;
/** How long a call may take in a yard at rest. */
const CALL_MS = 60_000;
/** More events than any run needs: a yard that spins would never reach the end of virtual time. */
const MAX_EVENTS = 5_000_000;

/** Runs a whole yard from one seed: a phase with faults, then healing until everything is over, then the end. */
export async function runSeed(seed: number, options: RunOptions = {}): Promise<RunReport> {
  const { stackTraceLimit } = Error;
  // Where errors come from depends on what the real host has compiled by then, and their texts travel.
  Error.stackTraceLimit = 0;
  const run = new Run(seed, options);
  const onRejection = (reason: unknown): void => run.uncaught(reason);
  process.on("unhandledRejection", onRejection);
  try {
    await run.play();
  } finally {
    process.off("unhandledRejection", onRejection);
    Error.stackTraceLimit = stackTraceLimit;
  }
  return run.report();
}

class Run {
  readonly #seed: number;
  readonly #workload: Workload;
  readonly #world: SimWorld;
  readonly #engines: MemoryWorld;
  readonly #yard: SimYard;
  readonly #scripts: readonly ClientScript[];
  readonly #plan: FaultPlan;
  readonly #links: LinkPlan;
  /** What was not over at the last look after the time for it, and since when it is no more than that. */
  #left = Number.POSITIVE_INFINITY;
  #leftAt = 0;
  #used = -1;

  constructor(seed: number, options: RunOptions) {
    this.#seed = seed;
    const plan = options.plan ?? planOf(seed, options);
    this.#plan = plan.faults;
    this.#workload = plan.workload;
    this.#links = plan.links;
    const definitions = new SimDefinitions(this.#workload);
    const timeline = new Timeline();
    const trace = new Trace(options.print ?? null);
    const faults = new Faults(this.#plan, timeline);
    const history = new HistoryChecker({
      slots: this.#workload.slots,
      clockSlackMs: 2 * faults.mostWallStepMs,
      lossMs: this.#plan.loss === null ? 0 : MAX_LOSS_MS,
    });
    const coverage = new Coverage();
    const record = options.record ?? null;
    this.#world = { timeline, trace, faults, history, coverage, points: new Map(), record };
    options.print?.(describePlan(plan));
    const engineHost = createVirtualHost(timeline, ALWAYS, new Random(seed, "engine"), RIGHT_CLOCK);
    const plant = options.plant ?? ((engine: Engine) => engine);
    this.#engines = createMemoryWorld(engineHost, { shards: this.#workload.shards });
    this.#yard = new SimYard(this.#world, this.#engines, seed, plant);
    this.#scripts = this.#populate(definitions);
    this.#schedule();
  }

  async play(): Promise<void> {
    const { healAt } = this.#plan;
    await this.#until(() => this.#world.timeline.now >= healAt);
    const isOver = (): boolean => this.#isQuiet() || this.#isStuck(this.#restDue);
    await this.#until(isOver);
    const quietAt = this.#world.timeline.now;
    await this.#until(() => this.#world.timeline.now >= quietAt + AFTERMATH_MS);
    // What nobody had taken from a lane by then has made work since.
    await this.#until(isOver);
    // A cancel that was planned for so late is still under way.
    const isHeard = (): boolean => this.#scripts.every(({ pending }) => pending.size === 0);
    await this.#until(isHeard, this.#world.timeline.now + CALL_MS);
    this.#checkCalls();
    await this.#checkStore();
    this.#world.history.finish({ awaited: new Set(this.#scripts.flatMap(({ awaited }) => [...awaited])) });
    await this.#shutDown();
  }

  uncaught(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#world.history.report("UNCAUGHT", text);
  }

  report(): RunReport {
    const { timeline, trace, points, history, coverage } = this.#world;
    return {
      seed: this.#seed,
      violations: history.violations,
      events: timeline.steps,
      virtualMs: timeline.now,
      hash: trace.hash,
      points,
      cells: coverage.cells,
    };
  }

  #populate(definitions: SimDefinitions): ClientScript[] {
    const { slots, dispatchers, workers, clients, tasks, queues, schedules, maxLive } = this.#workload;
    for (let n = 1; n <= dispatchers; n++) this.#yard.add("dispatcher", n, bootDispatcher(maxLive));
    for (let n = 1; n <= workers; n++) this.#yard.add("worker", n, bootWorker(definitions, slots));
    return Array.from({ length: clients }, (_, n) => {
      const own = tasks.filter(({ client }) => client % clients === n);
      const script = new ClientScript(
        own,
        n === 0 ? { queues, schedules } : NO_CHORES,
        definitions,
        this.#links,
      );
      this.#yard.add("client", n + 1, bootClient(script));
      return script;
    });
  }

  #schedule(): void {
    const { timeline } = this.#world;
    const { pauses, closes, disconnections, clockJumps, restarts, loss, healAt } = this.#plan;
    for (const { place, at, forMs } of pauses)
      timeline.schedule(at, null, () => this.#yard.pause(place, forMs));
    for (const { place, at, forMs } of closes)
      timeline.schedule(at, null, () => this.#yard.restart(place, forMs));
    for (const { place, at, forMs, heardAfterMs } of disconnections)
      timeline.schedule(at, null, () => this.#yard.disconnect(place, forMs, heardAfterMs));
    for (const { place, at, byMs } of clockJumps)
      timeline.schedule(at, null, () => this.#yard.setClock(place, byMs));
    for (const at of restarts) timeline.schedule(at, null, () => void this.#yard.restartBroker());
    if (loss !== null)
      timeline.schedule(loss.at - loss.lastMs, null, () => {
        const since = timeline.now;
        const restore = this.#engines.snapshot();
        timeline.schedule(loss.lastMs, null, () => this.#yard.loseLast(restore, since));
      });
    timeline.schedule(healAt, null, () => {
      this.#world.trace.note(timeline.now, "world", "healed");
      this.#yard.resumeAll();
    });
  }

  /** True when the time is over and nothing has ended for a while, nor used up an attempt. */
  #isStuck(deadline: number): boolean {
    const { timeline, history } = this.#world;
    if (timeline.now < deadline) return false;
    const { unsettled } = history;
    if (unsettled < this.#left) this.#leftAt = timeline.now;
    this.#left = unsettled;
    if (timeline.now < this.#leftAt + PROGRESS_MS) return false;
    // Of a backlog that is tried in turns nothing ends for long, and then all.
    const used = usedAttempts(history.records);
    if (used === this.#used) return true;
    this.#used = used;
    this.#leftAt = timeline.now;
    return false;
  }

  /** A client that is closing asks no more; the next one in its place does. */
  #isQuiet(): boolean {
    if (this.#yard.isClosing) return false;
    return this.#scripts.every(({ isDone }) => isDone) && this.#world.history.unsettled === 0;
  }

  /**
   * When all must be over. A task may be accepted long after healing, where a slow call held up its client or owner,
   * and wait for one that the engine has lost, or its graph for a lost part: the owner takes that for late until
   * `ARRIVAL_MS` have passed, by wall clocks that may differ. Then there must be time for what waits for it in turn.
   */
  get #restDue(): number {
    const { healAt } = this.#plan;
    return healAt + LIVENESS_MS + ARRIVAL_MS + 2 * this.#world.faults.mostWallErrorMs;
  }

  /** Runs events until the condition holds, time is over, or nothing is left to do. */
  async #until(isOver: () => boolean, deadline = Number.POSITIVE_INFINITY): Promise<void> {
    const { timeline, history } = this.#world;
    while (!isOver() && timeline.now < deadline) {
      if (timeline.steps > MAX_EVENTS)
        return history.report("NO_REST", `${MAX_EVENTS} events did not bring the end`);
      try {
        if (!timeline.step()) return;
      } catch (error) {
        this.uncaught(error);
      }
      await quiescence();
    }
  }

  #checkCalls(): void {
    for (const { pending } of this.#scripts)
      for (const name of pending) this.#world.history.report("CALL_HANGS", `The ${name} did not come back`);
  }

  /** The store holds what its accepted commits said. */
  async #checkStore(): Promise<void> {
    const { history } = this.#world;
    const { tasks } = await this.#engines.open().store.read({ ids: [...history.records.keys()] });
    for (const [id, { state, attempt }] of history.records) {
      const stored = tasks.get(id)?.task;
      if (stored?.state !== state || stored.attempt !== attempt)
        history.report(
          "STORE_DISAGREES",
          `${id} is ${stored?.state} in the store and ${state} by its commits`,
        );
    }
  }

  /** Closing settles once nothing fails any more: process, then engine, and a moment for each to tidy up. */
  async #shutDown(): Promise<void> {
    const { timeline, history } = this.#world;
    this.#yard.shutDown();
    await this.#until(() => this.#yard.up.length === 0, timeline.now + 3 * CLOSE_TIMEOUT_MS);
    for (const name of this.#yard.up) history.report("CLOSE_HANGS", `${name} did not close`);
  }
}

/** Of what has not ended. */
function usedAttempts(records: ReadonlyMap<string, TaskRecord>): number {
  let used = 0;
  for (const { state, attempt, skipped = 0 } of records.values())
    if (!isTerminal(state)) used += attempt - skipped;
  return used;
}

const RIGHT_CLOCK = { wallSkewMs: 0, driftRate: 0 };
const NO_CHORES = { queues: [], schedules: [] };
const ALWAYS = { alive: true, held: null };
