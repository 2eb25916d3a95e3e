import type { Receiver } from "../src/brokers/broker.ts";
import { controlLane, type Engine } from "../src/engine.ts";
import type { Assign, Envelope, Frame, Outcome, ToWorker } from "../src/protocol/envelope.ts";
import { decodeFrame, encodeFrame } from "../src/protocol/frame.ts";

/** The control lane of a shard as a test reads it, and the dispatcher's side towards one worker. */
export class WorkerDesk {
  readonly frames: Frame[] = [];
  epoch = 1;
  /** The number of the last frame to the worker. */
  sent = 0;
  /** What heartbeats are answered with; null for silence. */
  known: boolean | null = true;
  /** What waits for more credit, as heartbeats are told. */
  ready = 0;
  /** Whether numbered frames are answered. */
  answers = true;
  readonly #engine: Engine;
  readonly #mailbox: string;
  readonly #shard: number;
  #receiver: Receiver | null = null;

  constructor(engine: Engine, worker: string, shard = 0) {
    this.#engine = engine;
    this.#mailbox = `worker:${worker}`;
    this.#shard = shard;
  }

  async open(): Promise<void> {
    const { broker } = this.#engine;
    await broker.declare(controlLane(this.#shard), { durable: false });
    this.#receiver = await broker.receive(controlLane(this.#shard));
    void this.#run(this.#receiver);
  }

  async close(): Promise<void> {
    await this.#receiver?.close();
  }

  of<T extends Envelope["type"]>(type: T): Extract<Envelope, { type: T }>[] {
    const isType = (envelope: Envelope): envelope is Extract<Envelope, { type: T }> => envelope.type === type;
    return this.frames.flatMap(({ envelopes }) => envelopes).filter(isType);
  }

  get outcomes(): Outcome[] {
    return this.of("outcome");
  }

  /** Sends the next frame. */
  tell(...envelopes: (ToWorker | Extract<Envelope, { type: "answered" }>)[]): Promise<void> {
    this.sent += 1;
    return this.tellAs(this.epoch, this.sent, ...envelopes);
  }

  async tellAs(epoch: number, sequence: number, ...envelopes: Envelope[]): Promise<void> {
    const frame = encodeFrame({ from: "", shard: this.#shard, epoch, sequence, envelopes });
    await this.#engine.broker.send([{ mailbox: this.#mailbox, frame }]);
  }

  /** Another dispatcher takes the shard over. */
  async takeOver(): Promise<void> {
    this.epoch += 1;
    this.sent = 0;
    await this.tell({ type: "takeover" });
  }

  async #run(receiver: Receiver): Promise<void> {
    for (;;) {
      const deliveries = await receiver.take({ frames: 100, bytes: 64 * 1024 * 1024 });
      if (deliveries.length === 0) return;
      for (const { frame } of deliveries) await this.take(decodeFrame(frame));
      await this.#engine.broker.send([], deliveries);
    }
  }

  async take(frame: Frame): Promise<void> {
    this.frames.push(frame);
    if (this.answers && frame.sequence > 0) await this.tell({ type: "answered", sequence: frame.sequence });
    for (const envelope of frame.envelopes) {
      if (envelope.type !== "heartbeat" || this.known === null) continue;
      await this.tell({
        type: "heartbeatAnswer",
        number: envelope.number,
        sent: this.sent + 1,
        known: this.known,
        credit: envelope.credit,
        ready: this.ready,
      });
    }
  }
}

/** The id of a test's nth task. */
export function taskId(number: number): string {
  return `01890a5d-ac96-774b-bcce-${number.toString(16).padStart(9, "0")}000`;
}

/** An assignment of a test's nth task. */
export function assign(number: number, name: string, fields: Partial<Assign> = {}): Assign {
  return {
    type: "assign",
    id: taskId(number),
    attempt: 1,
    name,
    version: 1,
    attempts: 3,
    timeoutMs: 60_000,
    graceMs: 5_000,
    expiresAt: 0,
    payload: "1",
    ...fields,
  };
}
