import type { Channel, ConsumeMessage } from "amqplib";
import type { Cancel, Host } from "../host.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { randomId } from "../protocol/ids.ts";
import { isNotFound } from "../rabbitmq/failure.ts";
import type { Link } from "../rabbitmq/link.ts";
import type { Delivery, Receiver } from "./broker.ts";

/**
 * Frames that the server sends ahead of their acknowledgement, at first and each time that all of them were taken and
 * more is asked for. Most are of half a MiB at most.
 */
const PREFETCH = 64;
const MAX_PREFETCH = 65_535;
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 2_000;
/** How often a receiver that gets nothing asks whether the server still knows it. */
const LOOK_MS = 5_000;

/** One subscription: its tags mean something on its channel only. */
class Session {
  readonly id: string;
  readonly channel: Channel;
  /** In order of delivery. */
  readonly unacknowledged = new Set<number>();
  prefetch = PREFETCH;
  /** Empty while there is none, or another one is made. */
  consumer = "";
  /** Since the last look. */
  isQuiet = false;
  cancelLook: Cancel = () => undefined;

  constructor(id: string, channel: Channel) {
    this.id = id;
    this.channel = channel;
  }

  /** Acknowledges those that wait for it: a tag that does not would close the channel. */
  acknowledge(tags: ReadonlySet<number>): void {
    let upTo = 0;
    for (const tag of this.unacknowledged) {
      if (!tags.has(tag)) break;
      upTo = tag;
    }
    if (upTo > 0) this.#acknowledge(upTo, true);
    for (const tag of tags) {
      if (tag > upTo && this.unacknowledged.has(tag)) this.#acknowledge(tag, false);
    }
    for (const tag of tags) this.unacknowledged.delete(tag);
  }

  #acknowledge(tag: number, isUpTo: boolean): void {
    try {
      // The driver reads nothing but the tag.
      this.channel.ack({ fields: { deliveryTag: tag } } as ConsumeMessage, isUpTo);
    } catch {
      // The channel is closing: then its frames are delivered again.
    }
  }
}

/** The open subscriptions of this process: a delivery is acknowledged by whichever engine is told to. */
const sessions = new Map<string, Session>();

/** Acknowledges what was delivered on channels that are still open; the rest is delivered again anyway. */
export function acknowledge(deliveries: readonly Delivery[]): void {
  const tags = new Map<Session, Set<number>>();
  for (const { tag } of deliveries) {
    const [id = "", number] = String(tag).split("#");
    const session = sessions.get(id);
    if (session === undefined) continue;
    const ofSession = tags.get(session);
    if (ofSession === undefined) tags.set(session, new Set([Number(number)]));
    else ofSession.add(Number(number));
  }
  for (const [session, ofSession] of tags) session.acknowledge(ofSession);
}

export class RabbitReceiver implements Receiver {
  readonly mailbox: string;
  readonly #queue: string;
  readonly #link: Link;
  readonly #host: Host;
  readonly #onEnd: () => void;
  #waiting: Delivery[] = [];
  #session: Session | null = null;
  #isOpen = true;
  /** While a subscription is being made; a channel that closes meanwhile starts no other. */
  #isSubscribing = false;
  #closing: Promise<void> | null = null;
  #wake: () => void = () => undefined;
  #hurry: Cancel = () => undefined;

  constructor(options: {
    readonly mailbox: string;
    readonly queue: string;
    readonly link: Link;
    readonly host: Host;
    /** Called once when it stops. */
    readonly onEnd: () => void;
  }) {
    this.mailbox = options.mailbox;
    this.#queue = options.queue;
    this.#link = options.link;
    this.#host = options.host;
    this.#onEnd = options.onEnd;
  }

  /** Rejects with BROKER_UNAVAILABLE where there is no such mailbox. */
  async open(): Promise<void> {
    try {
      this.#isSubscribing = true;
      await this.#subscribe();
      this.#isSubscribing = false;
      if (this.#session === null) void this.#resume();
    } catch (error) {
      this.end();
      if (!isNotFound(error)) throw error;
      const message = `There is no mailbox ${this.mailbox}: declare it first.`;
      throw new YardmasterError("BROKER_UNAVAILABLE", message, { cause: error });
    }
  }

  async take(limits: { readonly frames: number; readonly bytes: number }): Promise<Delivery[]> {
    while (this.#isOpen && this.#waiting.length === 0) {
      this.#widen();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    let [count, bytes] = [0, 0];
    for (const { frame } of this.#waiting) {
      bytes += frame.length;
      if (count > 0 && (count >= limits.frames || bytes > limits.bytes)) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Stops it without a word to the server. */
  end(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#waiting = [];
    this.#wake();
    this.#hurry();
    this.#onEnd();
  }

  /** Tries now to subscribe again, if it waits for that. */
  hurry(): void {
    this.#hurry();
  }

  /** How many frames this receiver holds unacknowledged, once all have arrived that the server had sent by now. */
  async unacknowledged(): Promise<number> {
    const session = this.#session;
    if (session === null) return 0;
    await this.#link.answered(session.channel.prefetch(session.prefetch));
    return session.unacknowledged.size;
  }

  async #close(): Promise<void> {
    const session = this.#session;
    this.end();
    if (session === null) return;
    const { channel, consumer } = session;
    // Given back before the channel is closed: a channel's end is told to the queue too late for the next receiver.
    const ended = async (): Promise<void> => {
      if (consumer !== "") await channel.cancel(consumer);
      sessions.delete(session.id);
      channel.nackAll(true);
      await channel.close();
    };
    await this.#link.answered(ended()).catch(() => this.#drop(session));
  }

  async #subscribe(): Promise<void> {
    const channel = await this.#link.channel();
    const session = new Session(randomId(this.#host), channel);
    channel.on("close", () => this.#ended(session));
    try {
      this.#session = session;
      sessions.set(session.id, session);
      await this.#link.answered(this.#consume(session));
    } catch (error) {
      this.#ended(session);
      this.#drop(session);
      throw error;
    }
    this.#look(session);
    if (!this.#isOpen) await this.#close();
  }

  async #consume(session: Session): Promise<void> {
    const { channel, prefetch } = session;
    await channel.prefetch(prefetch);
    // The newest receiver comes first, so that a frozen one does not get what a living one could take.
    const options = { priority: Math.floor(this.#host.now()) };
    const consumed = await channel.consume(
      this.#queue,
      (message) => this.#deliver(session, message),
      options,
    );
    session.consumer = consumed.consumerTag;
  }

  /**
   * Subscribes anew with a larger window when all of the present one was taken and is not acknowledged yet. A second
   * subscription beside the first would not keep the order.
   */
  #widen(): void {
    const session = this.#session;
    if (session === null || session.consumer === "" || session.unacknowledged.size < session.prefetch) return;
    const { channel, consumer } = session;
    session.consumer = "";
    session.prefetch = Math.min(session.unacknowledged.size + PREFETCH, MAX_PREFETCH);
    const widened = channel.cancel(consumer).then(() => this.#consume(session));
    this.#link.answered(widened).catch(() => this.#drop(session));
  }

  #deliver(session: Session, message: ConsumeMessage | null): void {
    if (message === null) {
      // The mailbox was removed, or moves to another node.
      this.#drop(session);
      return;
    }
    if (!this.#isOpen || this.#session !== session) return;
    const { deliveryTag, redelivered } = message.fields;
    session.unacknowledged.add(deliveryTag);
    session.isQuiet = false;
    this.#waiting.push({
      mailbox: this.mailbox,
      tag: `${session.id}#${deliveryTag}`,
      frame: message.content,
      redelivered,
    });
    this.#wake();
  }

  /**
   * Asks from time to time: RabbitMQ 3.10 may forget a subscription without a word when a quorum queue is removed and
   * declared again at once.
   */
  #look(session: Session): void {
    session.cancelLook = this.#host.after(LOOK_MS, () => {
      const { channel, isQuiet, consumer } = session;
      session.isQuiet = true;
      if (!isQuiet || consumer === "") return this.#look(session);
      this.#link.answered(channel.checkQueue(this.#queue)).then(
        ({ consumerCount }) => (consumerCount === 0 ? this.#drop(session) : this.#look(session)),
        () => this.#drop(session),
      );
    });
  }

  /** Closes its channel, if the server has not done so; another one is opened while the receiver is open. */
  #drop({ channel }: Session): void {
    channel.close().catch(() => undefined);
  }

  /** What it delivered and nobody took is delivered again. */
  #ended(session: Session): void {
    session.cancelLook();
    sessions.delete(session.id);
    if (this.#session !== session) return;
    this.#session = null;
    this.#waiting = [];
    if (this.#isOpen && !this.#isSubscribing) void this.#resume();
  }

  async #resume(): Promise<void> {
    this.#isSubscribing = true;
    for (let delayMs = FIRST_RETRY_MS; this.#isOpen; delayMs = Math.min(2 * delayMs, MAX_RETRY_MS)) {
      try {
        await this.#subscribe();
        if (this.#session !== null) break;
      } catch {
        // No connection, or no mailbox: both may come back.
      }
      await this.#pause(delayMs);
    }
    this.#isSubscribing = false;
  }

  #pause(delayMs: number): Promise<void> {
    if (!this.#isOpen) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#host.after(delayMs, resolve);
      this.#hurry = () => {
        cancel();
        resolve();
      };
    });
  }
}
