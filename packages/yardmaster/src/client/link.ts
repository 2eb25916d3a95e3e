import type { Broker, Delivery } from "../brokers/broker.ts";
import type { Host } from "../host.ts";
import { isCode } from "../protocol/errors.ts";

/** What the parts of a client share. */
export interface Link {
  readonly broker: Broker;
  /** As `Engine.commitsAside`. */
  readonly commitsAside: boolean;
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
  /** The parts of the engine that have not answered yet: none holds up another. */
  private readonly sending = new Set<number>();
  private isClosed = false;
  /** Rises with each receiver: what an older one delivered needs no acknowledgement any more. */
  private generation = 0;

  constructor(broker: Broker, host: Host) {
    this.broker = broker;
    this.host = host;
  }

  add(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) this.waiting.push(delivery);
    if (this.waiting.length >= MAX_WAITING) this.send();
    else this.time(MAX_WAIT_MS);
  }

  /** What may ride on frames to a mailbox. */
  take(mailbox: string): Delivery[] {
    const { waiting } = this;
    const { partOf } = this.broker;
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
      this.send();
    });
  }

  private send(): void {
    if (this.isClosed) return;
    const { partOf = () => 0 } = this.broker;
    const parts = Map.groupBy(this.waiting, partOf);
    this.waiting = [];
    for (const [part, deliveries] of parts) {
      if (this.sending.has(part)) this.waiting.push(...deliveries);
      else void this.sendPart(part, deliveries);
    }
  }

  private async sendPart(part: number, deliveries: readonly Delivery[]): Promise<void> {
    const { generation } = this;
    this.sending.add(part);
    try {
      await this.broker.send([], deliveries);
      this.sending.delete(part);
      // What came meanwhile.
      if (this.waiting.length > 0) this.time(MAX_WAIT_MS);
    } catch (error) {
      this.sending.delete(part);
      // Nothing is lost: unacknowledged frames come again, and all that they can hold may come twice.
      if (generation === this.generation) this.waiting = [...deliveries, ...this.waiting];
      if (!isCode(error, "CLOSED")) this.time(RETRY_MS);
    }
  }
}
