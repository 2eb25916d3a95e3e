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
  private sent = 0;
  private confirmed = 0;
  private heard = 0;

  constructor(broker: Broker, shard: number) {
    this.broker = broker;
    this.shard = shard;
  }

  /** Call once per renewal: tells whether the last echo came back, and sends the next. */
  isHeard(): boolean {
    if (this.confirmed > this.heard) return false;
    this.send();
    return true;
  }

  hear(nonce: number): void {
    this.heard = Math.max(this.heard, nonce);
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
