import type { QueueRecord, TaskSpec } from "../protocol/task.ts";
import { Kind, Line, type LiveTask, Queue, type Skill } from "./live.ts";
import { ORDERINGS } from "./orderings.ts";

/** The settings of a queue that nobody declared. */
const UNDECLARED = { order: "fifo", placement: "least-loaded", paused: false, revision: 0 } as const;

/** All queues, their lines, and the rotation of those in which a task is ready and not paused. */
export class Queues {
  readonly #queues = new Map<string, Queue>();
  readonly #kinds = new Map<string, Kind>();
  /** Specs of this tick by identity: a frame holds one object for all its tasks. */
  readonly #seen = new Map<TaskSpec, Kind>();
  #lastSpec: TaskSpec | null = null;
  #lastKind: Kind | null = null;
  #orders = 0;
  /** The queue whose turn it is. */
  #turn: Queue | null = null;
  #backlogged = 0;

  get all(): Iterable<Queue> {
    return this.#queues.values();
  }

  get backlogged(): number {
    return this.#backlogged;
  }

  /** The queue with this name; created where absent. */
  get(name: string): Queue {
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = new Queue({ name, ...UNDECLARED });
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

  /** Puts a task at the end of its line; a task that keeps its `order` takes its old place. */
  push(task: LiveTask, keepOrder: boolean): void {
    const { line } = task.kind;
    if (!keepOrder) task.order = ++this.#orders;
    line.ordering.push(task);
    if (line.queue.ready++ === 0) this.#refresh(line.queue);
  }

  remove(task: LiveTask): void {
    const { line } = task.kind;
    line.ordering.remove(task);
    if (--line.queue.ready === 0) this.#refresh(line.queue);
  }

  /** The queue whose turn it is, which makes it the last one in the rotation. */
  nextTurn(): Queue | null {
    const queue = this.#turn;
    if (queue !== null) this.#turn = queue.next;
    return queue;
  }

  /** The next queues of the rotation, which stays as it is. */
  upcoming(limit: number): Queue[] {
    const queues: Queue[] = [];
    for (let queue = this.#turn; queue !== null && queues.length < limit; queue = queue.next) {
      if (queue === queues[0]) break;
      queues.push(queue);
    }
    return queues;
  }

  /** Takes a queue out of the rotation until `resume`, because nothing of it can be placed now. */
  stall(queue: Queue): void {
    this.#unlink(queue);
  }

  resume(queue: Queue): void {
    this.#refresh(queue);
  }

  configure(queue: Queue, record: QueueRecord): void {
    const reorder = record.order !== queue.record.order;
    queue.record = record;
    if (reorder) for (const line of queue.lines) reorderLine(line);
    this.#refresh(queue);
  }

  /** Forgets kinds, and queues that nobody declared, that no task in memory uses; answers the lines that are gone. */
  forgetUnused(): Line[] {
    const gone: Line[] = [];
    for (const [key, kind] of this.#kinds) if (kind.live === 0) this.#kinds.delete(key);
    for (const [name, queue] of this.#queues) {
      if (queue.live > 0 || queue.parked > 0) continue;
      gone.push(...queue.lines);
      queue.lines.length = 0;
      if (!queue.declared) this.#queues.delete(name);
    }
    this.endTick();
    return gone;
  }

  #internKind(spec: TaskSpec, skillOf: (name: string, version: number) => Skill): Kind {
    const key = specKey(spec);
    let kind = this.#kinds.get(key);
    if (kind === undefined) {
      kind = new Kind(spec, this.#lineOf(this.get(spec.queue), skillOf(spec.name, spec.version)));
      this.#kinds.set(key, kind);
    }
    return kind;
  }

  #lineOf(queue: Queue, skill: Skill): Line {
    for (const line of queue.lines) if (line.skill === skill) return line;
    const line = new Line(queue, skill, ORDERINGS[queue.record.order].create());
    skill.lines++;
    queue.lines.push(line);
    return line;
  }

  #refresh(queue: Queue): void {
    if (queue.ready > 0 && !queue.record.paused) this.#link(queue);
    else this.#unlink(queue);
  }

  #link(queue: Queue): void {
    if (queue.next !== null) return;
    this.#backlogged++;
    if (this.#turn === null) {
      queue.next = queue;
      queue.previous = queue;
      this.#turn = queue;
      return;
    }
    const last = this.#turn.previous ?? this.#turn;
    queue.next = this.#turn;
    queue.previous = last;
    last.next = queue;
    this.#turn.previous = queue;
  }

  #unlink(queue: Queue): void {
    const { next, previous } = queue;
    if (next === null || previous === null) return;
    this.#backlogged--;
    previous.next = next;
    next.previous = previous;
    if (this.#turn === queue) this.#turn = next === queue ? null : next;
    queue.next = null;
    queue.previous = null;
  }
}

function reorderLine(line: Line): void {
  const tasks: LiveTask[] = [];
  for (let task = line.ordering.pop(); task !== undefined; task = line.ordering.pop()) tasks.push(task);
  tasks.sort((a, b) => a.order - b.order);
  line.ordering = ORDERINGS[line.queue.record.order].create();
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
  ]);
}
