import type { Broker, Delivery, Send, SendOutcome } from "./brokers/broker.ts";
import type { Change } from "./protocol/change.ts";
import type { Lease, Store } from "./stores/store.ts";

/** A broker and a store, and the way to commit a tick to both. `connect.ts` makes one from URLs. */
export interface Engine {
  readonly broker: Broker;
  readonly store: Store;
  /** How many shards the yard has; fixed when it was created. */
  readonly shards: number;
  /**
   * Steps 3 to 5 of a tick: commit the changes under the fence, send, acknowledge. One transaction where broker and
   * store are one engine. Throws what `Store.commit` and `Broker.send` throw; the same tick may be committed again.
   */
  commit(tick: Tick): Promise<SendOutcome[]>;
  /** How another thread of this process reaches the same engine: a URL, or null when only this thread can. */
  readonly url: string | null;
  /** Settles within `timeoutMs`, whatever the engine does. */
  close(options: { readonly timeoutMs: number }): Promise<void>;
}

export interface Tick {
  readonly lease: Lease;
  /** From 1, without gaps, for each epoch. */
  readonly sequence: number;
  readonly changes: readonly Change[];
  readonly sends: readonly Send[];
  readonly acks: readonly Delivery[];
}

/** Commit, send, acknowledge for a broker and a store that share no transaction: a crash between the steps repeats work and loses none. */
export function splitCommit(broker: Broker, store: Store): Engine["commit"] {
  return async ({ lease, sequence, changes, sends, acks }) => {
    await store.commit(lease, sequence, changes);
    return broker.send(sends, acks);
  };
}

/** The two lanes of a shard: control is always drained, submit by credit. */
export function controlLane(shard: number): string {
  return `lane:${shard}:control`;
}

export function submitLane(shard: number): string {
  return `lane:${shard}:submit`;
}
