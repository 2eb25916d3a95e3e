import type { Broker, Delivery, Receiver } from "../brokers/broker.ts";

/** The most that is taken from a lane at a time, and the most that waits in memory before taking stops. */
const TAKE: { readonly frames: number; readonly bytes: number } = { frames: 256, bytes: 128 * 1024 };

/**
 * One of a shard's two inputs: takes frames as they arrive, ahead of the tick, up to one batch.
 */
export class Lane {
  private readonly receiver: Receiver;
  private readonly onArrival: () => void;
  private waiting: Delivery[] = [];
  private resume: (() => void) | null = null;
  private closed = false;

  private constructor(receiver: Receiver, onArrival: () => void) {
    this.receiver = receiver;
    this.onArrival = onArrival;
  }

  /** Opens the lane's only receiver; `onArrival` is called whenever frames can be drained, `onFailure` when there will be none. */
  static async open(
    broker: Broker,
    mailbox: string,
    on: { readonly arrival: () => void; readonly failure: (error: unknown) => void },
  ): Promise<Lane> {
    const lane = new Lane(await broker.receive(mailbox), on.arrival);
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
