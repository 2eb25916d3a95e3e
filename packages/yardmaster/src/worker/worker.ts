import type { Send } from "../brokers/broker.ts";
import { answeredWithin } from "../deadline.ts";
import { optionCheck, optionsOf } from "../definition/options.ts";
import { amountsOf, checkedLabels } from "../definition/requirements.ts";
import type { Engine } from "../engine.ts";
import type { Cancel, Host } from "../host.ts";
import { checkDelay, checkName } from "../protocol/check.ts";
import type { Register } from "../protocol/envelope.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { randomId } from "../protocol/ids.ts";
import { workerMailbox } from "../protocol/mailbox.ts";
import { MAX_LABELS, MAX_RESOURCES, type TaskId } from "../protocol/task.ts";
import type { Tracing } from "../tracing.ts";
import type { OnAttempt } from "./attempt-news.ts";
import { Contexts } from "./contexts.ts";
import { Division } from "./division.ts";
import type { Handler, Submit } from "./handlers.ts";
import type { Heartbeats, OpenHeartbeats } from "./heartbeats.ts";
import { Inbox } from "./inbox.ts";
import { inlineHeartbeats } from "./inline-heartbeats.ts";
import { Intake } from "./intake.ts";
import { Isolation } from "./isolation.ts";
import { offersOf } from "./offers.ts";
import { type Load, Outgoing } from "./outgoing.ts";
import { Patience } from "./patience.ts";
import { Payloads } from "./payloads.ts";
import { Registry } from "./registry.ts";
import { Runner } from "./runner.ts";
import { type Parcel, ShardLink, SILENCE_MS } from "./shard-link.ts";
import { Sweep } from "./sweep.ts";

export interface WorkerOptions {
  readonly engine: Engine;
  readonly host: Host;
  /** At least one, with different task names. */
  readonly handlers: readonly Handler[];
  /** How many attempts run at a time, 1 to 10,000; default 10. */
  readonly slots?: number;
  /** What tasks may ask for: `{ zone: "eu" }`. */
  readonly labels?: Readonly<Record<string, string>>;
  /** What tasks may need, and how much there is of it, by any names: `{ cpu: 4, gpu: 1, memoryMb: 16_384 }`. */
  readonly resources?: Readonly<Record<string, number>>;
  /** Unique in the yard and of each process boot; random by default. */
  readonly id?: string;
  /** Default `inlineHeartbeats`. */
  readonly heartbeats?: OpenHeartbeats;
  /** How long attempts may go on after a closing worker has aborted them; default 5,000, at most half of the closing time. */
  readonly graceMs?: number;
  /** What handlers submit tasks with. */
  readonly submit?: Submit;
  /** Default: none. */
  readonly tracing?: Tracing | null;
  /** Told of each attempt that starts and ends here; must not throw. */
  readonly onAttempt?: OnAttempt;
  /** Told what went wrong but is being tried again. */
  readonly report?: (what: string, error: unknown) => void;
}

/** What was left when a worker had closed. */
export interface CloseReport {
  /** Attempts whose handlers were still running. */
  readonly left: readonly { readonly id: TaskId; readonly name: string; readonly attempt: number }[];
  /** How many outcomes no dispatcher has answered: their attempts may run again. */
  readonly unconfirmed: number;
}

/** Slots can be changed up to this many while a worker runs. */
const SLOT_ROOM = 1_000;
const CLOSE_MS = 30_000;
const GRACE_MS = 5_000;
/** Kept of the closing time for the last outcomes and the goodbye. */
const FAREWELL_MS = 1_000;
/** The goodbye alone is not worth a longer wait. */
const GOODBYE_MS = 2_000;
const TEARDOWN_MS = 1_000;
const GREET_MS = 1_000;
/** A worker that has received nothing for this long, though its heartbeats want answers, opens its mailbox again. */
const DEAF_MS = 10_000;
/** A worker that its engine has lost sight of shows this often that it lives. */
const ABSENT_BEAT_MS = 300;
const OPTIONS = [
  "engine",
  "host",
  "handlers",
  "slots",
  "labels",
  "resources",
  "id",
  "heartbeats",
  "graceMs",
  "submit",
  "tracing",
  "onAttempt",
  "report",
];

/** Starts a worker on an engine. Throws INVALID_OPTIONS, what a context throws, or BROKER_UNAVAILABLE. */
export async function startWorkerOn(options: WorkerOptions): Promise<Worker> {
  const check = optionCheck("startWorker");
  check.known(options, OPTIONS);
  const slots = check.whole("slots", options.slots, { min: 1, max: 10_000, otherwise: 10 });
  const graceMs = check.whole("graceMs", options.graceMs, { min: 0, max: 3_600_000, otherwise: GRACE_MS });
  const id = options.id ?? randomId(options.host);
  checkName(id, "A worker's id");
  // What could not travel would keep the worker from ever presenting itself.
  const labels = checkedLabels("labels", options.labels ?? {}, check, MAX_LABELS);
  const resources = amountsOf("resources", options.resources ?? {}, check, MAX_RESOURCES);
  const registry = new Registry(options.handlers);
  const offers = offersOf(resources, registry.handlers, options.engine.shards);
  const inMain = [...registry.handlers].filter(({ isolate }) => isolate === null);
  const contexts = await Contexts.open(inMain);
  try {
    const isolation = await Isolation.open(registry.handlers, slots);
    const worker = new Worker({
      ...options,
      id,
      slots,
      graceMs,
      labels,
      offers,
      registry,
      contexts,
      isolation,
    });
    await worker.open();
    return worker;
  } catch (error) {
    await contexts.close();
    throw error;
  }
}

interface WorkerParts extends WorkerOptions {
  readonly id: string;
  readonly slots: number;
  readonly graceMs: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Of its resources, by shard. */
  readonly offers: readonly Readonly<Record<string, number>>[];
  readonly registry: Registry;
  readonly contexts: Contexts;
  readonly isolation: Isolation | null;
}

/** A process's worker: takes attempts from the yard's dispatchers and runs their handlers. */
export class Worker {
  readonly id: string;
  readonly mailbox: string;
  /** Resolves when the worker was asked to drain, or closed, and has ended everything. */
  readonly drained: Promise<CloseReport>;
  readonly #parts: WorkerParts;
  readonly #links: readonly ShardLink[];
  readonly #heartbeats: Heartbeats;
  readonly #division: Division;
  readonly #runner: Runner;
  readonly #intake: Intake;
  readonly #outgoing: Outgoing;
  readonly #patience: Patience;
  readonly #silence: Sweep;
  #inbox: Inbox | null = null;
  #release: (() => Promise<void>) | null = null;
  #resolveDrained: (report: CloseReport) => void = () => undefined;
  /** When something last came into the mailbox. */
  #heardAt = 0;
  #cancelListen: Cancel | null = null;
  #cancelAbsentBeat: Cancel | null = null;
  /** The connection was lost: a heartbeat asks for an answer as soon as one can be heard. */
  #wasCutOff = false;
  readonly #greetedAt: number[] = [];
  #isEnding = false;
  #slots: number;
  /** The most slots that it can have: what watches over them is laid out for these. */
  readonly #room: number;
  /** How long closing may take in all, and until when. */
  #budgetMs: number = Number.POSITIVE_INFINITY;
  #deadline: number = Number.POSITIVE_INFINITY;

  constructor(parts: WorkerParts) {
    const { engine, host, id, slots, registry, contexts, isolation } = parts;
    this.id = id;
    this.mailbox = workerMailbox(id);
    this.#parts = parts;
    this.#slots = slots;
    this.#room = Math.max(slots, SLOT_ROOM);
    const report = this.#report.bind(this);
    const changed = (): void => this.#changed();
    this.#links = Array.from({ length: engine.shards }, (_, shard) => new ShardLink(shard, id, this.mailbox));
    const openHeartbeats = parts.heartbeats ?? inlineHeartbeats;
    this.#heartbeats = openHeartbeats({
      engine,
      host,
      worker: id,
      mailbox: this.mailbox,
      slots: this.#room,
      report,
    });
    const { pulse } = this.#heartbeats;
    const payloads = new Payloads(engine.store, host, engine.vault);
    const submit = parts.submit ?? submitNowhere;
    const links = this.#links;
    const division = new Division({
      host,
      slots,
      links,
      heartbeats: this.#heartbeats,
      isLost: (shard) => !this.#runner.isInContact(shard),
    });
    this.#division = division;
    this.#runner = new Runner({
      host,
      slots,
      registry,
      contexts,
      isolation,
      payloads,
      vault: engine.vault,
      pulse,
      division,
      links,
      submit,
      worker: id,
      tracing: parts.tracing ?? null,
      onAttempt: parts.onAttempt ?? null,
      report,
      changed,
    });
    this.#intake = new Intake({
      links,
      runner: this.#runner,
      heartbeats: this.#heartbeats,
      division,
      drain: (withinMs) => void (withinMs === undefined ? this.drain() : this.close({ timeoutMs: withinMs })),
      setSlots: (slots) => this.setSlots(Math.min(Math.max(1, slots), this.#room)),
      report,
    });
    const all = [...links.keys()];
    this.#outgoing = new Outgoing(engine.broker, host, all, (shards) => this.#collect(shards), report);
    this.#patience = new Patience(host);
    this.#silence = new Sweep(host, (now) => this.#lookForSilence(now));
    this.drained = new Promise((resolve) => {
      this.#resolveDrained = resolve;
    });
  }

  /** Presence first: whoever gives this worker a task must be able to notice its death. */
  async open(): Promise<void> {
    const { broker } = this.#parts.engine;
    const { host } = this.#parts;
    try {
      this.#release = await broker.presence.hold(this.mailbox, (isHeld) => this.#presenceChanged(isHeld));
      this.#inbox = await Inbox.open({
        broker,
        host,
        mailbox: this.mailbox,
        take: (deliveries) => {
          this.#heardAt = host.monotonic();
          this.#intake.take(deliveries);
          this.#outgoing.ack(deliveries);
          this.#changed();
        },
        broken: (error) => {
          this.#wasCutOff = true;
          this.#report("The worker cannot receive and tries again", error);
        },
        reopening: () => this.#outgoing.forgetAcks(),
        reopened: () => this.#reopened(),
      });
    } catch (error) {
      await this.#tearDown();
      throw error;
    }
    this.#listen();
    this.#outgoing.request();
  }

  /** The attempts whose handlers run. */
  get running(): number {
    return this.#runner.running.length;
  }

  /** How many attempts run at a time. */
  get slots(): number {
    return this.#slots;
  }

  /**
   * Runs so many attempts at a time from now on, 1 to 1,000, or what it was started with where that is more; what runs
   * goes on. Throws INVALID_OPTIONS.
   */
  setSlots(slots: number): void {
    optionCheck("setSlots").whole("slots", slots, { min: 1, max: this.#room, otherwise: 1 });
    if (this.#isEnding || slots === this.#slots) return;
    this.#slots = slots;
    this.#runner.resize(slots);
  }

  /** Takes no more work, hands back what has not started, and ends when the rest has. */
  drain(): Promise<CloseReport> {
    if (!this.#isEnding) {
      this.#isEnding = true;
      this.#intake.leave();
      this.#runner.stopTaking();
      void this.#end();
      this.#changed();
    }
    return this.drained;
  }

  /**
   * Drains, but always settles: running handlers are aborted in time for their grace, and what goes on beyond
   * `timeoutMs` (default 30,000) is reported as failed with CLOSED and named in the answer.
   */
  async close(options: { readonly timeoutMs?: number } = {}): Promise<CloseReport> {
    const { timeoutMs = CLOSE_MS } = optionsOf("close", options);
    checkDelay(timeoutMs, "timeoutMs");
    const deadline = this.#parts.host.monotonic() + timeoutMs;
    if (deadline < this.#deadline) {
      this.#deadline = deadline;
      this.#budgetMs = timeoutMs;
    }
    const closed = this.drain();
    this.#patience.poke();
    return closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #end(): Promise<void> {
    const isQuiet = (): boolean => !this.#runner.isBusy;
    const farewell = (): number => Math.min(FAREWELL_MS, this.#budgetMs / 5);
    const grace = (): number => Math.min(this.#parts.graceMs, this.#budgetMs / 2);
    await this.#patience.until(isQuiet, () => this.#deadline - farewell() - grace());
    this.#runner.stopAll();
    await this.#patience.until(isQuiet, () => this.#deadline - farewell());
    this.#runner.giveUp();
    const quietAt = this.#parts.host.monotonic();
    await this.#patience.until(
      () => this.#links.every(({ isSettled, wantsGoodbye }) => isSettled && !wantsGoodbye),
      () => Math.min(this.#deadline, this.#farewellUntil(quietAt)),
    );
    const left = this.#runner.running.map(({ assign: { id, name, attempt } }) => ({ id, name, attempt }));
    const unconfirmed = this.#links.reduce((sum, { unansweredOutcomes }) => sum + unansweredOutcomes, 0);
    await this.#tearDown();
    this.#resolveDrained({ left, unconfirmed });
  }

  /** Outcomes are worth all the time there is, a goodbye only a moment, and only if somebody listens. */
  #farewellUntil(quietAt: number): number {
    if (this.#links.some(({ unansweredOutcomes }) => unansweredOutcomes > 0)) return Number.POSITIVE_INFINITY;
    const isHeard = this.#links.some(({ shard }) => this.#runner.isInContact(shard));
    return isHeard ? quietAt + GOODBYE_MS : quietAt;
  }

  /** Everything that is held in the engine and the process; what fails or hangs does not stop the rest. */
  async #tearDown(): Promise<void> {
    const { broker } = this.#parts.engine;
    this.#runner.close();
    this.#cancelListen?.();
    this.#cancelAbsentBeat?.();
    this.#silence.close();
    this.#division.close();
    this.#outgoing.close();
    await this.#all([this.#heartbeats.close(), this.#inbox?.close(), this.#parts.isolation?.close()]);
    await this.#all([this.#release?.(), broker.remove(this.mailbox), this.#parts.contexts.close()]);
  }

  async #all(endings: readonly (Promise<void> | undefined)[]): Promise<void> {
    const bounded = endings.map((ending) =>
      answeredWithin(this.#parts.host, TEARDOWN_MS, Promise.resolve(ending)),
    );
    for (const result of await Promise.allSettled(bounded)) {
      if (result.status === "rejected")
        this.#report("The worker could not end all that it had", result.reason);
    }
  }

  #changed(): void {
    this.#outgoing.request();
    if (this.#isEnding) this.#patience.poke();
  }

  #collect(shards: readonly number[]): Load {
    const now = this.#parts.host.monotonic();
    const sends: Send[] = [];
    this.#division.settle();
    const links = shards.flatMap((shard) => this.#links[shard] ?? []);
    const parcels = links.map((link) => link.collect(sends, () => this.#register(link.shard), now));
    return {
      sends,
      sent: () => this.#sent(shards, parcels),
      failed: () => {
        for (const [index, parcel] of parcels.entries()) links[index]?.restore(parcel);
      },
    };
  }

  #sent(shards: readonly number[], parcels: readonly Parcel[]): void {
    for (const [index, { registered, held, batches }] of parcels.entries()) {
      const shard = shards[index] ?? 0;
      if (registered) this.#greet(shard);
      if (held || batches.length > 0) this.#silence.by(this.#parts.host.monotonic() + SILENCE_MS);
    }
    this.#heartbeats.start();
  }

  /**
   * A dispatcher that has just met this worker is asked at once to answer a heartbeat, so that work can start; one that
   * goes on not knowing it is asked with the regular ones.
   */
  #greet(shard: number): void {
    const now = this.#parts.host.monotonic();
    if (now - (this.#greetedAt[shard] ?? Number.NEGATIVE_INFINITY) < GREET_MS) return;
    this.#greetedAt[shard] = now;
    this.#heartbeats.beat(shard);
  }

  /** Whatever took the presence, a lost connection or an engine that starts again, may have taken the mailbox too. */
  #presenceChanged(isHeld: boolean): void {
    this.#cancelAbsentBeat?.();
    this.#wasCutOff = true;
    if (isHeld) {
      this.#runner.presenceHeld();
      this.#refresh();
    } else {
      this.#runner.presenceLost();
      this.#beatWhileAbsent();
    }
  }

  #beatWhileAbsent(): void {
    for (const { shard } of this.#links) this.#heartbeats.beat(shard);
    this.#cancelAbsentBeat = this.#parts.host.after(ABSENT_BEAT_MS, () => this.#beatWhileAbsent());
  }

  #refresh(): void {
    this.#inbox
      ?.refresh()
      .catch((error: unknown) => this.#report("The worker cannot receive and tries again", error));
  }

  #reopened(): void {
    this.#intake.reopened();
    this.#changed();
    if (this.#wasCutOff) for (const { shard } of this.#links) this.#heartbeats.beat(shard);
    this.#wasCutOff = false;
  }

  /** Heartbeats that nobody answers may mean that the mailbox is gone: a sweep may take a live worker for a dead one. */
  #listen(): void {
    const { host } = this.#parts;
    this.#heardAt = host.monotonic();
    const look = (): void => {
      if (host.monotonic() - this.#heardAt >= DEAF_MS) {
        this.#heardAt = host.monotonic();
        this.#refresh();
      }
      this.#cancelListen = host.after(DEAF_MS / 2, look);
    };
    this.#cancelListen = host.after(DEAF_MS / 2, look);
  }

  /** Sends again what nobody has answered for too long. */
  #lookForSilence(now: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const link of this.#links) next = Math.min(next, link.markSilent(now));
    this.#outgoing.request();
    return next;
  }

  #register(shard: number): Register {
    const { registry, labels, offers } = this.#parts;
    const { tasks, queues } = registry;
    return {
      type: "register",
      worker: this.id,
      mailbox: this.mailbox,
      credit: this.#division.credit(shard),
      tasks,
      queues,
      labels,
      resources: offers[shard] ?? {},
    };
  }

  #report(what: string, error: unknown): void {
    this.#parts.report?.(what, error);
  }
}

const submitNowhere: Submit = async () => {
  throw new YardmasterError(
    "UNSUPPORTED",
    "This worker was started without a client: its handlers cannot submit tasks.",
  );
};
