import type { Broker } from "../brokers/broker.ts";
import { controlLane } from "../engine.ts";
import { encodeFrame } from "../protocol/frame.ts";

/**
 * Proves that a shard's owner hears what is sent to it: it sends itself an echo through its own control lane.
 *
 * Deaf is an owner whose confirmed echo did not come back. While the broker confirms nothing, nothing is known.
 */
export class Echo {
  private readonly broker: Broker;
  private readonly shard: number;
  /** Nonces of another owner, whose echo may still be in the lane, are outside of this one's range. */
  private readonly base: number;
  private sent: number;
  private confirmed: number;
  private heard: number;

  /** `base` is random for each ownership: its nonces are those that follow. */
  constructor(broker: Broker, shard: number, base: number) {
    this.broker = broker;
    this.shard = shard;
    this.base = base;
    this.sent = base;
    this.confirmed = base;
    this.heard = base;
  }

  /** Call once per renewal: tells whether the last echo came back, and sends the next if it did. */
  isHeard(): boolean {
    if (this.confirmed > this.heard) return false;
    this.send();
    return true;
  }

  hear(nonce: number): void {
    if (nonce > this.base && nonce <= this.sent) this.heard = Math.max(this.heard, nonce);
  }

  private send(): void {
    this.sent += 1;
    const nonce = this.sent;
    const frame = encodeFrame({
      from: "",
      shard: this.shard,
      epoch: 0,
      sequence: 0,
      envelopes: [{ type: "echo", nonce }],
    });
    this.broker.send([{ mailbox: controlLane(this.shard), frame }]).then(
      ([outcome]) => {
        if (outcome === "confirmed") this.confirmed = Math.max(this.confirmed, nonce);
      },
      // Unconfirmed: it proves nothing either way.
      () => undefined,
    );
  }
}
