import { controlLane, type Engine, submitLane } from "../engine.ts";
import { type Host, pause } from "../host.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { randomId } from "../protocol/ids.ts";
import type { Lease } from "../stores/store.ts";
import type { OnAlarm } from "./alarm.ts";
import { LEASE_TIMES, type LeaseTimes } from "./lease-keeper.ts";
import { Quarantine } from "./quarantine.ts";
import { ShardOwner } from "./shard-owner.ts";

/** How often a standby looks whether a shard is free. */
const STANDBY_MS = 250;

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
      const ended = Promise.all(runs).then(release);
      await within(
        host,
        timeoutMs,
        ended,
        "The dispatcher did not give up its shards in time: the engine does not answer.",
      );
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
      const served = await this.serve().catch((error: unknown) => this.unavailable(error));
      this.firstTry();
      if (!served && !this.closed) await this.standBy();
    }
  }

  close(): void {
    this.closed = true;
    this.current?.close();
    this.stopWaiting();
  }

  /** Takes the shard if it is free and serves it to the end of that ownership; false if there was nothing to do. */
  private async serve(): Promise<boolean> {
    const { engine, host, onAlarm = () => undefined, maxLive } = this.options;
    const sentAt = host.monotonic();
    const lease = await this.acquire();
    if (lease === null || this.closed) return false;
    const { shard, times, quarantine } = this;
    onAlarm({
      code: "SHARD_TAKEN",
      shard,
      message: `Shard ${shard} is owned by this dispatcher, epoch ${lease.epoch}.`,
    });
    const limits = maxLive === undefined ? {} : { maxLive };
    this.current = new ShardOwner({ engine, host, lease, sentAt, times, quarantine, onAlarm, ...limits });
    this.firstTry();
    const ending = await this.current.run();
    this.current = null;
    return ending === "reload";
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

  private unavailable(error: unknown): false {
    const message = error instanceof Error ? error.message : String(error);
    this.options.onAlarm?.({ code: "ENGINE_UNAVAILABLE", shard: this.shard, message });
    return false;
  }

  private standBy(): Promise<void> {
    const { host } = this.options;
    // Spread, so that standbys do not all ask at the same moment.
    const delayMs = STANDBY_MS * (0.75 + (host.random() / 2 ** 32) * 0.5);
    return Promise.race([
      pause(host, delayMs),
      new Promise<void>((resolve) => {
        this.stopWaiting = resolve;
      }),
    ]);
  }
}

async function within(host: Host, timeoutMs: number, work: Promise<void>, message: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const cancel = host.after(timeoutMs, () => reject(new YardmasterError("TIMED_OUT_CLOSING", message)));
    work.then(resolve, reject).finally(cancel);
  });
}
