import type { Broker, Delivery, Presence, Send, SendOutcome } from "../brokers/broker.ts";
import { isCode, YardmasterError } from "../protocol/errors.ts";
import { createFaultyReceiver } from "./faulty-receiver.ts";
import { OutcomeWatch } from "./outcome-watch.ts";
import { remotely } from "./remote-call.ts";
import type { SimProcess } from "./sim-process.ts";
import { describeFrame } from "./trace-text.ts";

type Call = <T>(name: string, apply: () => Promise<T>, fallible?: boolean) => Promise<T>;

/** A process's view of the broker: calls travel and fail, frames are lost where they may be and come twice. */
export function createFaultyBroker(process: SimProcess, broker: Broker): Broker {
  const call: Call = (name, apply, fallible = true) =>
    remotely(process, { name, service: "broker", apply, fallible });
  const watch = process.role === "worker" ? new OutcomeWatch(process) : null;
  return {
    declare: (mailbox, options) => call("broker.declare", () => broker.declare(mailbox, options)),
    remove: (mailbox) => call("broker.remove", () => broker.remove(mailbox)),
    send: (sends, acks) => {
      traceSends(process, sends);
      for (const { frame } of sends) watch?.sent(frame);
      return call("broker.send", () => sendWholeOrPart(process, broker, sends, acks ?? []));
    },
    receive: async (mailbox) =>
      createFaultyReceiver(
        process,
        broker,
        mailbox,
        await call("broker.receive", () => broker.receive(mailbox)),
        watch,
      ),
    publish: (mailbox, frame) => {
      if (!process.passes("broker.publish", "before")) return;
      const { timeline, faults } = process.world;
      if (faults.frame(mailbox, process.random) !== "drop") {
        const delayMs = process.requestDelay(process.latency());
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
  if (!cut) {
    const outcomes = await broker.send(sends, acks);
    return outcomes.map((outcome, index) => confirmedAnyway(process, outcome, sends[index]));
  }
  process.world.coverage.fault("batch cut");
  await broker.send(sends.slice(0, process.random.integer(1, sends.length - 1)), []);
  throw new YardmasterError("BROKER_UNAVAILABLE", "The simulated broker was lost within a batch");
}

/** A lane is never gone once somebody has declared it: only a process's own mailbox goes. */
function confirmedAnyway(process: SimProcess, outcome: SendOutcome, send: Send | undefined): SendOutcome {
  if (outcome !== "gone" || send?.mailbox.startsWith("lane:") !== false) return outcome;
  if (!process.world.faults.liesAboutGone(process.random)) return outcome;
  process.world.coverage.fault("lie about a mailbox");
  process.note("lie", "confirmed what is gone");
  return "confirmed";
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

  async lose(heardAfterMs: number): Promise<void> {
    await this.#letGo?.();
    this.#tell(false, heardAfterMs);
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

  #tell(isHeld: boolean, afterMs = 0): void {
    const { world, holds } = this.#process;
    world.timeline.schedule(afterMs, this.#process, () => {
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
      if (faults.plan.presenceIsBlind) {
        if (absent.length > 0) process.world.coverage.fault("absence unseen");
        return [];
      }
      const lies = names.filter(
        (name) =>
          !absent.includes(name) && faults.present.has(name) && faults.liesAboutAbsence(name, process.random),
      );
      if (lies.length > 0) process.world.coverage.fault("lie about absence");
      if (lies.length > 0) process.note("lie", `absent: ${lies.join(" ")}`);
      return [...absent, ...lies];
    },
  };
}

function traceSends(process: SimProcess, sends: readonly Send[]): void {
  for (const { mailbox, frame } of sends) {
    process.world.trace.content(frame);
    if (process.world.trace.verbose) process.say("send", describeFrame(mailbox, frame));
  }
}
