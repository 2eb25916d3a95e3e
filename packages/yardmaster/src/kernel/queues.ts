import { DEFAULT_SETTINGS, type QueueRecord, type TaskSpec } from "../protocol/task.ts";
import { FairClock, isServedBefore } from "./fair-share.ts";
import { Heap } from "./heap.ts";
import { type Attempt, Kind, Line, type LiveTask, Queue, type Skill } from "./live.ts";
import { ORDERINGS } from "./orderings.ts";
import { type Requirement, Requirements } from "./requirement.ts";

/** The settings of a queue that nobody declared. */
const UNDECLARED = {
  order: "fifo",
  placement: "two-choices",
  paused: false,
  revision: 0,
  orderByDefault: true,
} as const;

/** All queues, their lines, and the backlog of those in which a task is ready and not paused. */
export class Queues {
  readonly #queues = new Map<string, Queue>();
  readonly #kinds = new Map<string, Kind>();
  readonly #requirements = new Requirements();
  /** Specs of this tick by identity: a frame holds one object for all its tasks. */
  readonly #seen = new Map<TaskSpec, Kind>();
  #lastSpec: TaskSpec | null = null;
  #lastKind: Kind | null = null;
  #orders = 0;
  /** Those in which a task is ready and may start. */
  readonly #backlog = new Heap<Queue>(goesBefore);
  /** By precedence: only queues of the same one share anything. */
  readonly #clocks = new Map<number, FairClock>();

  get all(): Iterable<Queue> {
    return this.#queues.values();
  }

  get backlogged(): number {
    return this.#backlog.size;
  }

  /** The queue with this name; created where absent. */
  get(name: string): Queue {
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = new Queue({ name, ...UNDECLARED }, this.#clockOf(DEFAULT_SETTINGS.precedence));
      this.#queues.set(name, queue);
    }
    return queue;
  }

  kindOf(spec: TaskSpec, skillOf: (name: string, version: number) => Skill): Kind {
    if (spec === this.#lastSpec && this.#lastKind !== null) return this.#lastKind;
    let kind = this.#seen.get(spec);
    if (kind === undefined) {
      kind = this.#internKind(spec, skillOf);
      this.#seen.set(spec, kind);
    }
    this.#lastSpec = spec;
    this.#lastKind = kind;
    return kind;
  }

  /** The specs of a tick's frames need not be known by identity after it. */
  endTick(): void {
    this.#seen.clear();
    this.#lastSpec = null;
    this.#lastKind = null;
  }

  /** Gives a task the place behind all others that have come. */
  number(task: LiveTask): void {
    task.order = ++this.#orders;
  }

  /** Puts a task in its line. */
  push(task: LiveTask): void {
    const { line } = task.kind;
    line.ordering.push(task);
    if (line.queue.ready++ === 0) this.#refresh(line.queue);
  }

  remove(task: LiveTask): void {
    const { line } = task.kind;
    line.ordering.remove(task);
    if (--line.queue.ready === 0) this.#refresh(line.queue);
  }

  /** The queue whose turn it is. */
  next(): Queue | undefined {
    return this.#backlog.peek();
  }

  /** Some queues of the backlog, the first included. */
  upcoming(limit: number): Queue[] {
    const queues: Queue[] = [];
    for (let slot = 0; slot < limit; slot++) {
      const queue = this.#backlog.at(slot);
      if (queue === undefined) break;
      queues.push(queue);
    }
    return queues;
  }

  /** A task of the queue starts: it uses the queue's share, and its flow's where the queue is fair. */
  start(queue: Queue, attempt: Attempt): void {
    const { task } = attempt;
    attempt.guessMs = task.expectedMs;
    queue.clock.charge(queue, attempt.guessMs);
    this.#rank(queue);
    if (queue.record.order !== "fair") return;
    attempt.flow = queue.flows.of(task.fairnessKey);
    queue.flows.start(attempt.flow, attempt.guessMs);
  }

  /** A task that was started has held its slot for so long. */
  end(queue: Queue, attempt: Attempt, usedMs: number): void {
    const more = usedMs - attempt.guessMs;
    queue.clock.correct(queue, more);
    this.#rank(queue);
    if (attempt.flow === null) return;
    queue.flows.end(attempt.flow, more);
    attempt.flow = null;
  }

  /** Takes a queue out of the backlog until `resume`, because nothing of it can be placed now. */
  stall(queue: Queue): void {
    if (queue.slot !== -1) this.#backlog.remove(queue);
  }

  resume(queue: Queue): void {
    this.#refresh(queue);
  }

  configure(queue: Queue, record: QueueRecord): void {
    const { order } = queue.record;
    const { agingMs } = queue;
    for (const line of queue.lines) line.poolsVersion = -1;
    this.stall(queue);
    queue.record = record;
    queue.settings = record.settings ?? DEFAULT_SETTINGS;
    queue.weight = queue.settings.weight;
    queue.clock = this.#clockOf(queue.settings.precedence);
    if (order !== record.order || agingMs !== queue.agingMs)
      for (const line of queue.lines) reorderLine(line);
    this.#refresh(queue);
  }

  /** Forgets kinds, and queues that the store does not know, that no task in memory uses; answers the lines that are gone. */
  forgetUnused(): Line[] {
    const gone: Line[] = [];
    const asked = new Set<Requirement>();
    for (const [key, kind] of this.#kinds) {
      if (kind.live > 0) continue;
      this.#kinds.delete(key);
      kind.line.kinds--;
    }
    for (const [name, queue] of this.#queues) {
      queue.flows.forgetUnused(queue.live === 0);
      const unused = queue.lines.filter(({ kinds }) => kinds === 0);
      for (const line of unused) queue.lines.splice(queue.lines.indexOf(line), 1);
      gone.push(...unused);
      for (const { requirement } of queue.lines) asked.add(requirement);
      if (queue.live + queue.ghosts + queue.parked === 0 && !isStored(queue)) this.#queues.delete(name);
    }
    this.#requirements.keepOnly(asked);
    this.endTick();
    return gone;
  }

  #internKind(spec: TaskSpec, skillOf: (name: string, version: number) => Skill): Kind {
    const key = specKey(spec);
    let kind = this.#kinds.get(key);
    if (kind === undefined) {
      const requirement = this.#requirements.of(spec.requirements);
      const skill = skillOf(spec.name, spec.version);
      kind = new Kind(spec, this.#lineOf(this.get(spec.queue), skill, requirement));
      kind.line.kinds++;
      this.#kinds.set(key, kind);
    }
    return kind;
  }

  #lineOf(queue: Queue, skill: Skill, requirement: Requirement): Line {
    for (const line of queue.lines) if (line.skill === skill && line.requirement === requirement) return line;
    const line = new Line(queue, skill, requirement, ORDERINGS[queue.record.order].create(queue));
    skill.lines++;
    queue.lines.push(line);
    return line;
  }

  #refresh(queue: Queue): void {
    const isBacklogged = queue.ready > 0 && mayStart(queue);
    if (isBacklogged === (queue.slot !== -1)) return;
    if (isBacklogged) {
      queue.clock.enter(queue);
      this.#backlog.push(queue);
    } else this.#backlog.remove(queue);
  }

  #rank(queue: Queue): void {
    if (queue.slot !== -1) this.#backlog.moved(queue);
  }

  #clockOf(precedence: number): FairClock {
    let clock = this.#clocks.get(precedence);
    if (clock === undefined) {
      clock = new FairClock();
      this.#clocks.set(precedence, clock);
    }
    return clock;
  }
}

/** Whether a task of the queue may start now, if any is ready. */
export function mayStart({ record, settings, active, ghosts, pace }: Queue): boolean {
  const hasPlace = settings.concurrency === 0 || active + ghosts < settings.concurrency;
  return hasPlace && !record.paused && pace.slot === -1;
}

/** Whether the store knows the queue: each change that is written raises its revision. */
export function isStored({ record }: Queue): boolean {
  return record.revision > 0;
}

/** Those of larger precedence first, whatever their shares. */
function goesBefore(a: Queue, b: Queue): boolean {
  const difference = a.settings.precedence - b.settings.precedence;
  return difference === 0 ? isServedBefore(a, b) : difference > 0;
}

function reorderLine(line: Line): void {
  const tasks: LiveTask[] = [];
  for (let task = line.ordering.pop(); task !== undefined; task = line.ordering.pop()) tasks.push(task);
  tasks.sort((a, b) => a.order - b.order);
  line.ordering = ORDERINGS[line.queue.record.order].create(line.queue);
  for (const task of tasks) line.ordering.push(task);
}

function specKey(spec: TaskSpec): string {
  return JSON.stringify([
    spec.name,
    spec.queue,
    spec.version,
    spec.attempts,
    spec.backoff,
    spec.timeoutMs,
    spec.graceMs,
    spec.delivery,
    spec.keepResultMs,
    spec.keepFailureMs,
    spec.limits,
    spec.requirements,
    spec.speculation,
  ]);
}
