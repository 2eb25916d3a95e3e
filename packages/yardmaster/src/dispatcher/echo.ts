import type { Broker } from "../brokers/broker.ts";
import type { Host } from "../host.ts";
import { sendToSelf } from "./own-lane.ts";

/**
 * Proves that a shard's owner hears what is sent to it: it sends itself an echo through its own control lane.
 *
 * Deaf is an owner whose confirmed echo did not come back. While the broker confirms nothing, nothing is known.
 */
export class Echo {
  private readonly broker: Broker;
  private readonly host: Host;
  private readonly shard: number;
  /** Nonces of another owner, whose echo may still be in the lane, are outside of this one's range. */
  private readonly base: number;
  private sent: number;
  private confirmed: number;
  private heard: number;
  private heardBefore: number;
  /** When each echo was sent that has not come back. */
  private readonly sentAt = new Map<number, number>();
  /** Monotonic: what was sent to this owner before then was heard. */
  provenAt: number;

  /** `base` is random for each ownership: its nonces are those that follow. */
  constructor(broker: Broker, host: Host, shard: number, base: number) {
    this.broker = broker;
    this.host = host;
    this.shard = shard;
    this.base = base;
    this.sent = base;
    this.confirmed = base;
    this.heard = base;
    this.heardBefore = base;
    this.provenAt = host.monotonic();
  }

  /**
   * Call once per renewal: tells whether the last echo or one since came back, and sends the next. Also when none did: a lane is
   * transient, and an engine that starts again may have lost the last one.
   */
  isHeard(): boolean {
    const isHeard = this.confirmed <= this.heard || this.heard > this.heardBefore;
    this.heardBefore = this.heard;
    this.send();
    return isHeard;
  }

  hear(nonce: number): void {
    if (nonce <= this.base || nonce > this.sent) return;
    this.heard = Math.max(this.heard, nonce);
    this.provenAt = Math.max(this.provenAt, this.sentAt.get(nonce) ?? 0);
    for (const older of this.sentAt.keys()) if (older <= nonce) this.sentAt.delete(older);
  }

  private send(): void {
    this.sent += 1;
    const nonce = this.sent;
    this.sentAt.set(nonce, this.host.monotonic());
    sendToSelf(this.broker, this.shard, [{ type: "echo", nonce }]).then(
      (isConfirmed) => {
        if (isConfirmed) this.confirmed = Math.max(this.confirmed, nonce);
      },
      // Unconfirmed: it proves nothing either way.
      () => undefined,
    );
  }
}
