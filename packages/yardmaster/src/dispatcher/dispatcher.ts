import { endedWithin } from "../deadline.ts";
import { controlLane, type Engine, submitLane } from "../engine.ts";
import { fraction, type Host } from "../host.ts";
import { messageOf, YardmasterError } from "../protocol/errors.ts";
import { randomId } from "../protocol/ids.ts";
import type { Lease } from "../stores/store.ts";
import type { OnAlarm } from "./alarm.ts";
import { LEASE_TIMES, type LeaseTimes } from "./lease-keeper.ts";
import { Quarantine } from "./quarantine.ts";
import { type Ending, ShardOwner } from "./shard-owner.ts";

/** How often a standby looks whether a shard is free. */
const STANDBY_MS = 250;
/** The pause before the second reload in a row; it doubles with each. The first comes at once. */
const RELOAD_MS = { first: 100, most: 5_000 };
/** An ownership that lasted this long ends such a row. */
const CALM_MS = 10_000;
const RELEASE_MS = 1_000;

export interface DispatcherOptions {
  readonly engine: Engine;
  readonly host: Host;
  /** Random for each boot by default; never a host name. */
  readonly owner?: string;
  readonly times?: LeaseTimes;
  /** The most tasks of a shard that are kept in memory (2,000,000); what is more waits in the store. */
  readonly maxLive?: number;
  readonly onAlarm?: OnAlarm;
}

/** A running dispatcher. */
export interface Dispatcher {
  readonly owner: string;
  /** The shards that it owns at the moment, with their epochs. */
  owned(): readonly Lease[];
  /** Gives up its shards after the present tick. Always settles; throws TIMED_OUT_CLOSING when that took too long. */
  close(options?: { readonly timeoutMs?: number }): Promise<void>;
}

/**
 * Starts a dispatcher: it owns what shards it can get and stands by for the others.
 *
 * Resolves once it is known to the engine and has tried for each shard.
 */
export async function startDispatcherOn(options: DispatcherOptions): Promise<Dispatcher> {
  const { engine, host } = options;
  const owner = options.owner ?? randomId(host);
  const release = await engine.broker.presence.hold(`dispatcher:${owner}`);
  const posts: ShardPost[] = [];
  for (let shard = 0; shard < engine.shards; shard++) {
    await engine.broker.declare(controlLane(shard), { durable: false });
    await engine.broker.declare(submitLane(shard), { durable: true });
    posts.push(new ShardPost(shard, owner, options));
  }
  const runs = posts.map((post) => post.run());
  await Promise.all(posts.map((post) => post.tried));
  return {
    owner,
    owned: () => posts.flatMap((post) => (post.lease === null ? [] : [post.lease])),
    async close({ timeoutMs = 10_000 } = {}) {
      for (const post of posts) post.close();
      const isEnded = await endedWithin(host, timeoutMs, Promise.all(runs));
      // Also when it is not: standbys need not wait for the leases' end, and the fence protects.
      const released = endedWithin(host, RELEASE_MS, release());
      if (!isEnded) {
        const message = "The dispatcher did not give up its shards in time: the engine does not answer.";
        throw new YardmasterError("TIMED_OUT_CLOSING", message);
      }
      await released;
    },
  };
}

/** A dispatcher's place at one shard: owner or standby, until closed. */
class ShardPost {
  private readonly shard: number;
  private readonly owner: string;
  private readonly options: DispatcherOptions;
  private readonly times: LeaseTimes;
  private readonly quarantine = new Quarantine();
  private current: ShardOwner | null = null;
  private closed = false;
  private reloads = 0;
  private firstTry: () => void = () => undefined;
  private stopWaiting: () => void = () => undefined;
  /** Resolves when the shard was tried for the first time. */
  readonly tried: Promise<void>;

  constructor(shard: number, owner: string, options: DispatcherOptions) {
    this.shard = shard;
    this.owner = owner;
    this.options = options;
    this.times = options.times ?? LEASE_TIMES;
    this.tried = new Promise((resolve) => {
      this.firstTry = resolve;
    });
  }

  get lease(): Lease | null {
    return this.current?.lease ?? null;
  }

  async run(): Promise<void> {
    while (!this.closed) {
      const ending = await this.serve().catch((error: unknown) => this.unavailable(error));
      this.firstTry();
      if (ending !== "reload") this.quarantine.forget();
      const delayMs = ending === "reload" ? this.reloadDelayMs() : STANDBY_MS;
      if (delayMs > 0 && !this.closed) await this.rest(delayMs);
    }
  }

  close(): void {
    this.closed = true;
    this.current?.close();
    this.stopWaiting();
  }

  /** Takes the shard if it is free and serves it to the end of that ownership; null if there was nothing to do. */
  private async serve(): Promise<Ending | null> {
    const { engine, host, onAlarm = () => undefined, maxLive } = this.options;
    const sentAt = host.monotonic();
    const lease = await this.acquire();
    if (lease === null) return null;
    if (this.closed) {
      await endedWithin(host, RELEASE_MS, engine.store.release(lease));
      return null;
    }
    const { shard, times, quarantine } = this;
    onAlarm({
      code: "SHARD_TAKEN",
      shard,
      message: `Shard ${shard} is owned by this dispatcher, epoch ${lease.epoch}.`,
    });
    const limits = maxLive === undefined ? {} : { maxLive };
    this.current = new ShardOwner({ engine, host, lease, sentAt, times, quarantine, onAlarm, ...limits });
    this.firstTry();
    try {
      return await this.current.run();
    } finally {
      this.current = null;
      if (host.monotonic() - sentAt >= CALM_MS) this.reloads = 0;
    }
  }

  /** What is wrong may be wrong for long: the engine is not asked for the same all the time. */
  private reloadDelayMs(): number {
    this.reloads += 1;
    return this.reloads === 1 ? 0 : Math.min(RELOAD_MS.first * 2 ** (this.reloads - 2), RELOAD_MS.most);
  }

  /** Acquires a free shard, or one whose owner's process is gone. */
  private async acquire(): Promise<Lease | null> {
    const { store, broker } = this.options.engine;
    const lease = await store.acquire(this.shard, this.owner, this.times.ttlMs);
    if (lease !== null) return lease;
    const holder = await store.holder(this.shard);
    if (holder === null || holder.owner === this.owner) return null;
    const absent = await broker.presence.absent([`dispatcher:${holder.owner}`]);
    if (absent.length === 0) return null;
    return store.acquire(this.shard, this.owner, this.times.ttlMs, { replacing: holder.epoch });
  }

  private unavailable(error: unknown): null {
    const message = messageOf(error);
    this.options.onAlarm?.({ code: "ENGINE_UNAVAILABLE", shard: this.shard, message });
    return null;
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
