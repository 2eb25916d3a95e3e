import type { Delivery, Receiver } from "../brokers/broker.ts";

/** The most that is taken from a mailbox at a time. */
const TAKE: { readonly frames: number; readonly bytes: number } = { frames: 256, bytes: 128 * 1024 };
/** A tick takes this much in any case: some 300 small tasks. */
const PART_BYTES = 48 * 1024;
/** Where a part is left, taking stops while so much waits. */
const ENOUGH_BYTES = 64 * 1024;

/** `arrival` is called whenever frames can be drained, `failure` when there will be none any more. */
export interface LaneEvents {
  readonly arrival: () => void;
  readonly failure: (error: unknown) => void;
}

/**
 * One of a shard's inputs: takes frames as they arrive, ahead of the tick: one batch; where a part is left, as many as
 * hold ENOUGH_BYTES, and what the last batch had more.
 */
export class Lane {
  readonly mailbox: string;
  private readonly receiver: Receiver;
  private readonly onArrival: () => void;
  private readonly leavesPart: boolean;
  private waiting: Delivery[] = [];
  private resume: (() => void) | null = null;
  private closed = false;

  private constructor(mailbox: string, receiver: Receiver, on: LaneEvents, leavesPart: boolean) {
    this.mailbox = mailbox;
    this.receiver = receiver;
    this.onArrival = on.arrival;
    this.leavesPart = leavesPart;
  }

  /** Takes over the mailbox's only receiver. `leavesPart`: of much that waits, a tick takes half. */
  static async open(
    mailbox: string,
    receiver: Promise<Receiver>,
    on: LaneEvents,
    leavesPart: boolean,
  ): Promise<Lane> {
    const lane = new Lane(mailbox, await receiver, on, leavesPart);
    lane.pump().catch(on.failure);
    return lane;
  }

  get isEmpty(): boolean {
    return this.waiting.length === 0;
  }

  /**
   * What has arrived; where a part is left, the first half of much. Tasks that came together would else go through
   * dispatcher and worker as one wave, and each of these would wait for the other.
   */
  drain(): Delivery[] {
    const batch = this.waiting;
    this.waiting = this.leavesPart ? batch.splice(this.countToDrain(batch)) : [];
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
      while (this.hasEnough && !this.closed) await this.drained();
    }
  }

  private get hasEnough(): boolean {
    return this.leavesPart ? bytesOf(this.waiting) >= ENOUGH_BYTES : this.waiting.length > 0;
  }

  /** How many frames are half of the bytes, PART_BYTES at least, and one frame at least. */
  private countToDrain(batch: readonly Delivery[]): number {
    const most = Math.max(PART_BYTES, bytesOf(batch) / 2);
    let bytes = 0;
    const past = batch.findIndex(({ frame }) => {
      bytes += frame.length;
      return bytes > most;
    });
    return past === -1 ? batch.length : Math.max(1, past);
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

function bytesOf(deliveries: readonly Delivery[]): number {
  return deliveries.reduce((sum, { frame }) => sum + frame.length, 0);
}
