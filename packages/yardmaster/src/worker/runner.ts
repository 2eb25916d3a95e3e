import { fraction, type Host, pause } from "../host.ts";
import type { ByteString } from "../protocol/bytes.ts";
import type { Assign, LogLine } from "../protocol/envelope.ts";
import { isCode, messageOf, YardmasterError } from "../protocol/errors.ts";
import { shardOf } from "../protocol/ids.ts";
import { KeptOutcome } from "../protocol/kept-envelopes.ts";
import { CONTACT_MS, type Epoch, type TaskId } from "../protocol/task.ts";
import type { Vault } from "../security/vault.ts";
import type { Tracing } from "../tracing.ts";
import { Attempt, endingOfStopped, endingOfStuck, type StopReason } from "./attempt.ts";
import { callOf, type Teller } from "./attempt-call.ts";
import type { AttemptNews, OnAttempt } from "./attempt-news.ts";
import { Batcher } from "./batcher.ts";
import type { Contexts } from "./contexts.ts";
import type { Division } from "./division.ts";
import { type Ending, ended, execute } from "./execution.ts";
import { failure, failureOf } from "./failure.ts";
import type { Batch, Call, Handler, Submit } from "./handlers.ts";
import type { Isolation } from "./isolation.ts";
import { News } from "./news.ts";
import type { Payloads } from "./payloads.ts";
import type { Pulse } from "./pulse.ts";
import type { Registry } from "./registry.ts";
import type { ShardLink } from "./shard-link.ts";
import { Slots } from "./slots.ts";
import { Sweep } from "./sweep.ts";

/** An attempt that still runs by then is reported as running. */
const NOTE_AFTER_MS = 100;
const NO_CONTACT_LOOK_MS = 1_000;
/** Only what waited here this long is held against its expiry by this machine's clock. */
const EXPIRY_CHECK_MS = 1_000;
const READ_RETRY_MS = 500;

export interface RunnerParts {
  readonly host: Host;
  readonly slots: number;
  readonly registry: Registry;
  readonly contexts: Contexts;
  readonly isolation: Isolation | null;
  readonly payloads: Payloads;
  /** Absent where results are plain. */
  readonly vault: Vault | undefined;
  readonly pulse: Pulse;
  readonly division: Division;
  readonly links: readonly ShardLink[];
  readonly submit: Submit;
  readonly worker: string;
  readonly tracing: Tracing | null;
  readonly onAttempt: OnAttempt | null;
  readonly report: (what: string, error: unknown) => void;
  /** There is something to send, or something to wait for has happened. */
  readonly changed: () => void;
}

/** Takes attempts through their lives: waiting, running in a slot, stopping, ended. */
export class Runner {
  readonly #parts: RunnerParts;
  readonly #slots: Slots;
  readonly #sweep: Sweep;
  /** By shard: when the last heartbeat that was answered had been sent. */
  readonly #contactAt: number[];
  /** By shard: only later heartbeats were sent by a worker that was present. Infinity while it is not. */
  readonly #absentUpTo: number[];
  #isTaking = true;
  #stuck = 0;
  #turn = 0;
  readonly #batchers = new Map<Handler, Batcher>();
  readonly #teller: Teller;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
    this.#teller = {
      progress: (attempt, fraction, note) => this.#tellProgress(attempt, fraction, note),
      log: (attempt, message, level) => this.#tellLog(attempt, message, level),
      submit: parts.submit,
    };
    this.#slots = new Slots(
      parts.slots,
      () => this.#next(),
      (attempt) => this.#start(attempt),
    );
    this.#sweep = new Sweep(parts.host, (now) => this.#look(now));
    this.#contactAt = parts.links.map(() => Number.NEGATIVE_INFINITY);
    this.#absentUpTo = parts.links.map(() => 0);
  }

  /** Slots less those that a handler fills beyond its attempt's end. */
  get credit(): number {
    return Math.max(0, this.#slots.size - this.#stuck);
  }

  /** The attempts whose handlers run, ended ones included. */
  get running(): readonly Attempt[] {
    return this.#slots.attempts
      .filter((attempt) => attempt !== null)
      .filter(({ startedAt }) => startedAt > 0);
  }

  /** Whether an attempt in a slot has no outcome yet. */
  get isBusy(): boolean {
    return this.#slots.attempts.some((attempt) => attempt !== null && attempt.outcome === null);
  }

  isInContact(shard: number): boolean {
    return this.#parts.host.monotonic() - (this.#contactAt[shard] ?? Number.NEGATIVE_INFINITY) < CONTACT_MS;
  }

  /** The heartbeat of that number was answered by a dispatcher that knows this worker. */
  contact(shard: number, number: number): void {
    if (number <= (this.#absentUpTo[shard] ?? 0)) return;
    const sentAt = this.#parts.pulse.sentAt(shard, number);
    this.#contactAt[shard] = Math.max(sentAt, this.#contactAt[shard] ?? sentAt);
  }

  /** A dispatcher may take this worker for dead now: nothing starts. What runs goes on. */
  presenceLost(): void {
    this.#contactAt.fill(Number.NEGATIVE_INFINITY);
    this.#absentUpTo.fill(Number.POSITIVE_INFINITY);
  }

  /** What starts waits for the answer to a heartbeat that is sent from now on. */
  presenceHeld(): void {
    for (const shard of this.#absentUpTo.keys()) this.#absentUpTo[shard] = this.#parts.pulse.sent(shard);
  }

  assign(link: ShardLink, epoch: Epoch, assign: Assign): void {
    const latest = link.latest(assign.id);
    if (latest !== null && link.find(assign.id, epoch, assign.attempt) !== null) return;
    const attempt = new Attempt(link.shard, epoch, assign, this.#parts.host.monotonic(), latest);
    link.hold(attempt);
    if (this.#isTaking) return;
    // Whoever still gives it work has not heard its goodbye.
    link.wantsGoodbye = true;
    this.#handBack(link);
  }

  /** Starts what may start now. */
  fill(): void {
    this.#slots.fill();
  }

  /** The dispatcher wants an attempt ended. An unknown one is none of ours: the inventory says so. */
  abort(link: ShardLink, epoch: Epoch, number: number, id: string, reason: "cancelled" | "timedOut"): void {
    const attempt = link.find(id, epoch, number);
    if (attempt === null) link.wantsHeld = true;
    else if (attempt.state === "running") this.#stop(attempt, reason);
    else if (attempt.state === "waiting") {
      link.waiting = link.waiting.filter((other) => other !== attempt);
      const isCancelled = reason === "cancelled";
      this.#finish(attempt, isCancelled ? endingOfStuck(attempt, reason) : ended("returned", null));
    }
  }

  /** Takes nothing more, and hands back what has not started. */
  stopTaking(): void {
    this.#isTaking = false;
    for (const link of this.#parts.links) this.#handBack(link);
    for (const attempt of this.#slots.attempts) {
      if (attempt?.state === "waiting") this.#finish(attempt, ended("returned", null));
    }
  }

  /** Aborts every running attempt because the worker closes. */
  stopAll(): void {
    for (const attempt of this.running) if (attempt.state === "running") this.#stop(attempt, "closed");
  }

  /** Ends every attempt that goes on, as far as the dispatcher is concerned. */
  giveUp(): void {
    for (const attempt of this.running) if (attempt.outcome === null) this.#reportStuck(attempt);
  }

  close(): void {
    this.#isTaking = false;
    this.#sweep.close();
  }

  #handBack(link: ShardLink): void {
    const { waiting } = link;
    link.waiting = [];
    for (const attempt of waiting) this.#finish(attempt, ended("returned", null));
  }

  /** Shards take turns. */
  #next(): Attempt | null {
    const { links } = this.#parts;
    for (let tried = 0; tried < links.length; tried += 1) {
      this.#turn = (this.#turn + 1) % links.length;
      const link = links[this.#turn];
      if (link === undefined || link.waiting.length === 0 || !this.isInContact(link.shard)) continue;
      const attempt = link.takeWaiting();
      if (attempt === null) continue;
      if (!this.#hasExpired(attempt)) return attempt;
      tried -= 1;
    }
    return null;
  }

  /** The dispatcher decides by its own clock: an attempt that seems too late here goes back to it. */
  #hasExpired(attempt: Attempt): boolean {
    const { host } = this.#parts;
    const { expiresAt } = attempt.assign;
    if (expiresAt === 0 || host.monotonic() - attempt.receivedAt < EXPIRY_CHECK_MS || host.now() < expiresAt)
      return false;
    this.#finish(attempt, ended("returned", null));
    return true;
  }

  #start(attempt: Attempt): void {
    const { registry } = this.#parts;
    const { name, version, payload } = attempt.assign;
    const handler = registry.find(name, version);
    if (handler === undefined) this.#end(attempt, ended("final", registry.unknown(name, version)));
    else if (payload !== null) this.#runOpened(attempt, handler, payload);
    else void this.#runLater(attempt, handler);
  }

  #runOpened(attempt: Attempt, handler: Handler, sealed: ByteString): void {
    const { id, name } = attempt.assign;
    let payload: ByteString;
    try {
      payload = this.#parts.payloads.open(sealed, id, name);
    } catch (error) {
      return this.#end(attempt, ended("final", failureOf(error, "PAYLOAD_UNREADABLE")));
    }
    this.#run(attempt, handler, payload);
  }

  /** The slot is kept while the payload is read, so that no more is read than can run. */
  async #runLater(attempt: Attempt, handler: Handler): Promise<void> {
    let payload: ByteString | null;
    try {
      payload = await this.#read(attempt);
    } catch (error) {
      return this.#end(attempt, ended("final", failureOf(error, "PAYLOAD_UNREADABLE")));
    }
    if (attempt.state !== "waiting") this.#free(attempt);
    else if (payload === null) {
      const message =
        "The store does not have the task's payload, or not all results that its input is made of.";
      this.#end(attempt, ended("failed", failure("STORE_UNAVAILABLE", message)));
    } else if (this.isInContact(attempt.shard) && this.#linkOf(attempt).isWanted(attempt))
      this.#run(attempt, handler, payload);
    else {
      this.#linkOf(attempt).waiting.unshift(attempt);
      this.#free(attempt);
    }
  }

  /** Tries for as long as the attempt is wanted: an absent store is no fault of the task. */
  async #read(attempt: Attempt): Promise<ByteString | null> {
    const { payloads, host, report } = this.#parts;
    while (attempt.state === "waiting") {
      try {
        return await payloads.read(attempt.assign.id);
      } catch (error) {
        if (isCode(error, "PAYLOAD_UNREADABLE")) throw error;
        report("The worker cannot read a payload and tries again", error);
        await pause(host, READ_RETRY_MS * (0.5 + fraction(host)));
      }
    }
    return null;
  }

  #run(attempt: Attempt, handler: Handler, payload: ByteString): void {
    const { maxPayloadBytes, name } = handler.definition;
    if (payload.length > maxPayloadBytes) {
      const message = `The payload of ${name} has ${payload.length} bytes; its limit is ${maxPayloadBytes}.`;
      return this.#end(attempt, ended("final", failure("PAYLOAD_TOO_LARGE", message)));
    }
    const { host, pulse } = this.#parts;
    attempt.state = "running";
    attempt.startedAt = host.now();
    attempt.startedMono = host.monotonic();
    const { timesOutAt } = attempt;
    if (handler.isolate === null && attempt.assign.timeoutMs > 0) {
      pulse.guard(attempt.slot, timesOutAt + attempt.assign.graceMs);
    }
    this.#sweep.by(Math.min(timesOutAt, attempt.startedMono + NOTE_AFTER_MS));
    this.#tell(attempt, null);
    const ending = this.#execute(attempt, handler, payload);
    if (ending instanceof Promise) void ending.then((late) => this.#end(attempt, late));
    else this.#end(attempt, ending);
  }

  #execute(attempt: Attempt, handler: Handler, payload: ByteString): Ending | Promise<Ending> {
    const { tracing, worker } = this.#parts;
    if (tracing === null) return this.#handle(attempt, handler, payload);
    const { name, id, attempt: number, trace = "" } = attempt.assign;
    const { queue } = handler.definition.spec;
    return tracing.processing({ name, queue, id, attempt: number, worker, trace }, () =>
      this.#handle(attempt, handler, payload),
    );
  }

  #handle(attempt: Attempt, handler: Handler, payload: ByteString): Ending | Promise<Ending> {
    const { isolation } = this.#parts;
    if (handler.isolate !== null && isolation !== null) {
      const progress: Call<unknown>["progress"] = (fraction, note = "") =>
        this.#tellProgress(attempt, fraction, note);
      const log: Call<unknown>["log"] = (message, level = "info") => this.#tellLog(attempt, message, level);
      return isolation.run(attempt, handler, payload, { progress, log });
    }
    attempt.isGathering = handler.batch !== null;
    const taking = handler.batch === null ? handler : this.#batcherOf(handler, handler.batch).handler;
    return execute(taking, payload, attempt.assign.version, (input) => this.#call(attempt, handler, input));
  }

  #batcherOf(handler: Handler, batch: Batch): Batcher {
    const known = this.#batchers.get(handler);
    if (known !== undefined) return known;
    const batcher = new Batcher(handler, batch, this.#parts.host, {
      slots: () => this.#slots.size,
      mayStart: (call) => this.#mayRun(call.taskId),
      starts: (call) => this.#gathered(call),
    });
    this.#batchers.set(handler, batcher);
    return batcher;
  }

  /** Until now the dispatcher was to believe that it had not started: a cancel must wait for what may still start. */
  #gathered({ taskId, attempt: number }: Call<unknown>): void {
    let attempt = this.#parts.links[shardOf(taskId)]?.latest(taskId) ?? null;
    while (attempt !== null && attempt.assign.attempt !== number) attempt = attempt.older;
    if (attempt === null) return;
    attempt.isGathering = false;
    this.#sweep.by(attempt.startedMono + NOTE_AFTER_MS);
  }

  /** Whether a dispatcher counts on the latest attempt of a task now. */
  #mayRun(id: TaskId): boolean {
    const link = this.#parts.links[shardOf(id)];
    const attempt = link?.latest(id) ?? null;
    return attempt !== null && link?.isWanted(attempt) === true && this.isInContact(attempt.shard);
  }

  #call(attempt: Attempt, handler: Handler, input: unknown): Call<unknown> {
    const context = this.#parts.contexts.of(handler.source);
    const call = callOf(attempt, input, this.#teller);
    // Assigned to the call and not the other way round, which would read the signal.
    return context === null ? call : Object.assign(call, context);
  }

  #tellProgress(attempt: Attempt, fraction: number, note: string): void {
    attempt.news ??= new News();
    attempt.news.progress(fraction, note);
    if (attempt.state === "running") this.#sweep.by(attempt.news.dueAt);
  }

  #tellLog(attempt: Attempt, message: string, level: LogLine["level"]): void {
    attempt.news ??= new News();
    attempt.news.log(this.#parts.host.now(), message, level);
    if (attempt.state === "running") this.#sweep.by(attempt.news.dueAt);
  }

  /** The handler has ended. */
  #end(attempt: Attempt, ending: Ending): void {
    if (attempt.outcome === null) {
      const { stop } = attempt;
      this.#finish(attempt, stop === null ? ending : endingOfStopped(attempt, stop, ending));
    } else this.#setStuck(this.#stuck - 1);
    this.#free(attempt);
  }

  #free(attempt: Attempt): void {
    this.#parts.pulse.guard(attempt.slot, 0);
    this.#slots.release(attempt);
    this.#parts.changed();
    this.#slots.fill();
  }

  #stop(attempt: Attempt, reason: StopReason): void {
    attempt.abort(reason, this.#parts.host.monotonic() + attempt.assign.graceMs);
    if (attempt.outcome === null) this.#sweep.by(attempt.graceOverAt);
  }

  #finish(attempt: Attempt, ending: Ending): void {
    const link = this.#linkOf(attempt);
    const { id, attempt: number } = attempt.assign;
    const { epoch, startedAt } = attempt;
    if (attempt.news?.isPending) link.addNote(attempt.note(0, 0));
    this.#tell(attempt, ending);
    const sealed = this.#sealed(id, ending);
    link.finish(attempt, new KeptOutcome({ id, epoch, attempt: number, startedAt }, sealed));
    this.#parts.changed();
  }

  #tell(attempt: Attempt, ending: Ending | null): void {
    const { onAttempt, worker, host } = this.#parts;
    if (onAttempt === null || (attempt.startedAt === 0 && ending?.kind !== "final")) return;
    const { id, name, attempt: number, attempts } = attempt.assign;
    const news: AttemptNews = { worker, task: id, name, attempt: number, attempts };
    if (ending === null) onAttempt(news);
    else {
      const { code = "", message = "" } = ending.error ?? {};
      const tookMs = attempt.startedAt === 0 ? 0 : host.monotonic() - attempt.startedMono;
      onAttempt({ ...news, end: { kind: ending.kind, code, message, tookMs } });
    }
  }

  #sealed(id: TaskId, ending: Ending): Ending {
    const { vault } = this.#parts;
    if (vault === undefined || ending.kind !== "succeeded") return ending;
    try {
      return { ...ending, result: vault.seal(ending.result, { part: "result", id }) };
    } catch (error) {
      return ended("failed", failure("RESULT_TOO_LARGE", messageOf(error)));
    }
  }

  /** The attempt has ended though its handler goes on in its slot; a thread is ended. */
  #reportStuck(attempt: Attempt): void {
    this.#setStuck(this.#stuck + 1);
    this.#finish(attempt, endingOfStuck(attempt, attempt.stop ?? "closed"));
    attempt.terminate?.();
  }

  /** The lower credit travels before the outcome, so that the dispatcher does not fill a slot that is not free. */
  #setStuck(stuck: number): void {
    this.#stuck = stuck;
    this.#offer();
  }

  /** Runs so many attempts at a time from now on; what runs goes on. */
  resize(slots: number): void {
    this.#slots.resize(slots);
    this.#offer();
    this.#parts.changed();
    this.#slots.fill();
  }

  #offer(): void {
    this.#parts.division.resize(this.credit);
    if (this.#isTaking) for (const link of this.#parts.links) link.wantsRegister = true;
  }

  /** Everything that is due; answers when to look again. */
  #look(now: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const attempt of this.#slots.attempts) {
      if (attempt === null || attempt.state !== "running") continue;
      if (attempt.stop === null && now >= attempt.timesOutAt) this.#stop(attempt, "timedOut");
      // The handler may have ended in the listener of its signal's abort.
      if (now >= attempt.graceOverAt && attempt.state === "running") this.#reportStuck(attempt);
      else
        next = Math.min(
          next,
          this.#tellNews(attempt, now),
          attempt.stop === null ? attempt.timesOutAt : attempt.graceOverAt,
        );
    }
    return next;
  }

  #tellNews(attempt: Attempt, now: number): number {
    const isQuiet = attempt.isNoted || attempt.isGathering;
    const noteAt = isQuiet ? Number.POSITIVE_INFINITY : attempt.startedMono + NOTE_AFTER_MS;
    const dueAt = Math.min(noteAt, attempt.news?.dueAt ?? Number.POSITIVE_INFINITY);
    if (now < dueAt) return dueAt;
    // Nobody listens: the latest news wait instead of filling the lane.
    if (!this.isInContact(attempt.shard)) return now + NO_CONTACT_LOOK_MS;
    const isNew = now >= noteAt;
    attempt.isNoted ||= isNew;
    this.#linkOf(attempt).addNote(attempt.note(isNew ? attempt.startedAt : 0, now));
    this.#parts.changed();
    return isNew || isQuiet ? Number.POSITIVE_INFINITY : noteAt;
  }

  #linkOf(attempt: Attempt): ShardLink {
    const link = this.#parts.links[attempt.shard];
    if (link === undefined) throw new YardmasterError("INVALID_FRAME", `There is no shard ${attempt.shard}.`);
    return link;
  }
}
