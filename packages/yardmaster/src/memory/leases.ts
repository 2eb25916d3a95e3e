import { YardmasterError } from "../protocol/errors.ts";
import type { Epoch, Millis } from "../protocol/task.ts";
import type { Lease } from "../stores/store.ts";
import { refill } from "./refill.ts";

interface Fence {
  readonly owner: string;
  readonly epoch: Epoch;
  leaseUntil: Millis;
  sequence: number;
}

/** The fence of every shard. A fence is never deleted, so that an epoch never comes twice. */
export class Leases {
  readonly #fences = new Map<number, Fence>();
  /** By shard: the last epoch that was given, which outlives a loss as a clock does. */
  readonly #given = new Map<number, Epoch>();
  readonly #now: () => Millis;

  constructor(now: () => Millis) {
    this.#now = now;
  }

  acquire(shard: number, owner: string, ttlMs: number, replacing: Epoch | undefined): Lease | null {
    const fence = this.#fences.get(shard);
    if (fence !== undefined && fence.leaseUntil > this.#now() && fence.epoch !== replacing) return null;
    const epoch = (this.#given.get(shard) ?? 0) + 1;
    this.#given.set(shard, epoch);
    this.#fences.set(shard, { owner, epoch, leaseUntil: this.#now() + ttlMs, sequence: 0 });
    return { shard, owner, epoch };
  }

  renew(lease: Lease, ttlMs: number): boolean {
    const fence = this.#owned(lease);
    if (fence === null || fence.leaseUntil <= this.#now()) return false;
    fence.leaseUntil = this.#now() + ttlMs;
    return true;
  }

  release(lease: Lease): void {
    const fence = this.#owned(lease);
    if (fence !== null) fence.leaseUntil = 0;
  }

  holder(shard: number): { owner: string; epoch: Epoch; expired: boolean } | null {
    const fence = this.#fences.get(shard);
    if (fence === undefined) return null;
    return { owner: fence.owner, epoch: fence.epoch, expired: fence.leaseUntil <= this.#now() };
  }

  /** Whether this commit is new; false when it was applied before. Throws FENCED. */
  check(lease: Lease, sequence: number): boolean {
    const fence = this.#owned(lease);
    if (fence === null || fence.leaseUntil === 0) {
      throw new YardmasterError(
        "FENCED",
        `Epoch ${lease.epoch} does not own shard ${lease.shard} (any more).`,
      );
    }
    if (fence.sequence === sequence) return false;
    if (fence.sequence === sequence - 1) return true;
    throw new YardmasterError(
      "FENCED",
      `Commit ${sequence} of shard ${lease.shard} came after commit ${fence.sequence}.`,
    );
  }

  advance(lease: Lease, sequence: number): void {
    const fence = this.#owned(lease);
    if (fence !== null) fence.sequence = sequence;
  }

  snapshot(): () => void {
    const fences = [...this.#fences].map(([shard, fence]) => [shard, { ...fence }] as const);
    return () => refill(this.#fences, fences);
  }

  #owned({ shard, owner, epoch }: Lease): Fence | null {
    const fence = this.#fences.get(shard);
    return fence !== undefined && fence.owner === owner && fence.epoch === epoch ? fence : null;
  }
}
