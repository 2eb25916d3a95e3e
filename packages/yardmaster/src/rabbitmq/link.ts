import type { Channel, ChannelModel, ConfirmChannel } from "amqplib";
import { answeredWithin, endedWithin } from "../deadline.ts";
import { type Cancel, fraction, type Host } from "../host.ts";
import { messageOf, YardmasterError } from "../protocol/errors.ts";
import { DEADLINE_MS, destroySocket } from "./connection.ts";
import { isConnectionClosed, translate } from "./failure.ts";

const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 2_000;

export interface LinkListener {
  /** There is a connection again. */
  readonly up?: () => void;
  /** The connection is lost, and with it every channel and exclusive queue. */
  readonly down?: () => void;
  /** The server takes no messages from this connection until further notice: one of its alarms is raised. */
  readonly blocked?: () => void;
}

/** A connection that is made with its first use and, once made, comes back by itself for ever. */
export class Link {
  readonly #host: Host;
  readonly #where: string;
  readonly #connect: () => Promise<ChannelModel>;
  readonly #listeners: LinkListener[] = [];
  #opening: Promise<void> | null = null;
  #model: ChannelModel | null = null;
  #isClosed = false;
  #cancelRetry: Cancel = () => undefined;
  #trouble: string | null = null;
  #blockedBy: string | null = null;

  constructor(options: {
    readonly host: Host;
    /** The server's address, for messages. */
    readonly where: string;
    readonly connect: () => Promise<ChannelModel>;
  }) {
    this.#host = options.host;
    this.#where = options.where;
    this.#connect = options.connect;
  }

  /** Why there is no connection; null while there is one, and before the first use. */
  get trouble(): string | null {
    return this.#trouble;
  }

  /** The server's reason to take no messages, null while it takes them. */
  get blockedBy(): string | null {
    return this.#blockedBy;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  listen(listener: LinkListener): void {
    this.#listeners.push(listener);
  }

  /** Connects, if that has not been done yet. Throws BROKER_UNAVAILABLE, ENGINE_DENIED or CLOSED. */
  async open(): Promise<ChannelModel> {
    this.check();
    this.#opening ??= this.#connect().then(
      (model) => this.#attach(model),
      (error: unknown) => {
        this.#opening = null;
        throw error;
      },
    );
    await this.#opening;
    this.check();
    if (this.#model !== null) return this.#model;
    const message = `There is no connection to RabbitMQ at ${this.#where} (${this.#trouble ?? "lost"}); it is tried again.`;
    throw new YardmasterError("BROKER_UNAVAILABLE", message);
  }

  check(): void {
    if (this.#isClosed) throw new YardmasterError("CLOSED", "The yard was closed.");
  }

  channel(): Promise<Channel> {
    return this.#newChannel((model) => model.createChannel());
  }

  confirmChannel(): Promise<ConfirmChannel> {
    return this.#newChannel((model) => model.createConfirmChannel());
  }

  /** Does one thing on a channel of its own, as any refusal closes the channel. */
  async once<T>(work: (channel: Channel) => Promise<T>): Promise<T> {
    const channel = await this.channel();
    try {
      return await this.answered(work(channel));
    } finally {
      channel.close().catch(() => undefined); // It is closed already where the work was refused.
    }
  }

  /** The server's answer; rejects with an error of ours, and with BROKER_UNAVAILABLE when the answer does not come. */
  async answered<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answeredWithin(this.#host, DEADLINE_MS, answer);
    } catch (error) {
      throw this.translated(error);
    }
  }

  /** The error to throw for one of the driver's. */
  translated(error: unknown): unknown {
    return translate(error, this.#where);
  }

  async close(timeoutMs: number): Promise<void> {
    this.#isClosed = true;
    this.#cancelRetry();
    const model = this.#model;
    if (model === null) return;
    await endedWithin(
      this.#host,
      timeoutMs,
      model.close().catch(() => undefined),
    );
    destroySocket(model);
  }

  async #newChannel<C extends Channel>(create: (model: ChannelModel) => Promise<C>): Promise<C> {
    const model = await this.open();
    try {
      const channel = await this.answered(create(model));
      // Without a listener Node would end the process; what matters comes with "close" and by rejections.
      channel.on("error", () => undefined);
      return channel;
    } catch (error) {
      if (error instanceof YardmasterError && isConnectionClosed(error.cause)) this.#lost(model, error);
      throw error;
    }
  }

  #attach(model: ChannelModel): void {
    if (this.#isClosed) {
      model.close().catch(() => undefined);
      return;
    }
    this.#model = model;
    this.#trouble = null;
    model.on("close", (error?: Error) => this.#lost(model, error ?? "it was closed"));
    model.on("blocked", (reason: string) => {
      this.#blockedBy = reason;
      for (const listener of this.#listeners) listener.blocked?.();
    });
    model.on("unblocked", () => {
      this.#blockedBy = null;
    });
    for (const listener of this.#listeners) listener.up?.();
  }

  #lost(model: ChannelModel, reason: unknown): void {
    destroySocket(model);
    if (this.#model !== model) return;
    this.#model = null;
    this.#blockedBy = null;
    this.#trouble = messageOf(reason);
    for (const listener of this.#listeners) listener.down?.();
    this.#retry(FIRST_RETRY_MS);
  }

  #retry(delayMs: number): void {
    if (this.#isClosed) return;
    this.#cancelRetry = this.#host.after(delayMs * (0.5 + fraction(this.#host)), () => {
      this.#connect().then(
        (model) => this.#attach(model),
        (error: unknown) => {
          this.#trouble = messageOf(error);
          this.#retry(Math.min(2 * delayMs, MAX_RETRY_MS));
        },
      );
    });
  }
}
