import type { Broker, Delivery, Send } from "../brokers/broker.ts";
import { answeredWithin } from "../deadline.ts";
import { controlLane } from "../engine.ts";
import { type Cancel, fraction, type Host } from "../host.ts";

/** After this long acknowledgements no longer wait for a frame to ride on. */
const ACK_ALONE_MS = 20;
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 5_000;
/** An engine that has not answered by now is asked again. */
const SEND_TIMEOUT_MS = 30_000;

/** What one send carries: `failed` puts it all back. */
export interface Load {
  readonly sends: readonly Send[];
  readonly sent: () => void;
  readonly failed: () => void;
}

/** A worker's ways out: one, or one for each part of the engine, so that none waits for another that is away. */
export class Outgoing {
  readonly #broker: Broker;
  readonly #ways = new Map<number, Way>();

  /** `collect` takes out what is to be told of some shards. */
  constructor(
    broker: Broker,
    host: Host,
    shards: readonly number[],
    collect: (shards: readonly number[]) => Load,
    report: (what: string, error: unknown) => void,
  ) {
    this.#broker = broker;
    const parts = Map.groupBy(shards, (shard) => this.#partOf({ mailbox: controlLane(shard) }));
    for (const [part, those] of parts)
      this.#ways.set(part, new Way(broker, host, () => collect(those), report));
  }

  /** Something is to be told. */
  request(): void {
    for (const way of this.#ways.values()) way.request();
  }

  /** Acknowledges what was received, on the next frame or soon without one. */
  ack(deliveries: readonly Delivery[]): void {
    if (this.#broker.partOf === undefined) return this.#ways.get(0)?.ack(deliveries);
    const parts = Map.groupBy(deliveries, (delivery) => this.#partOf(delivery));
    for (const [part, those] of parts) this.#ways.get(part)?.ack(those);
  }

  /** The receiver that delivered them is gone, and what they stood for is delivered again. */
  forgetAcks(): void {
    for (const way of this.#ways.values()) way.forgetAcks();
  }

  /** Nothing is sent any more. */
  close(): void {
    for (const way of this.#ways.values()) way.close();
  }

  #partOf(frame: Pick<Delivery, "mailbox"> & Partial<Pick<Delivery, "tag">>): number {
    return this.#broker.partOf?.(frame) ?? 0;
  }
}

/**
 * One way. One send is in flight at a time; what comes up meanwhile goes with the next, so that batches grow with the
 * load. The first thing after a rest goes at the end of the turn that it came up in.
 */
class Way {
  readonly #broker: Broker;
  readonly #host: Host;
  readonly #collect: () => Load;
  readonly #report: (what: string, error: unknown) => void;
  #acks: Delivery[] = [];
  /** Rises with each receiver: what an older one delivered needs no acknowledgement any more. */
  #generation = 0;
  #isAckTimed = false;
  /** They have waited long enough and go without a frame. */
  #isAckDue = false;
  #isWanted = false;
  #isBusy = false;
  #retryMs = FIRST_RETRY_MS;
  #cancelRetry: Cancel | null = null;
  #isClosed = false;

  constructor(
    broker: Broker,
    host: Host,
    collect: () => Load,
    report: (what: string, error: unknown) => void,
  ) {
    this.#broker = broker;
    this.#host = host;
    this.#collect = collect;
    this.#report = report;
  }

  request(): void {
    this.#isWanted = true;
    if (this.#isBusy || this.#isClosed) return;
    this.#isBusy = true;
    this.#host.defer(() => void this.#flush());
  }

  ack(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) this.#acks.push(delivery);
    if (this.#isAckTimed) return;
    this.#isAckTimed = true;
    this.#host.after(ACK_ALONE_MS, () => {
      this.#isAckTimed = false;
      if (this.#acks.length === 0) return;
      this.#isAckDue = true;
      this.request();
    });
  }

  forgetAcks(): void {
    this.#acks = [];
    this.#generation += 1;
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelRetry?.();
  }

  async #flush(): Promise<void> {
    if (this.#isClosed) return;
    this.#isWanted = false;
    const load = this.#collect();
    if (load.sends.length === 0 && !this.#isAckDue) return this.#rest();
    const acks = this.#acks;
    this.#acks = [];
    this.#isAckDue = false;
    const generation = this.#generation;
    const problem = await this.#send(load.sends, acks);
    if (problem === null) {
      load.sent();
      this.#retryMs = FIRST_RETRY_MS;
      return this.#rest();
    }
    load.failed();
    if (generation === this.#generation) this.#acks = [...acks, ...this.#acks];
    this.#isAckDue = this.#acks.length > 0;
    this.#retry(problem);
  }

  /** Null when everything is safe in its mailbox. */
  async #send(sends: readonly Send[], acks: readonly Delivery[]): Promise<unknown> {
    try {
      const outcomes = await answeredWithin(this.#host, SEND_TIMEOUT_MS, this.#broker.send(sends, acks));
      const gone = new Set(
        sends.flatMap(({ mailbox }, index) => (outcomes[index] === "gone" ? mailbox : [])),
      );
      if (gone.size === 0) return null;
      for (const mailbox of gone) {
        const declared = this.#broker.declare(mailbox, { durable: false });
        await answeredWithin(this.#host, SEND_TIMEOUT_MS, declared);
      }
      return `there was no ${[...gone].join(", ")}: the engine has lost it, or no dispatcher has come yet`;
    } catch (error) {
      return error;
    }
  }

  #rest(): void {
    this.#isBusy = false;
    if (this.#isWanted) this.request();
  }

  #retry(problem: unknown): void {
    if (this.#isClosed) return;
    this.#report("The worker cannot send and tries again", problem);
    const waitMs = this.#retryMs * (0.5 + fraction(this.#host) * 0.5);
    this.#retryMs = Math.min(2 * this.#retryMs, MAX_RETRY_MS);
    this.#cancelRetry = this.#host.after(waitMs, () => {
      this.#isBusy = false;
      this.request();
    });
  }
}
