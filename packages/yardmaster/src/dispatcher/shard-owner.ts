import type { Delivery, Send } from "../brokers/broker.ts";
import { nextFire } from "../cron.ts";
import { endedWithin } from "../deadline.ts";
import { type Engine, submitLane } from "../engine.ts";
import { type Cancel, fraction, type Host, pause } from "../host.ts";
import type { Effects } from "../kernel/effects.ts";
import { Kernel } from "../kernel/kernel.ts";
import type { Limits } from "../kernel/shard.ts";
import type { Change } from "../protocol/change.ts";
import type { Envelope, Frame, Handover, ToDispatcher } from "../protocol/envelope.ts";
import { isCode, messageOf, YardmasterError } from "../protocol/errors.ts";
import { encodeFrame } from "../protocol/frame.ts";
import type { TaskId } from "../protocol/task.ts";
import type { Lease, ReadAnswer } from "../stores/store.ts";
import { type Alarm, alarmOf, type OnAlarm } from "./alarm.ts";
import { CatalogueWalk } from "./catalogue-walk.ts";
import { Echo } from "./echo.ts";
import type { FenceTally } from "./fence-tally.ts";
import { FrameEncoder } from "./frame-encoder.ts";
import type { Headroom } from "./headroom.ts";
import { Inputs } from "./inputs.ts";
import { lookUp, type OpenedFrame, openFrames, toEvent, type Unreadable } from "./intake.ts";
import { LeaseKeeper, type LeaseTimes } from "./lease-keeper.ts";
import { PresenceWatch } from "./presence-watch.ts";
import type { Quarantine } from "./quarantine.ts";
import { alarmCodeOf, isNew, mayBeRefusal } from "./refusal.ts";
import { standInFor } from "./stand-in.ts";
import { Trust } from "./trust.ts";

/** Why an ownership ended. After `reload` and `full` the same dispatcher may take the shard again at once. */
export type Ending = "closed" | "lost" | "reload" | "full";

const TRY_AFTER_LOADS = 10;
const RETRY_MS = { first: 10, most: 1_000 };
/** After so long a full store is not tried with the same any more: the next ownership makes room first. */
const FULL_MS = 3_000;
/** How many records that are over an owner sweeps first where the store is full. */
const FIRST_SWEEP = 10_000;
/** Without a look into the lanes for this long, the silence of workers says nothing. */
const STALL_MS = 2_000;
/** An engine that does not answer is not waited for any longer when the ownership is over. */
const LEAVE_MS = 2_000;

/**
 * One ownership of one shard, from acquisition to its end: drain, decide, commit, send, ack, again and again.
 *
 * Everything in the kernel is ahead of the store only while a commit is under way. If that commit is refused, the
 * kernel is thrown away with this object and a new ownership starts from the store.
 */
export class ShardOwner {
  readonly lease: Lease;
  private readonly engine: Engine;
  private readonly host: Host;
  private readonly onAlarm: OnAlarm;
  private readonly onHandover: (handover: Handover) => void;
  private readonly kernel: Kernel;
  private readonly inspect: ((kernel: Kernel) => void) | undefined;
  private readonly encoder: FrameEncoder;
  private readonly trust = new Trust();
  private readonly echo: Echo;
  private readonly keeper: LeaseKeeper;
  /** Wall clock at monotonic zero: the kernel's time follows the wall but never jumps within an ownership. */
  private readonly timeOrigin: number;
  /** The way to this owner is proven as long as an echo came back that was sent no longer ago than this. */
  private readonly provenMs: number;
  private readonly quarantine: Quarantine;
  private readonly headroom: Headroom;
  private readonly fence: FenceTally;
  private cancelOpening: Cancel = () => undefined;
  private readonly inputs: Inputs;
  private readonly walk: CatalogueWalk;
  private watch: PresenceWatch | null = null;
  /** What this owner sends to itself with the next commit. */
  private readonly asides: Send[] = [];
  private sequence = 0;
  private ending: Ending | null = null;
  private wake: (() => void) | null = null;
  /** Something came up while nobody waited for it. */
  private isCalled = false;
  /** Monotonic: up to then everything that had arrived was taken in. */
  private caughtUpAt: number;
  /** Resolves when the lease is over: what the engine has not answered by then does not matter any more. */
  private readonly over: Promise<void>;
  private giveUp: () => void = () => undefined;

  constructor(options: {
    readonly engine: Engine;
    readonly host: Host;
    readonly lease: Lease;
    readonly sentAt: number;
    readonly times: LeaseTimes;
    readonly quarantine: Quarantine;
    readonly headroom: Headroom;
    readonly fence: FenceTally;
    readonly onAlarm: OnAlarm;
    /** Another dispatcher asks this ownership for its shard. */
    readonly onHandover: (handover: Handover) => void;
    readonly limits: Partial<Limits>;
    readonly inspect: ((kernel: Kernel) => void) | undefined;
  }) {
    const { engine, host, lease } = options;
    this.engine = engine;
    this.host = host;
    this.lease = lease;
    this.quarantine = options.quarantine;
    this.headroom = options.headroom;
    this.fence = options.fence;
    this.provenMs = options.times.renewMs + STALL_MS;
    this.onAlarm = options.onAlarm;
    this.onHandover = options.onHandover;
    this.inspect = options.inspect;
    this.timeOrigin = host.now() - host.monotonic();
    this.kernel = new Kernel({
      shard: lease.shard,
      shards: engine.shards,
      epoch: lease.epoch,
      seed: host.random(),
      nextFire,
      ...options.limits,
    });
    this.encoder = new FrameEncoder(lease.shard, lease.epoch);
    this.echo = new Echo(engine.broker, host, lease.shard, host.random());
    this.inputs = new Inputs(engine, lease.shard, {
      arrival: () => this.wakeUp(),
      failure: (error) => this.fail(error),
    });
    const isOver = (): boolean => this.ending !== null;
    const fail = (error: unknown): void => this.fail(error);
    this.walk = new CatalogueWalk({ store: engine.store, host, kernel: this.kernel, isOver, fail });
    this.caughtUpAt = host.monotonic();
    this.over = new Promise((resolve) => {
      this.giveUp = resolve;
    });
    this.keeper = new LeaseKeeper({
      store: engine.store,
      host,
      times: options.times,
      lease,
      sentAt: options.sentAt,
      isHealthy: () => this.echo.isHeard(),
      onLost: (reason) => {
        this.end("lost", reason);
        this.giveUp();
      },
    });
  }

  /** Serves the shard until the ownership ends, one way or another. */
  async run(): Promise<Ending> {
    await Promise.race([this.serve(), this.over]);
    await this.leave();
    return this.ending ?? "lost";
  }

  /** Ends after the present tick. */
  close(): void {
    this.end("closed", "");
  }

  /** May outlive the ownership when the engine does not answer; then it only cleans up. */
  private async serve(): Promise<void> {
    try {
      const startedAt = this.host.monotonic();
      await this.load();
      await this.open(this.host.monotonic() - startedAt);
      while (this.ending === null) {
        await this.turn();
        if (this.ending === null) await this.rest();
      }
    } catch (error) {
      this.fail(error);
    }
    await this.closeInputs();
  }

  private async load(): Promise<void> {
    for await (const items of this.engine.store.load(this.lease.shard)) {
      for (const item of items) this.kernel.restore(item, this.now());
      if (this.ending !== null) return;
    }
    this.kernel.restored(this.now());
  }

  private async open(loadMs: number): Promise<void> {
    const { broker } = this.engine;
    const { shard } = this.lease;
    if (this.headroom.isFull) await this.makeRoom();
    await this.inputs.openControl();
    if (this.headroom.isFull) {
      // If they are refused again, the load is to be paid again.
      const delayMs = Math.max(this.headroom.waitMs, TRY_AFTER_LOADS * loadMs);
      const open = (): Promise<void> => this.inputs.openSubmissions().catch((error) => this.fail(error));
      this.cancelOpening = this.host.after(delayMs, () => void open());
    } else await this.inputs.openSubmissions();
    this.watch = new PresenceWatch({
      broker,
      host: this.host,
      shard,
      watched: {
        ids: () => this.kernel.workers(),
        heardAt: (worker) => this.kernel.heardAt(worker),
        changed: (worker, isAbsent) => {
          this.kernel.apply({ type: "presenceChanged", worker, isAbsent }, this.now());
          this.wakeUp();
        },
      },
      onStall: () => this.kernel.apply({ type: "deadlinesRestarted" }, this.now()),
    });
  }

  /**
   * What a store takes that is full beyond its reserve, so that it takes how tasks end again; some take nothing. Tried once:
   * after a try of which nobody knows, the next commit would have a number that may be used.
   */
  private async makeRoom(): Promise<void> {
    const changes: Change[] = [{ type: "sweep", before: this.now(), limit: FIRST_SWEEP }];
    try {
      await this.engine.commit({
        lease: this.lease,
        sequence: this.sequence + 1,
        changes,
        sends: [],
        acks: [],
      });
      this.sequence += 1;
    } catch (error) {
      if (!isCode(error, "STORE_FULL")) throw error;
    }
  }

  /** One tick, if there is anything to do. */
  private async turn(): Promise<void> {
    this.isCalled = false;
    this.noticeStall();
    const deliveries = this.inputs.drain(this.quarantine);
    this.caughtUpAt = this.host.monotonic();
    const { frames, unreadable, newer } = openFrames(deliveries);
    for (const one of unreadable)
      this.report(one.claimed === null ? "FRAME_QUARANTINED" : "FRAME_UNTRUSTED", one);
    for (const one of newer) this.report("FRAME_SET_ASIDE", one);
    const left = this.trust.judge(frames, unreadable, newer);
    this.asides.push(...this.trust.notices(this.lease));
    const acks = left.size === 0 ? deliveries : deliveries.filter((one) => !left.has(one));
    const [first] = acks;
    const [frame] = frames;
    if (first !== undefined && frame !== undefined && this.quarantine.isBroken(first)) {
      await this.takeApart(first, frame);
    } else await this.take(frames, acks, () => this.quarantine.refused(acks));
    if (this.ending === null) this.quarantine.cleared(acks);
  }

  /** Decides and commits; `refused` is called when it is the content that is not taken. */
  private async take(
    frames: readonly OpenedFrame[],
    acks: readonly Delivery[],
    refused: () => void,
  ): Promise<void> {
    try {
      const known =
        frames.length === 0 ? null : await this.persist(() => lookUp(frames, this.kernel, this.engine.store));
      this.decide(frames, known);
      this.noticeStall();
      const effects = this.kernel.effects(this.now());
      this.inspect?.(this.kernel);
      await this.commit(effects, acks);
      this.walk.start();
      if (effects.wantParked > 0 && this.ending === null) await this.page(effects.wantParked);
    } catch (error) {
      if (await this.isContentRefused(error)) refused();
      throw error;
    }
  }

  /** A frame that was refused alone: each of its envelopes gets a commit of its own, and the last one acknowledges it. */
  private async takeApart(delivery: Delivery, { frame }: OpenedFrame): Promise<void> {
    for (const [index, envelope] of frame.envelopes.entries()) {
      if (this.ending !== null) return;
      const blames = this.quarantine.blames(delivery, index);
      const envelopes = blames === 0 ? [envelope] : this.replace(envelope, blames);
      const piece = { frame: { ...frame, sequence: 0, envelopes }, redelivered: true };
      await this.take([piece], [], () => this.quarantine.blame(delivery, index));
    }
    await this.take([{ frame: { ...frame, envelopes: [] }, redelivered: true }], [delivery], () => undefined);
  }

  private replace(refused: Envelope, refusals: number): Envelope[] {
    const { envelope, notice, refusal } = standInFor(refused, refusals);
    this.alarm("FRAME_QUARANTINED", notice);
    if (refusal !== null) this.kernel.tell(refusal.to, refusal.envelope);
    return envelope === null ? [] : [envelope];
  }

  /** Who was not listened to, or could not be heard, cannot be called silent. */
  private noticeStall(): void {
    const now = this.host.monotonic();
    const isHearing = now - this.echo.provenAt <= this.provenMs;
    if (isHearing && now - this.caughtUpAt <= STALL_MS) return;
    this.kernel.apply({ type: "deadlinesRestarted" }, this.now());
  }

  private decide(frames: readonly OpenedFrame[], known: ReadAnswer | null): void {
    for (const { frame } of frames) {
      this.kernel.heardFrom(frame.from);
      for (const envelope of frame.envelopes) {
        // A lane's frames hold nothing else; what a stranger puts there is ignored.
        this.decideOne(envelope as ToDispatcher, frame, known);
      }
      if (frame.sequence > 0 && frame.from !== "") {
        this.kernel.tell(frame.from, { type: "answered", sequence: frame.sequence });
      }
    }
  }

  private decideOne(envelope: ToDispatcher, { from, epoch }: Frame, known: ReadAnswer | null): void {
    if (envelope.type === "echo") {
      this.echo.hear(envelope.nonce);
      return;
    }
    if (envelope.type === "handover") {
      if (envelope.epoch === this.lease.epoch) this.onHandover(envelope);
      return;
    }
    if (envelope.type === "query") {
      const answer = this.kernel.answer(envelope.query, this.now());
      const isStats = envelope.query.type === "stats";
      const value = isStats ? { ...answer, fencedCommits: this.fence.refused } : answer;
      this.kernel.tell(from, { type: "reply", request: envelope.request, ok: true, value });
      return;
    }
    if (envelope.type === "watch" && epoch === 0 && !this.isKnown(envelope.id, known)) {
      this.askBehindSubmissions(envelope, from);
      return;
    }
    const event = toEvent(envelope, from, known);
    if (event !== null) this.kernel.apply(event, this.now());
  }

  private isKnown(id: TaskId, known: ReadAnswer | null): boolean {
    return this.kernel.has(id) || known?.tasks.has(id) === true;
  }

  /**
   * Its submission may be confirmed and still wait in the submit lane: the question goes behind it, with this owner's
   * epoch in its header, and only then may the answer be that there is no such task.
   */
  private askBehindSubmissions(envelope: ToDispatcher, from: string): void {
    const { shard, epoch } = this.lease;
    const frame = encodeFrame({ from, shard, epoch, sequence: 0, envelopes: [envelope] });
    this.asides.push({ mailbox: submitLane(shard), frame });
  }

  private async commit(effects: Effects, acks: readonly Delivery[]): Promise<void> {
    const sends = [...this.encoder.encode(effects.outgoing), ...this.asides.splice(0)];
    if (effects.changes.length + sends.length + acks.length === 0) return;
    if (!this.keeper.isTrusted) {
      this.end("lost", "the lease ran out during a tick");
      return;
    }
    this.sequence += 1;
    const tick = { lease: this.lease, sequence: this.sequence, changes: effects.changes, sends, acks };
    const giveUpAt = this.host.monotonic() + (tick.changes.some(isNew) ? 0 : FULL_MS);
    const outcomes = await this.persist(
      () => this.fence.commit(this.engine, tick, (reason) => this.alarm("COMMIT_FENCED", reason)),
      (error) => isCode(error, "STORE_FULL") && this.host.monotonic() >= giveUpAt,
    );
    if (this.headroom.isFull && tick.changes.some(isNew)) {
      this.headroom.taken();
      this.alarm("STORE_HAS_ROOM", "The store takes submissions again.");
    }
    outcomes.forEach((outcome, index) => {
      if (outcome === "gone") this.gone(sends[index]);
    });
  }

  private gone(send: Send | undefined): void {
    if (send === undefined) return;
    this.kernel.mailboxGone(send.mailbox);
    this.wakeUp();
  }

  private async page(limit: number): Promise<void> {
    const parked = await this.persist(() => this.engine.store.parked(this.lease.shard, limit));
    this.kernel.page(parked, this.now());
    this.wakeUp();
  }

  /** Tries until the engine answers, the answer is final, or this ownership is over. */
  private async persist<T>(
    call: () => Promise<T>,
    isFinal: (error: unknown) => boolean = () => false,
  ): Promise<T> {
    let delayMs = RETRY_MS.first;
    for (;;) {
      try {
        return await call();
      } catch (error) {
        if (!(error instanceof YardmasterError) || !error.retryable || this.ending !== null) throw error;
        if (isFinal(error)) throw error;
        if (delayMs === RETRY_MS.first) this.alarm(alarmCodeOf(error), error.message);
      }
      if (!this.keeper.isTrusted)
        throw new YardmasterError("FENCED", "The lease ran out while the engine was away.");
      await pause(this.host, delayMs * (0.5 + fraction(this.host) * 0.5));
      delayMs = Math.min(delayMs * 2, RETRY_MS.most);
    }
  }

  /** Waits for a frame, the kernel's next timer or the end. The loop of events always gets its turn in between. */
  private async rest(): Promise<void> {
    if (this.isCalled || !this.inputs.isEmpty) {
      await new Promise<void>((resolve) => this.host.defer(resolve));
      return;
    }
    const delayMs = this.kernel.nextWakeAt() - this.now();
    const until = this.host.monotonic() + Math.max(0, delayMs);
    let cancel: Cancel = () => undefined;
    await new Promise<void>((resolve) => {
      this.wake = resolve;
      if (delayMs !== Number.POSITIVE_INFINITY) cancel = this.host.after(Math.max(0, delayMs), resolve);
    });
    this.wake = null;
    cancel();
    // Later than that means that this process stood still.
    this.caughtUpAt = Math.min(until, this.host.monotonic());
  }

  private wakeUp(): void {
    if (this.wake === null) this.isCalled = true;
    else this.wake();
  }

  private end(ending: Ending, reason: string): void {
    if (this.ending !== null) return;
    this.ending = ending;
    this.keeper.retire();
    if (ending === "lost")
      this.alarm("SHARD_LOST", `Shard ${this.lease.shard}, epoch ${this.lease.epoch}: ${reason}.`);
    this.wakeUp();
  }

  private fail(error: unknown): void {
    if (this.ending !== null) return;
    const message = messageOf(error);
    if (isCode(error, "FENCED")) {
      this.end("lost", message);
      return;
    }
    if (isCode(error, "STORE_FULL")) {
      if (!this.headroom.isFull) this.alarm("STORE_FULL", `Submissions wait for room: ${message}`);
      this.headroom.refused();
      this.end("full", message);
      return;
    }
    this.alarm(alarmCodeOf(error), message);
    this.end("reload", message);
  }

  private async leave(): Promise<void> {
    this.keeper.stop();
    await endedWithin(this.host, LEAVE_MS, this.closeInputs());
    await endedWithin(this.host, LEAVE_MS, this.engine.store.release(this.lease));
  }

  private async closeInputs(): Promise<void> {
    this.watch?.stop();
    this.cancelOpening();
    await this.inputs.close();
  }

  /**
   * Whether it is a tick's content that the store does not take: it takes an empty commit, and has not just lost the
   * ownership, met a record that exists, or fallen silent.
   */
  private async isContentRefused(error: unknown): Promise<boolean> {
    if (this.ending !== null || !mayBeRefusal(error)) return false;
    const nothing = { lease: this.lease, sequence: this.sequence, changes: [], sends: [], acks: [] };
    try {
      if (this.sequence > 0) await this.engine.commit(nothing);
      return true;
    } catch {
      return false;
    }
  }

  private report(code: Alarm["code"], { delivery, reason }: Unreadable): void {
    this.alarm(code, `A frame of ${delivery.frame.byteLength} bytes in ${delivery.mailbox}: ${reason}`);
  }

  private alarm(code: Alarm["code"], message: string): void {
    this.onAlarm(alarmOf(code, this.lease.shard, message));
  }

  private now(): number {
    return Math.floor(this.timeOrigin + this.host.monotonic());
  }
}
