import type { Broker, Delivery, Receiver, Send, SendOutcome, Transactional } from "./brokers/broker.ts";
import type { Change } from "./protocol/change.ts";
import type { Vault } from "./security/vault.ts";
import type { Lease, Store } from "./stores/store.ts";

/** One URL for broker and store, or one for each. */
export type EngineAddress = string | { readonly broker: string; readonly store: string };

/** What an engine says of itself, for operators; nothing is decided by it. */
export interface EngineReport {
  /** Such as "Redis 7.0.15 at 127.0.0.1:6379". Never a password. */
  readonly engine: string;
  readonly isUp: boolean;
  /** Why it is not up; null while it is. */
  readonly trouble: string | null;
  /** What survives what, in a sentence, as the server itself says. */
  readonly durability: string;
  /** What an operator should change. */
  readonly warnings: readonly string[];
}

/**
 * A third input of a shard, where the store can take submissions in a caller's transaction and the broker cannot. Its
 * deliveries are acknowledged by `Engine.commit` like those of the lanes.
 */
export interface Outbox {
  readonly transactional: Transactional;
  /** The mailbox of a shard's transactional submissions. */
  mailbox(shard: number): string;
  receive(shard: number): Promise<Receiver>;
}

/** A broker and a store, and the way to commit a tick to both. `connect.ts` makes one from URLs. */
export interface Engine {
  readonly broker: Broker;
  readonly store: Store;
  /** How many shards the yard has; fixed when it was created. */
  readonly shards: number;
  /**
   * Whether a server commits while this process and others go on: then frames and ticks are kept small enough for several
   * to be under way. Where a commit holds everybody up, as on SQLite, few large ones are faster.
   */
  readonly commitsAside: boolean;
  /**
   * Steps 3 to 5 of a tick: commit the changes under the fence, send, acknowledge. One transaction where broker and
   * store are one engine. Throws what `Store.commit` and `Broker.send` throw; the same tick may be committed again.
   */
  commit(tick: Tick): Promise<SendOutcome[]>;
  /** How another thread of this process reaches the same engine, or null when only this thread can. */
  readonly url: EngineAddress | null;
  /** Absent where `broker.transactional` does it, or nothing can. */
  readonly outbox?: Outbox;
  /** What payloads and results are encrypted with by clients and workers; absent where they are plain. */
  readonly vault?: Vault;
  /** One for each server: broker and store may be different ones. */
  report(): readonly EngineReport[];
  /** Settles within `timeoutMs`, whatever the engine does. */
  close(options: { readonly timeoutMs: number }): Promise<void>;
}

/** An engine that is a broker and nothing else, or the broker's half of one. */
export interface BrokerHalf {
  readonly broker: Broker;
  report(): readonly EngineReport[];
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

/** The two lanes of a shard: control is always drained, submit by credit. */
export function controlLane(shard: number): string {
  return `lane:${shard}:control`;
}

export function submitLane(shard: number): string {
  return `lane:${shard}:submit`;
}
