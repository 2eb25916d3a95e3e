import type { Cancel, Host } from "../host.ts";
import type { Lease, Store } from "../stores/store.ts";

/** Lease times, in milliseconds. */
export interface LeaseTimes {
  /** How long a lease lasts without renewal (15,000). */
  readonly ttlMs: number;
  /** How often it is renewed (5,000). */
  readonly renewMs: number;
  /** How much earlier than the store its holder stops believing in it (2,000). */
  readonly marginMs: number;
}

export const LEASE_TIMES: LeaseTimes = { ttlMs: 15_000, renewMs: 5_000, marginMs: 2_000 };

const RETRY_MS = 500;

/**
 * Renews a lease while its owner is healthy, and says when it must no longer be trusted: `ttlMs - marginMs` after the
 * last successful renewal was sent, by the owner's monotonic clock (as River's leadership does it). An owner that is
 * not healthy has until then to recover.
 */
export class LeaseKeeper {
  private readonly store: Store;
  private readonly host: Host;
  private readonly times: LeaseTimes;
  private readonly lease: Lease;
  private readonly isHealthy: () => boolean;
  private readonly onLost: (reason: string) => void;
  private trustedUntil: number;
  private cancelTimer: Cancel = () => undefined;
  private stopped = false;
  private retired = false;
  private wasHealthy = true;

  /** `sentAt` is the monotonic time at which the acquisition was sent. */
  constructor(options: {
    readonly store: Store;
    readonly host: Host;
    readonly times: LeaseTimes;
    readonly lease: Lease;
    readonly sentAt: number;
    readonly isHealthy: () => boolean;
    readonly onLost: (reason: string) => void;
  }) {
    this.store = options.store;
    this.host = options.host;
    this.times = options.times;
    this.lease = options.lease;
    this.isHealthy = options.isHealthy;
    this.onLost = options.onLost;
    this.trustedUntil = options.sentAt + options.times.ttlMs - options.times.marginMs;
    this.schedule(this.times.renewMs);
  }

  /** False once the lease may have run out: nothing must be decided any more. */
  get isTrusted(): boolean {
    return !this.stopped && this.host.monotonic() < this.trustedUntil;
  }

  /** Renews no more; the lease is trusted until its time is over. */
  retire(): void {
    this.retired = true;
  }

  stop(): void {
    this.stopped = true;
    this.cancelTimer();
  }

  private schedule(delayMs: number): void {
    const untilDistrust = Math.max(0, this.trustedUntil - this.host.monotonic());
    this.cancelTimer = this.host.after(Math.min(delayMs, untilDistrust), () => this.turn());
  }

  private turn(): void {
    if (this.stopped) return;
    if (!this.isTrusted) {
      this.lose(
        this.wasHealthy
          ? "the lease was not renewed in time"
          : "the dispatcher does not hear its own echo, or does not come to the end of a tick",
      );
      return;
    }
    if (!this.retired) this.renew();
    this.schedule(this.times.renewMs);
  }

  private renew(): void {
    this.wasHealthy = this.isHealthy();
    if (!this.wasHealthy) return;
    const sentAt = this.host.monotonic();
    this.store.renew(this.lease, this.times.ttlMs).then(
      (renewed) => {
        if (this.stopped) return;
        if (!renewed) {
          this.lose("another dispatcher took the lease");
          return;
        }
        this.trustedUntil = sentAt + this.times.ttlMs - this.times.marginMs;
      },
      // The store is away: the lease is trusted until its time is over, and renewed as soon as the store is back.
      () => {
        if (this.stopped) return;
        this.cancelTimer();
        this.schedule(RETRY_MS);
      },
    );
  }

  private lose(reason: string): void {
    this.stop();
    this.onLost(reason);
  }
}
