import type { Broker, Delivery, Receiver } from "../brokers/broker.ts";
import { remotely } from "./remote-call.ts";
import type { SimProcess } from "./sim-process.ts";

/** How many recent deliveries may come again. */
const REMEMBERED = 8;

interface Limits {
  readonly frames: number;
  readonly bytes: number;
}

/** A process's view of a mailbox: frames are lost where they may be, and come twice. */
export function createFaultyReceiver(
  process: SimProcess,
  broker: Broker,
  mailbox: string,
  first: Receiver,
): Receiver {
  const stream = new FaultyStream(process, broker, mailbox, first);
  const call = <T>(name: string, apply: () => Promise<T>): Promise<T> =>
    remotely(process, { name, service: "broker", apply, fallible: false });
  return {
    take: async (limits) => {
      const deliveries = await call("receiver.take", () => stream.take(limits));
      for (const { frame } of deliveries) process.world.trace.content(frame);
      process.note("took", `${mailbox} ${deliveries.length}`);
      return deliveries;
    },
    close: () => call("receiver.close", () => stream.close()),
  };
}

class FaultyStream {
  readonly #process: SimProcess;
  readonly #broker: Broker;
  readonly #mailbox: string;
  readonly #recent: Delivery[] = [];
  #inner: Receiver;
  #closed = false;

  constructor(process: SimProcess, broker: Broker, mailbox: string, inner: Receiver) {
    this.#process = process;
    this.#broker = broker;
    this.#mailbox = mailbox;
    this.#inner = inner;
  }

  async take(limits: Limits): Promise<Delivery[]> {
    for (;;) {
      await this.#mayLoseChannel();
      const taken = await this.#inner.take(limits);
      if (taken.length === 0) return taken;
      const kept = await this.#sift(taken);
      if (kept.length > 0) return kept;
    }
  }

  close(): Promise<void> {
    this.#closed = true;
    return this.#inner.close();
  }

  async #mayLoseChannel(): Promise<void> {
    const { faults, coverage } = this.#process.world;
    if (this.#closed || !faults.losesChannel(this.#process.random)) return;
    coverage.fault("channel lost");
    this.#process.note("channel lost", this.#mailbox);
    await this.#inner.close();
    this.#inner = await this.#broker.receive(this.#mailbox);
    if (this.#closed) await this.#inner.close();
  }

  /** Loses and repeats frames on their way to the process. */
  async #sift(taken: readonly Delivery[]): Promise<Delivery[]> {
    const { random, world } = this.#process;
    const kept: Delivery[] = [];
    for (const delivery of taken) {
      const fate = world.faults.frame(this.#mailbox, random);
      if (fate === "drop") {
        world.coverage.fault("frame dropped");
        this.#process.note("drop", this.#mailbox);
        await this.#broker.send([], [delivery]);
        continue;
      }
      kept.push(delivery);
      this.#recent.push(delivery);
      if (this.#recent.length > REMEMBERED) this.#recent.shift();
      if (fate !== "duplicate") continue;
      const again = this.#recent.slice(-random.integer(1, this.#recent.length));
      world.coverage.fault("frame duplicated");
      this.#process.note("duplicate", `${this.#mailbox} ${again.length}`);
      // In their order, as a channel that is opened again brings them.
      for (const one of again) kept.push({ ...one, redelivered: true });
    }
    return kept;
  }
}
