import type { Broker, Delivery, Presence, Receiver, Send, SendOutcome } from "../brokers/broker.ts";
import { isCode, YardmasterError } from "../protocol/errors.ts";
import { remotely } from "./remote-call.ts";
import type { SimProcess } from "./sim-process.ts";
import { describeFrame } from "./trace-text.ts";

type Call = <T>(name: string, apply: () => Promise<T>, fallible?: boolean) => Promise<T>;

/** A process's view of the broker: calls travel and fail, frames are lost where they may be and come twice. */
export function createFaultyBroker(process: SimProcess, broker: Broker): Broker {
  const call: Call = (name, apply, fallible = true) =>
    remotely(process, { name, service: "broker", apply, fallible });
  return {
    declare: (mailbox, options) => call("broker.declare", () => broker.declare(mailbox, options)),
    remove: (mailbox) => call("broker.remove", () => broker.remove(mailbox)),
    send: (sends, acks) => {
      traceSends(process, sends);
      return call("broker.send", () => sendWholeOrPart(process, broker, sends, acks ?? []));
    },
    receive: async (mailbox) =>
      createFaultyReceiver(
        process,
        broker,
        mailbox,
        await call("broker.receive", () => broker.receive(mailbox)),
      ),
    publish: (mailbox, frame) => {
      if (!process.passes("broker.publish", "before")) return;
      const { timeline, faults } = process.world;
      if (faults.frame(mailbox, process.random) !== "drop") {
        const delayMs = process.requestDelay(faults.latency(process.random));
        timeline.schedule(delayMs, null, () => broker.publish(mailbox, frame));
      }
      process.passes("broker.publish", "after");
    },
    depth: (mailbox) => call("broker.depth", () => broker.depth(mailbox)),
    mailboxes: (prefix) => call("broker.mailboxes", () => broker.mailboxes(prefix)),
    presence: createFaultyPresence(process, broker.presence, call),
  };
}

/** A batch can be cut: the first frames are safe, the rest and the acknowledgements never arrived. */
async function sendWholeOrPart(
  process: SimProcess,
  broker: Broker,
  sends: readonly Send[],
  acks: readonly Delivery[],
): Promise<SendOutcome[]> {
  const cut = process.world.faults.cutsBatch(process.random) && sends.length > 1;
  if (!cut) return broker.send(sends, acks);
  await broker.send(sends.slice(0, process.random.integer(1, sends.length - 1)), []);
  throw new YardmasterError("BROKER_UNAVAILABLE", "The simulated broker was lost within a batch");
}

/** A name that a process shows, and loses with its connection until it has another. */
class Hold {
  readonly #process: SimProcess;
  readonly #presence: Presence;
  readonly #name: string;
  readonly #changed: (isHeld: boolean) => void;
  #letGo: (() => Promise<void>) | null = null;

  constructor(process: SimProcess, presence: Presence, name: string, changed: (isHeld: boolean) => void) {
    this.#process = process;
    this.#presence = presence;
    this.#name = name;
    this.#changed = changed;
  }

  async take(): Promise<void> {
    const { holds, world } = this.#process;
    holds.add(this);
    world.faults.present.add(this.#name);
    this.#letGo = await this.#presence.hold(this.#name);
  }

  async release(): Promise<void> {
    this.#process.holds.delete(this);
    await this.#letGo?.();
  }

  async lose(): Promise<void> {
    await this.#letGo?.();
    this.#tell(false);
  }

  async takeAgain(): Promise<void> {
    if (!this.#process.alive || !this.#process.holds.has(this)) return;
    try {
      await this.take();
      this.#tell(true);
    } catch (error) {
      // Its process has closed the engine meanwhile, and shows nothing any more.
      if (!isCode(error, "CLOSED")) throw error;
    }
  }

  #tell(isHeld: boolean): void {
    const { world, holds } = this.#process;
    world.timeline.schedule(0, this.#process, () => {
      if (holds.has(this)) this.#changed(isHeld);
    });
  }
}

function createFaultyPresence(process: SimProcess, presence: Presence, call: Call): Presence {
  return {
    provesDeath: presence.provesDeath && process.world.faults.plan.presenceProves,
    hold: async (name, changed = () => undefined) => {
      const hold = new Hold(process, presence, name, changed);
      await call("presence.hold", () => hold.take());
      return () => call("presence.release", () => hold.release());
    },
    absent: async (names) => {
      const { faults } = process.world;
      const absent = await call("presence.absent", async () => {
        const gone = await presence.absent(names);
        return gone.filter((name) => faults.present.has(name));
      });
      if (faults.plan.presenceIsBlind) return [];
      const lies = names.filter(
        (name) =>
          !absent.includes(name) && faults.present.has(name) && faults.liesAboutAbsence(name, process.random),
      );
      if (lies.length > 0) process.note("lie", `absent: ${lies.join(" ")}`);
      return [...absent, ...lies];
    },
  };
}

/** How many recent deliveries may come again. */
const REMEMBERED = 8;

function createFaultyReceiver(
  process: SimProcess,
  broker: Broker,
  mailbox: string,
  first: Receiver,
): Receiver {
  const { faults } = process.world;
  let inner = first;
  let closed = false;
  const recent: Delivery[] = [];
  const take = async (limits: { readonly frames: number; readonly bytes: number }): Promise<Delivery[]> => {
    for (;;) {
      if (!closed && faults.losesChannel(process.random)) {
        process.note("channel lost", mailbox);
        await inner.close();
        inner = await broker.receive(mailbox);
        if (closed) await inner.close();
      }
      const taken = await inner.take(limits);
      if (taken.length === 0) return taken;
      const kept = await sift(process, broker, mailbox, taken, recent);
      if (kept.length > 0) return kept;
    }
  };
  return {
    take: async (limits) => {
      const deliveries = await remotely(process, {
        name: "receiver.take",
        service: "broker",
        apply: () => take(limits),
        fallible: false,
      });
      for (const { frame } of deliveries) process.world.trace.content(frame);
      process.note("took", `${mailbox} ${deliveries.length}`);
      return deliveries;
    },
    close: () =>
      remotely(process, {
        name: "receiver.close",
        service: "broker",
        apply: () => {
          closed = true;
          return inner.close();
        },
        fallible: false,
      }),
  };
}

/** Loses and repeats frames on their way to the process. */
async function sift(
  process: SimProcess,
  broker: Broker,
  mailbox: string,
  taken: readonly Delivery[],
  recent: Delivery[],
): Promise<Delivery[]> {
  const kept: Delivery[] = [];
  for (const delivery of taken) {
    const fate = process.world.faults.frame(mailbox, process.random);
    if (fate === "drop") {
      process.note("drop", mailbox);
      await broker.send([], [delivery]);
      continue;
    }
    kept.push(delivery);
    recent.push(delivery);
    if (recent.length > REMEMBERED) recent.shift();
    if (fate !== "duplicate") continue;
    const again = recent.slice(-process.random.integer(1, recent.length));
    process.note("duplicate", `${mailbox} ${again.length}`);
    // In their order, as a channel that is opened again brings them.
    for (const one of again) kept.push({ ...one, redelivered: true });
  }
  return kept;
}

function traceSends(process: SimProcess, sends: readonly Send[]): void {
  for (const { mailbox, frame } of sends) {
    process.world.trace.content(frame);
    if (process.world.trace.verbose) process.say("send", describeFrame(mailbox, frame));
  }
}
