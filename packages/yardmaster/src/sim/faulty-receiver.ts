import type { Broker, Delivery, Receiver } from "../brokers/broker.ts";
import { isCode } from "../protocol/errors.ts";
import { readHeader } from "../protocol/frame.ts";
import type { OutcomeWatch } from "./outcome-watch.ts";
import { remotely } from "./remote-call.ts";
import type { SimChannel, SimProcess } from "./sim-process.ts";

/** How many recent deliveries may come again. */
const REMEMBERED = 8;

/** How often a mailbox is looked for that is gone. */
const REOPEN_MS = 100;

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
  watch: OutcomeWatch | null,
): Receiver {
  const stream = new FaultyStream(process, broker, mailbox, first);
  const call = <T>(name: string, apply: () => Promise<T>): Promise<T> =>
    remotely(process, { name, service: "broker", apply, fallible: false });
  return {
    take: async (limits) => {
      const deliveries = await call("receiver.take", () => stream.take(limits));
      for (const { frame } of deliveries) {
        process.world.trace.content(frame);
        watch?.taken(frame);
      }
      process.note("took", `${mailbox} ${deliveries.length}`);
      return deliveries;
    },
    close: () => call("receiver.close", () => stream.close()),
  };
}

/** The one process, or the one ownership of a shard, whose frames keep their order. */
function senderOf({ frame }: Delivery): string {
  const { from, shard, epoch } = readHeader(frame);
  return `${from} ${shard} ${epoch}`;
}

class FaultyStream implements SimChannel {
  readonly #process: SimProcess;
  readonly #broker: Broker;
  readonly #mailbox: string;
  readonly #recent: Delivery[] = [];
  /** By sender: what waits while others overtake it. */
  readonly #overtaken = new Map<string, Delivery[]>();
  /** Given back by whoever kept them. */
  readonly #returned: Delivery[] = [];
  #inner: Receiver;
  #underWay: Promise<Delivery[]> | null = null;
  #wake: () => void = () => undefined;
  #closed = false;
  #isLost = false;

  constructor(process: SimProcess, broker: Broker, mailbox: string, inner: Receiver) {
    this.#process = process;
    this.#broker = broker;
    this.#mailbox = mailbox;
    this.#inner = inner;
    process.channels.add(this);
  }

  async take(limits: Limits): Promise<Delivery[]> {
    for (;;) {
      await this.#mayLoseChannel();
      const taken = await this.#next(limits);
      if (taken.length === 0 && this.#isLost && !this.#closed) continue;
      if (taken.length === 0) return taken;
      const kept = await this.#sift(taken);
      if (kept.length > 0) return kept;
    }
  }

  /** What comes next, or is given back meanwhile. */
  async #next(limits: Limits): Promise<Delivery[]> {
    if (this.#returned.length === 0) {
      this.#underWay ??= this.#inner.take(limits);
      const woken = new Promise<null>((resolve) => {
        this.#wake = () => resolve(null);
      });
      const taken = await Promise.race([this.#underWay, woken]);
      if (taken !== null) {
        this.#underWay = null;
        return taken;
      }
    }
    return this.#returned.splice(0, limits.frames);
  }

  async lose(): Promise<void> {
    this.#isLost = true;
    await this.#inner.close();
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#process.channels.delete(this);
    return this.#inner.close();
  }

  async #mayLoseChannel(): Promise<void> {
    const { faults, coverage } = this.#process.world;
    if (this.#isLost && !this.#closed) return this.#reopen();
    if (this.#closed || !faults.losesChannel(this.#process.random)) return;
    coverage.fault("channel lost");
    this.#process.note("channel lost", this.#mailbox);
    await this.#inner.close();
    await this.#reopen();
  }

  /** A mailbox that the engine has forgotten brings nothing until it is declared again. */
  async #reopen(): Promise<void> {
    const { timeline } = this.#process.world;
    this.#underWay = null;
    while (!this.#closed) {
      try {
        this.#inner = await this.#broker.receive(this.#mailbox);
        break;
      } catch (error) {
        if (!isCode(error, "BROKER_UNAVAILABLE")) throw error;
        await new Promise<void>((resolve) => timeline.schedule(REOPEN_MS, this.#process, resolve));
      }
    }
    this.#isLost = false;
    if (this.#closed) await this.#inner.close();
  }

  /** Whether somebody keeps a frame, who may be this one; it comes when it is given back. */
  #isWithheld(delivery: Delivery): boolean {
    const { random, world } = this.#process;
    const { timeline, faults, coverage } = world;
    const name = `${delivery.mailbox} ${delivery.tag}`;
    let until = faults.withheld.get(name);
    if (until === undefined) {
      const forMs = faults.withholdMs(random);
      if (forMs === 0) return false;
      until = timeline.now + forMs;
      faults.withheld.set(name, until);
      coverage.fault("frame withheld");
      this.#process.note("withheld", `${name} ${forMs} ms`);
    }
    if (until <= timeline.now) return false;
    timeline.schedule(until - timeline.now, this.#process, () => {
      this.#returned.push({ ...delivery, redelivered: true });
      this.#wake();
    });
    return true;
  }

  /** Whether it waits while others overtake it, behind what its own sender sent before. */
  #isOvertaken(delivery: Delivery): boolean {
    const { random, world } = this.#process;
    const { timeline, faults, coverage } = world;
    if (faults.plan.reorderChance === 0) return false;
    const sender = senderOf(delivery);
    const waiting = this.#overtaken.get(sender);
    if (waiting !== undefined) {
      waiting.push(delivery);
      return true;
    }
    const forMs = faults.overtakenMs(this.#mailbox, random);
    if (forMs === 0) return false;
    const all = [delivery];
    this.#overtaken.set(sender, all);
    coverage.fault("frame reordered");
    this.#process.note("overtaken", `${this.#mailbox} ${forMs} ms`);
    timeline.schedule(forMs, this.#process, () => {
      this.#overtaken.delete(sender);
      this.#returned.push(...all);
      this.#wake();
    });
    return true;
  }

  /** Loses, repeats and reorders frames on their way to the process. */
  async #sift(taken: readonly Delivery[]): Promise<Delivery[]> {
    const { random, world } = this.#process;
    const kept: Delivery[] = [];
    for (const delivery of taken) {
      if (this.#isWithheld(delivery) || this.#isOvertaken(delivery)) continue;
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
