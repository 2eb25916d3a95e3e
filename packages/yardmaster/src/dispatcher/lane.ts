import type { Delivery, Receiver } from "../brokers/broker.ts";

/** The most that is taken from a lane at a time, and the most that waits in memory before taking stops. */
const TAKE: { readonly frames: number; readonly bytes: number } = { frames: 256, bytes: 128 * 1024 };

/** `arrival` is called whenever frames can be drained, `failure` when there will be none any more. */
export interface LaneEvents {
  readonly arrival: () => void;
  readonly failure: (error: unknown) => void;
}

/**
 * One of a shard's inputs: takes frames as they arrive, ahead of the tick, up to one batch.
 */
export class Lane {
  readonly mailbox: string;
  private readonly receiver: Receiver;
  private readonly onArrival: () => void;
  private waiting: Delivery[] = [];
  private resume: (() => void) | null = null;
  private closed = false;

  private constructor(mailbox: string, receiver: Receiver, onArrival: () => void) {
    this.mailbox = mailbox;
    this.receiver = receiver;
    this.onArrival = onArrival;
  }

  /** Takes over the mailbox's only receiver. */
  static async open(mailbox: string, receiver: Promise<Receiver>, on: LaneEvents): Promise<Lane> {
    const lane = new Lane(mailbox, await receiver, on.arrival);
    lane.pump().catch(on.failure);
    return lane;
  }

  get isEmpty(): boolean {
    return this.waiting.length === 0;
  }

  /** Everything that has arrived: one batch at most. */
  drain(): Delivery[] {
    const batch = this.waiting;
    this.waiting = [];
    this.resume?.();
    return batch;
  }

  /** Puts frames back to the front, for the next drain. */
  putBack(deliveries: readonly Delivery[]): void {
    this.waiting = [...deliveries, ...this.waiting];
  }

  async close(): Promise<void> {
    this.closed = true;
    this.resume?.();
    await this.receiver.close();
  }

  private async pump(): Promise<void> {
    while (!this.closed) {
      const batch = await this.receiver.take(TAKE);
      if (batch.length === 0) return;
      for (const delivery of batch) this.waiting.push(delivery);
      this.onArrival();
      while (this.waiting.length > 0 && !this.closed) await this.drained();
    }
  }

  private drained(): Promise<void> {
    return new Promise((resolve) => {
      this.resume = () => {
        this.resume = null;
        resolve();
      };
    });
  }
}
