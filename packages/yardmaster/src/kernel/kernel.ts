import type { StoredItem, StoredTask } from "../protocol/change.ts";
import type { Envelope, Query } from "../protocol/envelope.ts";
import type { Epoch, Millis, TaskId, TaskRecord } from "../protocol/task.ts";
import { tellDemand } from "./demand.ts";
import { propagate } from "./dependencies.ts";
import type { Effects } from "./effects.ts";
import type { KernelEvent } from "./event.ts";
import {
  changePresence,
  cutOff,
  heartbeat,
  leave,
  note,
  reconcile,
  register,
  report,
  reportLoss,
  restartDeadlines,
} from "./fleet.ts";
import { type Answer, answer } from "./inspection.ts";
import { requestCancel, submit, watch } from "./intake.ts";
import { checkInvariants } from "./invariants.ts";
import { fireDue, schedule, sweepAlong } from "./scheduling.ts";
import { command } from "./settings.ts";
import { type Limits, type Oddities, Shard } from "./shard.ts";
import { catalogue, page, restore, restored } from "./takeover.ts";
import type { NextFire } from "./ticks.ts";

export interface KernelOptions extends Partial<Limits> {
  readonly shard: number;
  /** How many shards the yard has; default 1. With more, workers are told what waits for their credit. */
  readonly shards?: number;
  readonly epoch: Epoch;
  /** The same seed and the same calls give the same effects. */
  readonly seed: number;
  /** When a cron line fires next; without it none ever does. Intervals need nobody. */
  readonly nextFire?: NextFire;
  /** Checks all invariants after every step: for tests. Default false. */
  readonly validate?: boolean;
}

/**
 * The scheduling state machine of one shard: facts in, intentions out.
 *
 * It does no I/O and knows no clock: times are handed in. Between two calls of `effects` any number of facts may be
 * applied; the effects are to be committed before they are sent.
 */
export class Kernel {
  readonly #shard: Shard;

  constructor(options: KernelOptions) {
    this.#shard = new Shard({
      shard: options.shard,
      shards: options.shards ?? 1,
      epoch: options.epoch,
      seed: options.seed,
      validate: options.validate ?? false,
      nextFire: options.nextFire ?? (() => null),
      limits: {
        maxLive: options.maxLive ?? 2_000_000,
        maxLiveBytes: options.maxLiveBytes ?? 2 ** 30,
        workerLossMs: options.workerLossMs ?? 10_000,
        quarantineDeaths: options.quarantineDeaths ?? 3,
        minIdTtlMs: options.minIdTtlMs ?? 24 * 60 * 60 * 1000,
      },
    });
  }

  get shard(): number {
    return this.#shard.number;
  }

  /** How often things happened that should be rare, for the metrics. */
  get oddities(): Readonly<Oddities> {
    return this.#shard.oddities;
  }

  /** Tasks in memory. */
  get live(): number {
    return this.#shard.tasks.size;
  }

  /** Takes in one row of the store; all of them come before `restored` and before anything is applied. */
  restore(item: StoredItem, now: Millis): void {
    restore(this.#shard, item, now);
  }

  /** The load is complete, also when there was nothing to load. */
  restored(now: Millis): void {
    restored(this.#shard, now);
    this.#validate();
  }

  /** Takes in the answer to `Effects.wantParked`: fewer tasks than were wanted mean that no more are parked. */
  page(tasks: readonly StoredTask[], now: Millis): void {
    page(this.#shard, tasks, now);
    this.#validate();
  }

  apply(event: KernelEvent, now: Millis): void {
    dispatch(this.#shard, event, now);
    this.#validate();
  }

  /** Adds an envelope to the next frame for a mailbox. */
  tell(mailbox: string, envelope: Envelope): void {
    this.#shard.outbox.tell(mailbox, envelope, 0);
  }

  /** Somebody speaks from there, so that it makes sense to answer. */
  heardFrom(mailbox: string): void {
    this.#shard.outbox.heardFrom(mailbox);
  }

  /**
   * Nobody receives there any more: its watchers are not told anything. A worker there may live, as an engine that
   * starts again loses mailboxes: it is given nothing until it says what it holds, and its silence decides.
   */
  mailboxGone(mailbox: string): void {
    cutOff(this.#shard, mailbox);
    this.#validate();
  }

  /** Lets happen what is due, gives out work, and answers with all that is to be done since the last call. */
  effects(now: Millis): Effects {
    const shard = this.#shard;
    fireDue(shard, now);
    propagate(shard, now);
    schedule(shard, now);
    if (shard.shards > 1) tellDemand(shard);
    sweepAlong(shard, now);
    const changes = shard.journal.take();
    const outgoing = shard.outbox.take();
    shard.queues.endTick();
    this.#validate();
    return { changes, outgoing, wantParked: shard.parking.wanted(shard.live, shard.bytes) };
  }

  /** When `effects` has something to do of its own accord; Infinity for never. */
  nextWakeAt(): Millis {
    return this.#shard.timers.nextAt;
  }

  /** Whether a task is in memory: events about any other carry what the store knows. */
  has(id: TaskId): boolean {
    return this.#shard.tasks.has(id);
  }

  /** The ids of the workers that are counted on, those that a load only knows by their tasks included. */
  workers(): string[] {
    return [...this.#shard.roster.workers.keys()];
  }

  /** When a worker was heard last; 0 for one that is not counted on. */
  heardAt(worker: string): Millis {
    return this.#shard.roster.workers.get(worker)?.lastHeard ?? 0;
  }

  /** From below which id on the store's finished and parked tasks are to be told; null where nobody wants to know. */
  get unwalked(): TaskId | null {
    return this.#shard.catalogue.unwalked;
  }

  /**
   * Takes in finished and parked tasks of the store, from `before` down to `last`, or to the end where that is null.
   * What began at another id than `unwalked` is by now is of no use.
   */
  catalogue(records: readonly TaskRecord[], before: TaskId, last: TaskId | null): void {
    catalogue(this.#shard, records, before, last);
  }

  /** Answers a question with plain values; times are milliseconds. */
  answer(query: Query, now: Millis): Answer {
    return answer(this.#shard, query, now);
  }

  /** Throws an InvariantError when memory contradicts itself. Looks at everything: for tests. */
  checkInvariants(): void {
    checkInvariants(this.#shard);
  }

  #validate(): void {
    if (this.#shard.validate) checkInvariants(this.#shard);
  }
}

function dispatch(shard: Shard, event: KernelEvent, now: Millis): void {
  switch (event.type) {
    case "submitted":
      submit(shard, event, now);
      return;
    case "outcomeReported":
      report(shard, event.outcome, event.worker, now);
      return;
    case "workerRegistered":
      register(shard, event.register, now);
      return;
    case "heartbeatReceived":
      heartbeat(shard, event, now);
      return;
    case "attemptsHeld":
      reconcile(shard, event, now);
      return;
    case "workerLeft":
      leave(shard, event.worker);
      return;
    case "workerLost":
      reportLoss(shard, event, now);
      return;
    case "presenceChanged":
      changePresence(shard, event);
      return;
    case "cancelRequested":
      requestCancel(shard, event, now);
      return;
    case "watchRequested":
      watch(shard, event);
      return;
    case "noted":
      note(shard, event, now);
      return;
    case "commanded":
      command(shard, event, now);
      return;
    case "deadlinesRestarted":
      restartDeadlines(shard, now);
      return;
  }
}
