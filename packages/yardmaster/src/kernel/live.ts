import type { ByteString } from "../protocol/bytes.ts";
import {
  DEFAULT_SETTINGS,
  type Epoch,
  type Millis,
  type PastAttempt,
  type QueueRecord,
  type QueueSettings,
  type State,
  type TaskError,
  type TaskId,
  type TaskLinks,
  type TaskRecord,
  type TaskSpec,
  type TaskTerms,
} from "../protocol/task.ts";
import type { FairClock, Share } from "./fair-share.ts";
import { type Flow, Flows } from "./flows.ts";
import type { InLine, OrderContext, Ordering } from "./ordering.ts";
import type { Candidate, Pool, Ranking, Seat } from "./pool.ts";
import { hashOf } from "./rendezvous.ts";
import { type Requirement, Resources } from "./requirement.ts";
import { Tally } from "./tally.ts";

// What lives in a shard's memory, as data alone. The rules are in the files that change them.

/** A time as an object: the many tasks of one tick share it, where each would have a boxed number of its own. */
export interface Moment {
  readonly at: Millis;
}

/** What the end of the tick has to write for a task. `adopt` takes the place of an early cancel's tombstone, `done` is written already. */
export type Mark = "clean" | "insert" | "park" | "update" | "adopt" | "done";

/** A task in memory. A million may wait: what most do not have is in `details`, what only assigned ones have in `last`. */
export class LiveTask implements InLine {
  readonly id: TaskId;
  readonly kind: Kind;
  /** Null when it is too large to keep: it stays in the store. */
  payload: ByteString | null;
  readonly replyTo: string;
  readonly accepted: Moment;
  readonly priority: number;
  readonly terms: TaskTerms | null;
  state: State = "submitted";
  attempt = 0;
  order = 0;
  slot = -1;
  /** What keeps it out of its line although it is ready; null where nothing does. */
  gate: Gate | null = null;
  mark: Mark = "clean";
  details: Details | null = null;
  /** The last attempt; a worker holds it while the task is assigned or running. */
  last: Attempt | null = null;

  constructor(
    kind: Kind,
    of: Pick<TaskRecord, "id" | "replyTo" | "priority" | "terms">,
    payload: ByteString | null,
    accepted: Moment,
  ) {
    this.id = of.id;
    this.kind = kind;
    this.payload = payload;
    this.replyTo = of.replyTo;
    this.accepted = accepted;
    this.priority = of.priority;
    this.terms = of.terms;
  }

  get since(): Millis {
    return this.details === null ? this.accepted.at : Math.max(this.accepted.at, this.details.runAt);
  }

  get deadline(): Millis {
    return this.terms === null || this.terms.deadline === 0 ? Number.POSITIVE_INFINITY : this.terms.deadline;
  }

  get pathMs(): number {
    return this.details === null ? 0 : this.details.pathMs;
  }

  get expectedMs(): number {
    return this.kind.line.skill.expectedMs;
  }

  get fairnessKey(): string {
    return this.terms === null ? "" : this.terms.fairnessKey;
  }

  get weight(): number {
    return this.terms === null ? 1 : this.terms.weight;
  }

  get affinityKey(): string {
    return this.terms === null ? "" : this.terms.affinityKey;
  }
}

const NONE: readonly never[] = [];

/** What few tasks have. Also the timer of a waiting task: when it is due or expires. */
export class Details {
  readonly fires = "task";
  readonly task: LiveTask;
  slot = -1;
  dueAt: Millis = 0;
  tie = 0;
  runAt: Millis = 0;
  expiresAt: Millis = 0;
  deaths = 0;
  /** When it would be due if it were not held back for deaths. */
  unheldAt: Millis = 0;
  /** Until when a worker that was lost without proof of its death may still start what it had of this task. */
  mayStartUntil: Millis = 0;
  /** How many numbers of attempts were left out. */
  skipped = 0;
  retryOf: TaskId = "";
  key = "";
  cancelRequested = false;
  code = "";
  error: TaskError | null = null;
  /** The attempts before the last one. */
  past: readonly PastAttempt[] = NONE;
  /** The size of a payload that is not in memory. */
  payloadBytes = 0;
  /** The worker that handed the task back in this epoch, "*" for several: it may repeat that for the same attempt. */
  returnedBy = "";
  /** Mailboxes that want news beside the submitter's. */
  watchers: readonly string[] = NONE;
  cancels: readonly CancelWaiter[] = NONE;
  links: TaskLinks | null = null;
  /** Runs beside the last attempt. */
  second: Attempt | null = null;
  /** The highest number that a second attempt had, as long as no later attempt was recorded; else 0. */
  secondNumber = 0;
  /** What waits for it: kept where a queue is ordered by it, and not in the store. */
  pathMs = 0;

  constructor(task: LiveTask) {
    this.task = task;
  }
}

export interface CancelWaiter {
  readonly request: number;
  readonly replyTo: string;
}

/** Tasks that were sent together. Also the timer after which what has not arrived is not waited for any more. */
export class Graph {
  readonly fires = "graph";
  readonly id: TaskId;
  /** How many tasks it has in all; how many have arrived, ended, and ended in another way than by success. */
  readonly members: number;
  arrived = 0;
  ended = 0;
  failed = 0;
  readonly openedAt: Millis;
  /** None of its members starts before all have arrived. */
  isReleased = false;
  /** A member has come before one that it waits for, so that they may wait in a circle. */
  hasForward = false;
  /** It was cancelled: members that come before this time are cancelled too. 0 for an open one. */
  closedUntil: Millis = 0;
  /** The members that have arrived and not ended. */
  readonly open: Set<LiveTask> = new Set();
  readonly cancels: CancelWaiter[] = [];
  slot = -1;
  dueAt: Millis = 0;
  tie = 0;

  constructor(id: TaskId, members: number, openedAt: Millis) {
    this.id = id;
    this.members = members;
    this.openedAt = openedAt;
  }
}

/** One attempt. Also the timer of its timeout. */
export class Attempt {
  readonly fires = "attempt";
  readonly task: LiveTask;
  readonly number: number;
  readonly epoch: Epoch;
  readonly workerId: string;
  /** The worker that holds it; null once the attempt is over. */
  worker: Worker | null = null;
  heldSlot = -1;
  /** The number of the frame that carried it to its worker. */
  frame = 0;
  /** Its number leaves one out that its worker may still mean with a repeated return. */
  skipped = false;
  /** Assigned by an earlier owner. */
  inherited = false;
  /** Inherited, and its worker has not said yet what became of it. */
  restored = false;
  startedAt: Millis;
  /** By the owner's own clock. */
  readonly assignedAt: Millis;
  /** What it was expected to cost its queue and its flow, in milliseconds of a slot. */
  guessMs = 0;
  /** The limit of its definition of which it takes a place. */
  places: Places | null = null;
  /** Its number among those that have ended; 0 before. */
  ended = 0;
  /** Its worker may still run it, although it does not count any more: it keeps its place until that is over. */
  isGhost = false;
  /** Runs beside the task's first attempt: the task counts it among its details, and its queue among the ghosts. */
  isSecond = false;
  /** It stands in for one that has failed: that it never began gives the task no try back. */
  standsIn = false;
  /** When the task would be tried again after the one that it stands in for. */
  retryAt: Millis = 0;
  /** Its worker has said that it runs. */
  hasStarted = false;
  /** When its timeout first fired without it being known to have started; 0 before. */
  overdueSince: Millis = 0;
  /** Notices when it is late; null where nobody asks. */
  lateness: Lateness | null = null;
  /** Whose share of a fair queue it uses. */
  flow: Flow | null = null;
  slot = -1;
  dueAt: Millis = 0;
  tie = 0;

  constructor(task: LiveTask, number: number, epoch: Epoch, workerId: string, startedAt: Millis) {
    this.task = task;
    this.number = number;
    this.epoch = epoch;
    this.workerId = workerId;
    this.startedAt = startedAt;
    this.assignedAt = startedAt;
  }
}

/** The timer of an attempt that may be joined by a second one once it is late. */
export class Lateness {
  readonly fires = "lateness";
  readonly attempt: Attempt;
  slot = -1;
  dueAt: Millis = 0;
  tie = 0;

  constructor(attempt: Attempt) {
    this.attempt = attempt;
  }
}

/** What the tasks of one spec share. `live` counts them, so that an unused kind can be forgotten. */
export class Kind {
  readonly spec: TaskSpec;
  readonly line: Line;
  live = 0;

  constructor(spec: TaskSpec, line: Line) {
    this.spec = spec;
    this.line = line;
  }
}

/** The ready tasks of one definition and version within a queue that ask for the same: any worker with room takes any of them. */
export class Line {
  readonly queue: Queue;
  readonly skill: Skill;
  readonly requirement: Requirement;
  ordering: Ordering<LiveTask>;
  /** How many of its tasks workers hold. */
  active = 0;
  /** How many kinds put their tasks here, so that an unused line can be forgotten. */
  kinds = 0;
  /** Where its tasks find workers, as of this version of the roster. */
  pools: readonly Pool<Worker>[] = NONE;
  poolsVersion = -1;
  /** Since when its first task is passed over for want of resources, and the worker that is kept for it since then. */
  shortSince: Millis = 0;
  reserved: Worker | null = null;

  constructor(queue: Queue, skill: Skill, requirement: Requirement, ordering: Ordering<LiveTask>) {
    this.queue = queue;
    this.skill = skill;
    this.requirement = requirement;
    this.ordering = ordering;
  }
}

export class Queue implements Share, OrderContext {
  record: QueueRecord;
  settings: QueueSettings = DEFAULT_SETTINGS;
  weight: number = DEFAULT_SETTINGS.weight;
  /** Of all queues of its precedence. */
  clock: FairClock;
  /** Who paused or resumed it last, and the number of that request. */
  orderedBy = "";
  order = 0;
  /** Somebody has said more of it than whether it is paused. */
  declared = false;
  readonly lines: Line[] = [];
  /** Tasks in memory, those of them that are in lines, and those that workers hold. */
  live = 0;
  ready = 0;
  active = 0;
  /** Ready tasks that a limit keeps out of their lines. */
  limited = 0;
  /** Attempts that do not count any more and may still run. */
  ghosts = 0;
  /** How many of its ready tasks are parked. */
  parked = 0;
  /** Tasks that wait for others, or for the rest of their graph. */
  blocked = 0;
  readonly pace: Pace;
  /** Among the backlogged queues; -1 outside. */
  slot = -1;
  tag = 0;
  turn = 0;
  readonly flows: Flows = new Flows();
  readonly tally: Tally = new Tally();

  constructor(record: QueueRecord, clock: FairClock) {
    this.record = record;
    this.clock = clock;
    this.pace = new Pace(record.name, "", this);
  }

  get agingMs(): Millis {
    return this.settings.agingMs;
  }
}

/**
 * The tasks that a gate keeps out of their lines. Those of one kind have one limit and one line, so that the first of
 * them speaks for all; another kind's may be let in when they are not, or be in a line where nothing moves.
 */
export type Rooms = Map<Kind, Ordering<LiveTask>>;

/** Those who share a concurrency limit: the attempts that hold a place of it. */
export class Places {
  readonly limits = "concurrency";
  readonly name: string;
  readonly key: string;
  readonly holders: Set<Attempt> = new Set();
  /** Null where nobody waits. */
  waiting: Rooms | null = null;

  constructor(name: string, key: string) {
    this.name = name;
    this.key = key;
  }
}

/**
 * Those who share a rate: a queue, or a definition's tasks of one key. The generic cell rate algorithm (ITU-T I.371):
 * `nextAt` is its theoretical arrival time, when a start would come exactly on time; with a burst of b, one may come
 * b - 1 intervals earlier. Also the timer that lets the next one in.
 */
export class Pace {
  readonly limits = "rate";
  readonly fires = "pace";
  /** The definition's or the queue's. */
  readonly name: string;
  readonly key: string;
  /** Null for a definition's. */
  readonly queue: Queue | null;
  nextAt: Millis = 0;
  waiting: Rooms | null = null;
  slot = -1;
  dueAt: Millis = 0;
  tie = 0;

  constructor(name: string, key: string, queue: Queue | null) {
    this.name = name;
    this.key = key;
    this.queue = queue;
  }
}

export type Gate = Places | Pace;

/** How long a task is expected to run as long as none of its definition has ended. */
const FIRST_GUESS_MS = 100;
/** How much of the expectation the last duration makes. */
const NEWS_SHARE = 0.1;

/** A definition's name and version, as workers know it. Tasks of one that no worker knows wait for one that does. */
export class Skill {
  readonly name: string;
  readonly version: number;
  /** The groups of workers that know it. */
  readonly groups: Group[] = [];
  /** Some worker has known it in this ownership, and may come back: what was learnt of it is kept. */
  wasKnown = false;
  /** How many lines need it, so that an unused skill can be forgotten. */
  lines = 0;
  /** The moving average of how long its tasks hold a slot. */
  expectedMs: Millis = FIRST_GUESS_MS;
  /** How many durations that stands on. */
  known = 0;
  /** The expectation that the store has; 0 for none. */
  storedMs: Millis = 0;

  constructor(name: string, version: number) {
    this.name = name;
    this.version = version;
  }

  /** Exponential smoothing (R. Brown, 1959); the first durations count alike, so that no guess lives on. */
  learn(durationMs: number): void {
    const share = Math.max(NEWS_SHARE, 1 / ++this.known);
    this.expectedMs += (durationMs - this.expectedMs) * share;
  }
}

/** Workers that know the same definitions. */
export class Group {
  readonly key: string;
  readonly skills: readonly Skill[];
  readonly workers: Set<Worker> = new Set();
  /** Its workers as the lines need them, by what is asked for and by placement. */
  readonly pools: Map<Requirement, Map<Ranking, Pool<Worker>>> = new Map();

  constructor(key: string, skills: readonly Skill[]) {
    this.key = key;
    this.skills = skills;
  }
}

export class Worker implements Candidate {
  readonly id: string;
  readonly mailbox: string;
  /** Its place among all workers that ever came, to settle ties. */
  readonly number: number;
  credit = 0;
  labels: Readonly<Record<string, string>> = {};
  readonly resources: Resources = new Resources();
  readonly hash: number;
  /** Null until it has registered with this owner. */
  group: Group | null = null;
  /** Takes no more work. */
  draining = false;
  /** Has said goodbye: forgotten as soon as it holds nothing. */
  leaving = false;
  /** The engine has lost sight of its process. */
  absent = false;
  /** Its mailbox was gone; it has not said since what it holds. */
  cutOff = false;
  heartbeat = 0;
  /** About how many tasks wait for more credit of it, as it was told last. */
  ready = 0;
  lastHeard: Millis = 0;
  readonly held: Attempt[] = [];
  /** Attempts that count no more but may still fill a slot there: the frame that carried each, by token. */
  readonly ghosts: Map<string, number> = new Map();
  /** Those of them that were given up here, by token. */
  readonly ghostAttempts: Map<string, Attempt> = new Map();
  /** Registered, takes work and has free credit. */
  isFree = false;
  /** Its places in the pools of its group. */
  seats: Seat<Worker>[] = [];
  reservedFor: Requirement | null = null;
  readonly silence: Silence;

  constructor(id: string, mailbox: string, number: number) {
    this.id = id;
    this.mailbox = mailbox;
    this.number = number;
    this.hash = hashOf(id);
    this.silence = new Silence(this);
  }

  /** How much of its credit is in use. */
  get used(): number {
    return this.held.length + this.ghosts.size;
  }

  get takesWork(): boolean {
    return !this.draining && !this.absent && !this.cutOff;
  }
}

/** The timer that notices a silent worker. */
export class Silence {
  readonly fires = "silence";
  readonly worker: Worker;
  slot = -1;
  dueAt: Millis = 0;
  tie = 0;

  constructor(worker: Worker) {
    this.worker = worker;
  }
}
