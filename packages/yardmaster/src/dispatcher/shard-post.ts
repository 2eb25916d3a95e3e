import { endedWithin } from "../deadline.ts";
import type { Engine } from "../engine.ts";
import { fraction, type Host } from "../host.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Limits } from "../kernel/shard.ts";
import type { Handover } from "../protocol/envelope.ts";
import { messageOf } from "../protocol/errors.ts";
import type { Lease } from "../stores/store.ts";
import { type Alarm, alarmOf, type OnAlarm } from "./alarm.ts";
import { FenceTally } from "./fence-tally.ts";
import { Headroom } from "./headroom.ts";
import { LEASE_TIMES, type LeaseTimes } from "./lease-keeper.ts";
import { Quarantine } from "./quarantine.ts";
import { type Ending, ShardOwner } from "./shard-owner.ts";

/** How often a standby looks whether a shard is free. */
const STANDBY_MS = 250;
/** The same for a shard that its owner was asked for, and how long. */
const HURRY_MS = 25;
const HURRIED_MS = 2_000;
/** A shard that was handed over is left alone for this long; if nobody else takes it by then, it is taken back. */
const HANDOVER_MS = 3_000;
/** An owner whose absence proves nothing is gone once it has been absent for this long. */
const CONFIRM_MS = 900;
/** The pause before the second reload in a row; it doubles with each. The first comes at once. */
const RELOAD_MS = { first: 100, most: 5_000 };
/** An ownership that lasted this long ends such a row. */
const CALM_MS = 10_000;
/** An engine that does not answer is not waited for any longer when a shard is released. */
export const RELEASE_MS = 1_000;

export interface PostOptions {
  readonly engine: Engine;
  readonly host: Host;
  readonly times?: LeaseTimes;
  readonly limits?: Partial<Limits>;
  readonly onAlarm?: OnAlarm;
  /** Looks at a shard's kernel after each of its decisions: for tests. Must not throw. */
  readonly inspect?: (kernel: Kernel) => void;
}

/** Who owns a shard, as far as a post has seen. */
export interface Holder {
  readonly owner: string;
  readonly epoch: number;
}

/** A dispatcher's place at one shard: owner or standby, until closed. */
export class ShardPost {
  readonly shard: number;
  private readonly owner: string;
  private readonly options: PostOptions;
  private readonly onHandover: (post: ShardPost, handover: Handover) => void;
  private readonly times: LeaseTimes;
  private readonly quarantine = new Quarantine();
  private readonly headroom = new Headroom();
  private readonly fence = new FenceTally();
  private current: ShardOwner | null = null;
  private seen: Holder | null = null;
  /** Since when the owner of an epoch is absent. */
  private missing: { readonly epoch: number; readonly since: number } | null = null;
  private isGiving = false;
  private closed = false;
  private reloads = 0;
  /** Monotonic: not taken before, and looked at often until. */
  private leftUntil = 0;
  private hurriedUntil = 0;
  private firstTry: () => void = () => undefined;
  private stopWaiting: () => void = () => undefined;
  /** Resolves when the shard was tried for the first time. */
  readonly tried: Promise<void>;

  constructor(
    shard: number,
    owner: string,
    options: PostOptions,
    onHandover: (post: ShardPost, handover: Handover) => void,
  ) {
    this.shard = shard;
    this.owner = owner;
    this.options = options;
    this.onHandover = onHandover;
    this.times = options.times ?? LEASE_TIMES;
    this.tried = new Promise((resolve) => {
      this.firstTry = resolve;
    });
  }

  get lease(): Lease | null {
    return this.current?.lease ?? null;
  }

  /** Who has the shard, this dispatcher included; null when that is nobody, or it is about to change. */
  get holder(): Holder | null {
    if (this.isGiving) return null;
    return this.lease ?? this.seen;
  }

  async run(): Promise<void> {
    while (!this.closed) {
      const ending = await this.serve().catch((error: unknown) => this.unavailable(error));
      this.firstTry();
      if (ending !== "reload" && ending !== "full") this.quarantine.forget();
      const delayMs = this.delayMs(ending);
      if (delayMs > 0 && !this.closed) await this.rest(delayMs);
    }
  }

  close(): void {
    this.closed = true;
    this.current?.close();
    this.stopWaiting();
  }

  /** Releases the shard after the present tick, for another dispatcher to take. */
  handOver(to: string): void {
    if (this.current === null) return;
    this.isGiving = true;
    this.leftUntil = this.options.host.monotonic() + HANDOVER_MS;
    this.alarm(
      "SHARD_HANDED_OVER",
      `Shard ${this.shard} is handed over to dispatcher ${to}, which has fewer.`,
    );
    this.current.close();
  }

  /** Its owner was asked for it. */
  hurry(): void {
    this.hurriedUntil = this.options.host.monotonic() + HURRIED_MS;
    this.stopWaiting();
  }

  /** Takes the shard if it is free and serves it to the end of that ownership; null if there was nothing to do. */
  private async serve(): Promise<Ending | null> {
    const { engine, host, onAlarm = () => undefined, limits = {}, inspect } = this.options;
    const sentAt = host.monotonic();
    if (sentAt < this.leftUntil && (await this.isFree())) return null;
    const lease = await this.acquire();
    if (lease === null) return null;
    if (this.closed) {
      await endedWithin(host, RELEASE_MS, engine.store.release(lease));
      return null;
    }
    const { shard, times, quarantine, headroom, fence } = this;
    this.alarm("SHARD_TAKEN", `Shard ${shard} is owned by this dispatcher, epoch ${lease.epoch}.`);
    const onHandover = (handover: Handover): void => this.onHandover(this, handover);
    const parts = {
      engine,
      host,
      lease,
      sentAt,
      times,
      quarantine,
      headroom,
      fence,
      limits,
      onAlarm,
      onHandover,
      inspect,
    };
    this.current = new ShardOwner(parts);
    this.firstTry();
    try {
      return await this.current.run();
    } finally {
      this.current = null;
      this.seen = null;
      this.isGiving = false;
      if (host.monotonic() - sentAt >= CALM_MS) this.reloads = 0;
    }
  }

  /** What is wrong may be wrong for long: the engine is not asked for the same all the time. */
  private reloadDelayMs(): number {
    this.reloads += 1;
    return this.reloads === 1 ? 0 : Math.min(RELOAD_MS.first * 2 ** (this.reloads - 2), RELOAD_MS.most);
  }

  /** After a full store there is none: submissions wait by themselves, and the rest should not. */
  private delayMs(ending: Ending | null): number {
    if (ending === "full") return 0;
    return ending === "reload" ? this.reloadDelayMs() : this.standbyMs();
  }

  private standbyMs(): number {
    return this.options.host.monotonic() < this.hurriedUntil ? HURRY_MS : STANDBY_MS;
  }

  /** Whether nobody has taken the shard since it was handed over. */
  private async isFree(): Promise<boolean> {
    const holder = await this.options.engine.store.holder(this.shard);
    return holder === null || holder.owner === this.owner || holder.expired;
  }

  /** Acquires a free shard, or one whose owner's process is gone. */
  private async acquire(): Promise<Lease | null> {
    const { store, broker } = this.options.engine;
    this.leftUntil = 0;
    const lease = await store.acquire(this.shard, this.owner, this.times.ttlMs);
    if (lease !== null) return lease;
    const holder = await store.holder(this.shard);
    this.seen = holder;
    if (holder === null || holder.owner === this.owner) return null;
    const absent = await broker.presence.absent([`dispatcher:${holder.owner}`]);
    if (absent.length === 0) this.missing = null;
    if (absent.length === 0 || !this.isGone(holder)) return null;
    this.seen = null;
    return store.acquire(this.shard, this.owner, this.times.ttlMs, { replacing: holder.epoch });
  }

  /** Absence that proves nothing has to last: a takeover for a moment's loss of connection helps nobody. */
  private isGone({ epoch }: Holder): boolean {
    const { broker } = this.options.engine;
    const now = this.options.host.monotonic();
    if (this.missing?.epoch !== epoch) this.missing = { epoch, since: now };
    return broker.presence.provesDeath || now - this.missing.since >= CONFIRM_MS;
  }

  private unavailable(error: unknown): null {
    this.missing = null;
    this.alarm("ENGINE_UNAVAILABLE", messageOf(error));
    return null;
  }

  private alarm(code: Alarm["code"], message: string): void {
    this.options.onAlarm?.(alarmOf(code, this.shard, message));
  }

  /** Until the time is over, or closed. Spread, so that standbys do not all ask at the same moment. */
  private rest(meanMs: number): Promise<void> {
    const { host } = this.options;
    const delayMs = meanMs * (0.75 + fraction(host) * 0.5);
    return new Promise<void>((resolve) => {
      const cancel = host.after(delayMs, resolve);
      this.stopWaiting = () => {
        cancel();
        resolve();
      };
    });
  }
}
