import type { Broker, Delivery, Receiver, Send, Transactional } from "../brokers/broker.ts";
import type { Engine, Tick } from "../engine.ts";
import { readHeader } from "../protocol/frame.ts";
import { refusedFrame } from "../protocol/seal.ts";
import type { FrameSigner } from "./frame-signer.ts";

/** So many frames that were acknowledged are remembered at least, so that none of them is taken twice. */
const REMEMBERED = 50_000;

/** Signs all that is sent and verifies all that is received; what is refused cannot be read. */
export class SignedTraffic {
  private readonly signer: FrameSigner;
  /** By what was handed out: as the adapter knows it, and its mark. */
  private readonly originals = new WeakMap<
    Delivery,
    { readonly delivery: Delivery; readonly mark: string }
  >();
  /** The mailboxes that this process listens to: who sends from one of them proves nothing of anybody else's keys. */
  private readonly own = new Set<string>();
  private taken = new Set<string>();
  private takenBefore = new Set<string>();

  constructor(signer: FrameSigner) {
    this.signer = signer;
  }

  broker(broker: Broker): Broker {
    const { partOf, transactional } = broker;
    return {
      declare: (mailbox, options) => broker.declare(mailbox, options),
      remove: (mailbox) => broker.remove(mailbox),
      depth: (mailbox) => broker.depth(mailbox),
      mailboxes: (prefix) => broker.mailboxes(prefix),
      presence: broker.presence,
      publish: (mailbox, frame) => broker.publish(mailbox, this.signer.sign(mailbox, frame)),
      receive: async (mailbox) => {
        this.own.add(mailbox);
        return this.receiver(await broker.receive(mailbox));
      },
      send: async (sends, acks = []) => {
        const outcomes = await broker.send(
          this.signed(sends),
          acks.map((ack) => this.original(ack)),
        );
        this.remember(acks);
        return outcomes;
      },
      ...(partOf === undefined ? {} : { partOf }),
      ...(transactional === undefined ? {} : { transactional: this.transactional(transactional) }),
    };
  }

  /** As `engine`, over its signed broker. */
  engine(engine: Engine): Engine {
    const { outbox } = engine;
    return {
      broker: this.broker(engine.broker),
      store: engine.store,
      shards: engine.shards,
      commitsAside: engine.commitsAside,
      url: engine.url,
      commit: async (tick: Tick) => {
        const acks = tick.acks.map((ack) => this.original(ack));
        const outcomes = await engine.commit({ ...tick, sends: this.signed(tick.sends), acks });
        this.remember(tick.acks);
        return outcomes;
      },
      report: () => engine.report(),
      close: (options) => engine.close(options),
      ...(outbox === undefined
        ? {}
        : {
            outbox: {
              transactional: this.transactional(outbox.transactional),
              mailbox: (shard) => outbox.mailbox(shard),
              receive: async (shard) => this.receiver(await outbox.receive(shard)),
            },
          }),
    };
  }

  private transactional(transactional: Transactional): Transactional {
    return {
      statement: (mailbox, frame, mark) =>
        transactional.statement(mailbox, this.signer.sign(mailbox, frame), mark),
      waits: (mailbox, mark) => transactional.waits(mailbox, mark),
      nudge: (mailbox) => transactional.nudge(mailbox),
    };
  }

  private receiver(receiver: Receiver): Receiver {
    return {
      take: async (limits) => (await receiver.take(limits)).map((delivery) => this.opened(delivery)),
      close: () => receiver.close(),
    };
  }

  private opened(delivery: Delivery): Delivery {
    const { mailbox, frame: bytes } = delivery;
    const verdict = this.signer.verify(mailbox, bytes);
    const isTaken = typeof verdict !== "string" && this.isTaken(verdict.mark);
    const refusal = typeof verdict === "string" ? verdict : isTaken ? "replayed" : null;
    const frame =
      typeof verdict === "string" || isTaken ? refusedFrame(refusal ?? "malformed", bytes) : verdict.frame;
    const isForeign = typeof verdict !== "string" && verdict.mark !== "" && this.isOthers(verdict.frame);
    const opened: Delivery = { ...delivery, frame, isForeign };
    const mark = typeof verdict === "string" || isTaken ? "" : verdict.mark;
    this.originals.set(opened, { delivery, mark });
    return opened;
  }

  private isOthers(frame: Uint8Array): boolean {
    try {
      const { from } = readHeader(frame);
      return from !== "" && !this.own.has(from);
    } catch {
      return false; // Signed, but no frame: its reader says so.
    }
  }

  private signed(sends: readonly Send[]): Send[] {
    return sends.map(({ mailbox, frame }) => ({ mailbox, frame: this.signer.sign(mailbox, frame) }));
  }

  private original(delivery: Delivery): Delivery {
    return this.originals.get(delivery)?.delivery ?? delivery;
  }

  /** What was acknowledged is done with: whoever sends it again is not who sent it first. */
  private remember(acks: readonly Delivery[]): void {
    for (const ack of acks) {
      const mark = this.originals.get(ack)?.mark ?? "";
      if (mark !== "") this.taken.add(mark);
    }
    if (this.taken.size < REMEMBERED) return;
    this.takenBefore = this.taken;
    this.taken = new Set();
  }

  private isTaken(mark: string): boolean {
    return this.taken.has(mark) || this.takenBefore.has(mark);
  }
}
