import type { Broker, Delivery } from "../brokers/broker.ts";
import type { Host } from "../host.ts";
import { isCode } from "../protocol/errors.ts";

/** What the parts of a client share. */
export interface Link {
  readonly broker: Broker;
  readonly host: Host;
  /** The client's own mailbox. */
  readonly mailbox: string;
  readonly acks: Acks;
}

/** After this long acknowledgements no longer wait for something to ride on. */
const MAX_WAIT_MS = 25;
/** After a failure. */
const RETRY_MS = 1_000;
/** Nor beyond this many frames. */
const MAX_WAITING = 64;

/** Acknowledgements of what the client received: they ride on its next submissions, or go alone soon. */
export class Acks {
  private readonly broker: Broker;
  private readonly host: Host;
  private waiting: Delivery[] = [];
  private isTimed = false;
  private isSending = false;
  private isClosed = false;
  /** Rises with each receiver: what an older one delivered needs no acknowledgement any more. */
  private generation = 0;

  constructor(broker: Broker, host: Host) {
    this.broker = broker;
    this.host = host;
  }

  add(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) this.waiting.push(delivery);
    if (this.waiting.length >= MAX_WAITING) void this.send();
    else this.time(MAX_WAIT_MS);
  }

  /** What may ride on frames to a mailbox. */
  take(mailbox: string): Delivery[] {
    const { waiting } = this;
    const { partOf } = this.broker;
    if (waiting.length === 0) return waiting;
    if (partOf === undefined) {
      this.waiting = [];
      return waiting;
    }
    const part = partOf({ mailbox });
    this.waiting = waiting.filter((delivery) => partOf(delivery) !== part);
    return waiting.filter((delivery) => partOf(delivery) === part);
  }

  /** The receiver that delivered them is gone, and what they stood for is delivered again. */
  forget(): void {
    this.waiting = [];
    this.generation += 1;
  }

  close(): void {
    this.isClosed = true;
    this.forget();
  }

  private time(delayMs: number): void {
    if (this.isTimed || this.isClosed) return;
    this.isTimed = true;
    this.host.after(delayMs, () => {
      this.isTimed = false;
      void this.send();
    });
  }

  private async send(): Promise<void> {
    if (this.isSending || this.isClosed || this.waiting.length === 0) return;
    this.isSending = true;
    const { partOf = () => 0 } = this.broker;
    const parts = Map.groupBy(this.waiting, partOf);
    this.waiting = [];
    await Promise.all(Array.from(parts.values(), (deliveries) => this.sendPart(deliveries)));
    this.isSending = false;
  }

  private async sendPart(deliveries: readonly Delivery[]): Promise<void> {
    const { generation } = this;
    try {
      await this.broker.send([], deliveries);
    } catch (error) {
      // Nothing is lost: unacknowledged frames come again, and all that they can hold may come twice.
      if (generation === this.generation) this.waiting = [...deliveries, ...this.waiting];
      if (!isCode(error, "CLOSED")) this.time(RETRY_MS);
    }
  }
}
