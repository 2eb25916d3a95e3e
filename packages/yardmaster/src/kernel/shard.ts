import type { Envelope, TaskEvent } from "../protocol/envelope.ts";
import type { Epoch, Millis, TaskId, TaskSpec } from "../protocol/task.ts";
import { TurnoverMap } from "../protocol/turnover-map.ts";
import { Catalogue } from "./catalogue.ts";
import { Gates } from "./gates.ts";
import { Journal } from "./journal.ts";
import { Links } from "./links.ts";
import type {
  Attempt,
  Details,
  Graph,
  Kind,
  Lateness,
  Line,
  LiveTask,
  Moment,
  Pace,
  Silence,
} from "./live.ts";
import { LiveOrder } from "./live-order.ts";
import { LostAttempts } from "./lost-attempts.ts";
import { Outbox } from "./outbox.ts";
import { Parking } from "./parking.ts";
import { Queues } from "./queues.ts";
import { Random } from "./random.ts";
import { Recent } from "./recent.ts";
import { Replaceable } from "./replaceable.ts";
import { Roster } from "./roster.ts";
import { type Schedule, Schedules } from "./schedule.ts";
import { Sweep } from "./sweep.ts";
import type { NextFire } from "./ticks.ts";
import { Timers } from "./timers.ts";

export type LiveTimer = Details | Attempt | Lateness | Silence | Sweep | Pace | Schedule | Graph;

export interface Limits {
  /** Tasks in memory; more are parked in the store. Default 2,000,000. */
  readonly maxLive: number;
  /** Payload bytes in memory. Default 1 GiB. */
  readonly maxLiveBytes: number;
  /** A worker that is not heard for this long is lost. Default 10 s. */
  readonly workerLossMs: number;
  /** A task that this many worker processes died of is quarantined. Default 3. */
  readonly quarantineDeaths: number;
  /** The id of a finished task is kept for at least this long. Default 24 h. */
  readonly minIdTtlMs: number;
}

/** How often each thing happened that should be rare. */
export interface Oddities {
  /** Transitions that the table does not have. */
  impossible: number;
  /** Outcomes of attempts that no longer counted. */
  lateOutcomes: number;
}

export const SWEEP_EVERY_MS = 10_000;

/** Everything that one shard has in memory, for the functions that are its rules. */
export class Shard {
  readonly number: number;
  /** How many shards the yard has. */
  readonly shards: number;
  readonly epoch: Epoch;
  readonly limits: Limits;
  /** Broken invariants throw instead of being counted. */
  readonly validate: boolean;
  readonly random: Random;
  readonly tasks: TurnoverMap<TaskId, LiveTask> = new TurnoverMap<TaskId, LiveTask>();
  readonly order: LiveOrder<LiveTask> = new LiveOrder(this.tasks);
  /** Cancels that came before their submissions, with the time until which they are remembered. */
  readonly tombstones: Map<TaskId, Millis> = new Map<TaskId, Millis>();
  readonly queues: Queues = new Queues();
  readonly roster: Roster = new Roster();
  readonly timers: Timers<LiveTimer> = new Timers<LiveTimer>();
  readonly gates: Gates = new Gates();
  readonly outbox: Outbox = new Outbox();
  readonly catalogue: Catalogue = new Catalogue();
  readonly journal: Journal = new Journal(this.tasks, this.catalogue);
  /**
   * Deaths that the engine could not prove, by worker: the tasks that they were counted for. A worker that is heard
   * again did not die, and what was counted for it is taken back.
   */
  readonly presumedDeaths: Map<string, readonly TaskId[]> = new Map<string, readonly TaskId[]>();
  /** Lines whose first tasks are passed over for want of resources, the one that came first first. */
  readonly short: Set<Line> = new Set<Line>();
  /** Attempts that are late, for a second one to join them when a slot is free that nothing else could use. */
  readonly late: Set<Attempt> = new Set<Attempt>();
  /** What the store says of second attempts, by task, while it is loaded. */
  readonly loadedSeconds: Map<TaskId, string> = new Map<TaskId, string>();
  /** What the store says of queues whose order nobody has named, while they are loaded. */
  readonly loadedDefaults: Map<string, string> = new Map<string, string>();
  readonly parking: Parking;
  readonly links: Links = new Links(this.journal);
  readonly lostAttempts: LostAttempts = new LostAttempts();
  readonly replaceable: Replaceable = new Replaceable();
  readonly schedules: Schedules = new Schedules();
  readonly recent: Recent = new Recent();
  readonly nextFire: NextFire;
  readonly sweep: Sweep = new Sweep();
  readonly oddities: Oddities = { impossible: 0, lateOutcomes: 0 };
  /** Payload bytes in memory. */
  bytes = 0;
  #moment: Moment = { at: 0 };

  constructor(options: {
    shard: number;
    /** Default 1. */
    shards?: number;
    epoch: Epoch;
    seed: number;
    validate: boolean;
    /** Without it no cron line ever fires. */
    nextFire?: NextFire;
    limits: Limits;
  }) {
    this.number = options.shard;
    this.shards = options.shards ?? 1;
    this.epoch = options.epoch;
    this.limits = options.limits;
    this.validate = options.validate;
    this.nextFire = options.nextFire ?? (() => null);
    this.random = new Random(options.seed);
    this.parking = new Parking(options.limits);
  }

  /** Tasks in memory that may start. What is blocked fills no memory that others wait for: it may wait for them. */
  get live(): number {
    return this.tasks.size - this.links.blocked;
  }

  momentOf(at: Millis): Moment {
    if (this.#moment.at !== at) this.#moment = { at };
    return this.#moment;
  }

  add(task: LiveTask): void {
    this.tasks.set(task.id, task);
    this.order.add(task);
  }

  kindOf(spec: TaskSpec): Kind {
    return this.queues.kindOf(spec, (name, version) => this.roster.skill(name, version));
  }

  /** Tells the submitter and all who watch a task. */
  tellWatchers(task: LiveTask, envelope: Envelope, bytes: number): void {
    this.outbox.tell(task.replyTo, envelope, bytes);
    if (task.details === null) return;
    for (const watcher of task.details.watchers) this.outbox.tell(watcher, envelope, bytes);
  }

  tellEvent(task: LiveTask, event: TaskEvent): void {
    this.tellWatchers(task, { type: "event", id: task.id, event }, 0);
  }
}
