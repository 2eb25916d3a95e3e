import type { Broker } from "../brokers/broker.ts";
import { controlLane, type Engine } from "../engine.ts";
import type { Host } from "../host.ts";
import { encodeFrame } from "../protocol/frame.ts";
import type { Pulse } from "./pulse.ts";

export const HEARTBEAT_MS = 2_000;
/** How often the main thread shows that it moves. */
export const TOUCH_MS = 500;
/** A lane holds one unanswered heartbeat of a worker; this long after it was sent it counts as lost. */
const LOST_AFTER_MS = 6_000;

/** Sends a worker's heartbeats to its shards' dispatchers. */
export interface Heartbeats {
  readonly pulse: Pulse;
  /** One heartbeat to each shard now and every 2 s from now on; later calls do nothing. Hot: for each frame sent. */
  start(): void;
  /** One more heartbeat to a shard now. */
  beat(shard: number): void;
  /** Settles when nothing is sent any more. */
  close(): Promise<void>;
}

export interface HeartbeatIdentity {
  readonly engine: Engine;
  readonly host: Host;
  readonly worker: string;
  readonly mailbox: string;
  readonly slots: number;
  /** Told what went wrong but is being tried again. */
  readonly report: (what: string, error: unknown) => void;
}

export type OpenHeartbeats = (identity: HeartbeatIdentity) => Heartbeats;

/** Writes and sends heartbeats, in whichever thread. */
export class Beater {
  readonly #broker: Broker;
  readonly #identity: { readonly worker: string; readonly mailbox: string };
  readonly #pulse: Pulse;
  readonly #clock: () => number;
  readonly #failed = new Set<number>();

  constructor(
    broker: Broker,
    identity: { readonly worker: string; readonly mailbox: string },
    pulse: Pulse,
    /** The main thread's monotonic clock, or one that is behind it. */
    clock: () => number,
  ) {
    this.#broker = broker;
    this.#identity = identity;
    this.#pulse = pulse;
    this.#clock = clock;
  }

  /** The regular heartbeat to each shard whose last one was answered or is lost. */
  beatAll(): void {
    for (let shard = 0; shard < this.#pulse.shards; shard += 1) {
      if (!this.#isAwaited(shard)) this.beat(shard);
    }
  }

  beat(shard: number): void {
    const pulse = this.#pulse;
    const now = this.#clock();
    const number = pulse.sent(shard) + 1;
    const stalledMs = Math.max(0, Math.floor(now - pulse.touchedAt - TOUCH_MS));
    const { worker, mailbox } = this.#identity;
    // Noted before it is written: an answer must never find a later time than that of sending, and whoever lowers the
    // credit and does not see this number yet knows that it carries the lower one.
    pulse.setSent(shard, number, now);
    const frame = encodeFrame({
      from: mailbox,
      shard,
      epoch: pulse.epoch(shard),
      sequence: 0,
      envelopes: [{ type: "heartbeat", worker, number, credit: pulse.credit(shard), stalledMs }],
    });
    this.#failed.delete(shard);
    this.#broker.send([{ mailbox: controlLane(shard), frame }]).then(
      ([outcome]) => {
        if (outcome === "gone") this.#failed.add(shard);
      },
      () => this.#failed.add(shard),
    );
  }

  #isAwaited(shard: number): boolean {
    const last = this.#pulse.sent(shard);
    if (this.#pulse.answered(shard) >= last || this.#failed.has(shard)) return false;
    return this.#clock() - this.#pulse.sentAt(shard, last) < LOST_AFTER_MS;
  }
}
