import type { Delivery, Send } from "../brokers/broker.ts";
import { controlLane, type Engine, submitLane } from "../engine.ts";
import { type Cancel, type Host, pause } from "../host.ts";
import type { Effects } from "../kernel/effects.ts";
import { Kernel } from "../kernel/kernel.ts";
import type { ToDispatcher } from "../protocol/envelope.ts";
import { isCode, YardmasterError } from "../protocol/errors.ts";
import type { Lease, ReadAnswer } from "../stores/store.ts";
import type { Alarm, OnAlarm } from "./alarm.ts";
import { Echo } from "./echo.ts";
import { FrameEncoder } from "./frame-encoder.ts";
import { lookUp, type OpenedFrame, openFrames, toEvent, type Unreadable } from "./intake.ts";
import { Lane } from "./lane.ts";
import { LeaseKeeper, type LeaseTimes } from "./lease-keeper.ts";
import { PresenceWatch } from "./presence-watch.ts";
import type { Quarantine } from "./quarantine.ts";

/** Why an ownership ended. After `reload` the same dispatcher may take the shard again at once. */
export type Ending = "closed" | "lost" | "reload";

const RETRY_MS = { first: 10, most: 1_000 };

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
  private readonly kernel: Kernel;
  private readonly encoder: FrameEncoder;
  private readonly echo: Echo;
  private readonly keeper: LeaseKeeper;
  /** Wall clock at monotonic zero: the kernel's time follows the wall but never jumps within an ownership. */
  private readonly timeOrigin: number;
  private readonly quarantine: Quarantine;
  private control: Lane | null = null;
  private submit: Lane | null = null;
  private watch: PresenceWatch | null = null;
  private sequence = 0;
  private ending: Ending | null = null;
  private wake: (() => void) | null = null;

  constructor(options: {
    readonly engine: Engine;
    readonly host: Host;
    readonly lease: Lease;
    readonly sentAt: number;
    readonly times: LeaseTimes;
    readonly quarantine: Quarantine;
    readonly onAlarm: OnAlarm;
    readonly maxLive?: number;
  }) {
    const { engine, host, lease } = options;
    this.engine = engine;
    this.host = host;
    this.lease = lease;
    this.quarantine = options.quarantine;
    this.onAlarm = options.onAlarm;
    this.timeOrigin = host.now() - host.monotonic();
    this.kernel = new Kernel({
      shard: lease.shard,
      epoch: lease.epoch,
      seed: host.random(),
      ...(options.maxLive === undefined ? {} : { maxLive: options.maxLive }),
    });
    this.encoder = new FrameEncoder(lease.shard, lease.epoch);
    this.echo = new Echo(engine.broker, lease.shard);
    this.keeper = new LeaseKeeper({
      store: engine.store,
      host,
      times: options.times,
      lease,
      sentAt: options.sentAt,
      isHealthy: () => this.echo.isHeard(),
      onLost: (reason) => this.end("lost", reason),
    });
  }

  /** Serves the shard until the ownership ends, one way or another. */
  async run(): Promise<Ending> {
    try {
      await this.load();
      await this.open();
      while (this.ending === null) {
        await this.turn();
        if (this.ending === null) await this.rest();
      }
    } catch (error) {
      this.fail(error);
    }
    await this.leave();
    return this.ending ?? "lost";
  }

  /** Ends after the present tick. */
  close(): void {
    this.end("closed", "");
  }

  private async load(): Promise<void> {
    for await (const items of this.engine.store.load(this.lease.shard)) {
      for (const item of items) this.kernel.restore(item, this.now());
      if (this.ending !== null) return;
    }
    this.kernel.restored(this.now());
  }

  private async open(): Promise<void> {
    const { broker } = this.engine;
    const { shard } = this.lease;
    const on = { arrival: () => this.wakeUp(), failure: (error: unknown) => this.fail(error) };
    this.control = await Lane.open(broker, controlLane(shard), on);
    this.submit = await Lane.open(broker, submitLane(shard), on);
    this.watch = new PresenceWatch({
      broker,
      host: this.host,
      shard,
      workers: () => this.kernel.workers(),
      onStall: () => this.kernel.apply({ type: "deadlinesRestarted" }, this.now()),
    });
  }

  /** One tick, if there is anything to do. */
  private async turn(): Promise<void> {
    const deliveries = this.drain();
    const { frames, unreadable, newer } = openFrames(
      deliveries.filter((one) => !this.quarantine.isCulprit(one)),
    );
    for (const one of unreadable) this.report("FRAME_QUARANTINED", one);
    for (const one of newer) this.report("FRAME_SET_ASIDE", one);
    const acks =
      newer.length === 0
        ? deliveries
        : deliveries.filter((one) => !newer.some((left) => left.delivery === one));
    try {
      const known =
        frames.length === 0 ? null : await this.persist(() => lookUp(frames, this.kernel, this.engine.store));
      this.decide(frames, known);
      const effects = this.kernel.effects(this.now());
      await this.commit(effects, acks);
      this.quarantine.cleared(acks);
      if (effects.wantParked > 0 && this.ending === null) await this.page(effects.wantParked);
    } catch (error) {
      if (isRefusal(error)) this.quarantine.refused(deliveries);
      throw error;
    }
  }

  /** What has arrived, control first; a single frame while a culprit is sought. */
  private drain(): Delivery[] {
    const control = this.control?.drain() ?? [];
    const submit = this.submit?.drain() ?? [];
    const all = submit.length === 0 ? control : [...control, ...submit];
    const allowed = this.quarantine.allowed(all);
    if (allowed === all.length) return all;
    this.control?.putBack(control.slice(allowed));
    this.submit?.putBack(control.length === 0 ? submit.slice(allowed) : submit);
    return all.slice(0, allowed);
  }

  private decide(frames: readonly OpenedFrame[], known: ReadAnswer | null): void {
    for (const { frame } of frames) {
      for (const envelope of frame.envelopes) {
        // A lane's frames hold nothing else; what a stranger puts there is ignored.
        this.decideOne(envelope as ToDispatcher, frame.from, known);
      }
      if (frame.sequence > 0 && frame.from !== "") {
        this.kernel.tell(frame.from, { type: "answered", sequence: frame.sequence });
      }
    }
  }

  private decideOne(envelope: ToDispatcher, from: string, known: ReadAnswer | null): void {
    if (envelope.type === "echo") {
      this.echo.hear(envelope.nonce);
      return;
    }
    if (envelope.type === "query") {
      const value = this.kernel.answer(envelope.query);
      this.kernel.tell(from, { type: "reply", request: envelope.request, ok: true, value });
      return;
    }
    const event = toEvent(envelope, from, known);
    if (event !== null) this.kernel.apply(event, this.now());
  }

  private async commit(effects: Effects, acks: readonly Delivery[]): Promise<void> {
    const sends = this.encoder.encode(effects.outgoing);
    if (effects.changes.length + sends.length + acks.length === 0) return;
    if (!this.keeper.isTrusted) {
      this.end("lost", "the lease ran out during a tick");
      return;
    }
    this.sequence += 1;
    const tick = { lease: this.lease, sequence: this.sequence, changes: effects.changes, sends, acks };
    const outcomes = await this.persist(() => this.engine.commit(tick));
    outcomes.forEach((outcome, index) => {
      if (outcome === "gone") this.gone(sends[index]);
    });
  }

  private gone(send: Send | undefined): void {
    if (send !== undefined) this.kernel.mailboxGone(send.mailbox, this.now());
  }

  private async page(limit: number): Promise<void> {
    const parked = await this.persist(() => this.engine.store.parked(this.lease.shard, limit));
    this.kernel.page(parked, this.now());
    this.wakeUp();
  }

  /** Tries until the engine answers, the answer is final, or this ownership is over. */
  private async persist<T>(call: () => Promise<T>): Promise<T> {
    let delayMs = RETRY_MS.first;
    for (;;) {
      try {
        return await call();
      } catch (error) {
        if (!(error instanceof YardmasterError) || !error.retryable || this.ending !== null) throw error;
        if (delayMs === RETRY_MS.first) this.alarm("ENGINE_UNAVAILABLE", error.message);
      }
      if (!this.keeper.isTrusted)
        throw new YardmasterError("FENCED", "The lease ran out while the engine was away.");
      await pause(this.host, delayMs * (0.5 + (this.host.random() / 2 ** 32) * 0.5));
      delayMs = Math.min(delayMs * 2, RETRY_MS.most);
    }
  }

  /** Waits for a frame, the kernel's next timer or the end. The loop of events always gets its turn in between. */
  private async rest(): Promise<void> {
    if (this.control?.isEmpty === false || this.submit?.isEmpty === false) {
      await new Promise<void>((resolve) => this.host.defer(resolve));
      return;
    }
    const delayMs = this.kernel.nextWakeAt() - this.now();
    let cancel: Cancel = () => undefined;
    await new Promise<void>((resolve) => {
      this.wake = resolve;
      if (delayMs !== Number.POSITIVE_INFINITY) cancel = this.host.after(Math.max(0, delayMs), resolve);
    });
    this.wake = null;
    cancel();
  }

  private wakeUp(): void {
    this.wake?.();
  }

  private end(ending: Ending, reason: string): void {
    if (this.ending !== null) return;
    this.ending = ending;
    if (ending === "lost")
      this.alarm("SHARD_LOST", `Shard ${this.lease.shard}, epoch ${this.lease.epoch}: ${reason}.`);
    this.wakeUp();
  }

  private fail(error: unknown): void {
    if (this.ending !== null) return;
    const message = error instanceof Error ? error.message : String(error);
    if (isCode(error, "FENCED")) {
      this.end("lost", message);
      return;
    }
    this.alarm("COMMIT_REFUSED", message);
    this.end("reload", message);
  }

  private async leave(): Promise<void> {
    this.keeper.stop();
    this.watch?.stop();
    const closing = [this.control?.close(), this.submit?.close()];
    await Promise.allSettled(closing);
    await this.engine.store.release(this.lease).catch(() => undefined);
  }

  private report(code: Alarm["code"], { delivery, reason }: Unreadable): void {
    this.alarm(code, `A frame of ${delivery.frame.byteLength} bytes in ${delivery.mailbox}: ${reason}`);
  }

  private alarm(code: Alarm["code"], message: string): void {
    this.onAlarm({ code, shard: this.lease.shard, message });
  }

  private now(): number {
    return Math.floor(this.timeOrigin + this.host.monotonic());
  }
}

/** The store will never take this tick, whatever the cause: neither lost ownership nor a passing trouble. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof YardmasterError)) return true;
  return !error.retryable && error.code !== "FENCED" && error.code !== "CONFLICT";
}
