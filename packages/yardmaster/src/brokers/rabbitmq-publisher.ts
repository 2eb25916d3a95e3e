import type { ConfirmChannel } from "amqplib";
import { answeredWithin } from "../deadline.ts";
import type { Host } from "../host.ts";
import { viewOf } from "../protocol/bytes.ts";
import { messageOf, YardmasterError } from "../protocol/errors.ts";
import { DEADLINE_MS } from "../rabbitmq/connection.ts";
import type { Link } from "../rabbitmq/link.ts";
import type { SendOutcome } from "./broker.ts";

export interface Publication {
  readonly queue: string;
  readonly content: Uint8Array;
}

/** No queue has a longer name; whoever wants an answer in one gets none. */
const MAX_QUEUE_BYTES = 255;

/** Publishes with confirms on one channel, which is made again after each loss. */
export class Publisher {
  readonly #link: Link;
  readonly #host: Host;
  /** One promise for all who publish, so that they publish in the order of their calls. */
  #channel: Promise<ConfirmChannel> | null = null;
  /** Why the last channel was closed by the server. */
  #refusal: unknown = null;
  readonly #unanswered = new Map<string, Message>();
  #lastId = 0;

  constructor(link: Link, host: Host) {
    this.#link = link;
    this.#host = host;
    link.listen({
      down: () => {
        this.#channel = null;
      },
      blocked: () => {
        for (const message of this.#unanswered.values()) message.batch.fail(this.#blockedMeanwhile());
      },
    });
  }

  /** Rejects with STORE_FULL when nothing was published; with BROKER_UNAVAILABLE, ENGINE_DENIED or CLOSED nobody knows. */
  async send(publications: readonly Publication[]): Promise<SendOutcome[]> {
    this.#link.check();
    if (publications.length === 0) return [];
    const channel = await this.#open();
    if (this.#link.blockedBy !== null) throw this.#blocked();
    const batch = new Batch(publications.length);
    const messages = publications.map((publication, index) =>
      this.#publish(channel, publication, batch, index),
    );
    try {
      return await answeredWithin(this.#host, DEADLINE_MS, batch.answered);
    } finally {
      for (const { id } of messages) this.#unanswered.delete(id);
    }
  }

  /** Publishes what may be lost; never throws. */
  publish({ queue, content }: Publication): void {
    if (this.#link.isClosed || this.#link.blockedBy !== null) return;
    if (Buffer.byteLength(queue) > MAX_QUEUE_BYTES) return;
    this.#open()
      .then((channel) => channel.publish("", queue, viewOf(content), {}))
      .catch(() => undefined);
  }

  #publish(channel: ConfirmChannel, { queue, content }: Publication, batch: Batch, index: number): Message {
    this.#lastId += 1;
    const message: Message = { id: this.#lastId.toString(36), batch, outcome: "confirmed" };
    if (Buffer.byteLength(queue) > MAX_QUEUE_BYTES) {
      batch.answer(index, "gone");
      return message;
    }
    this.#unanswered.set(message.id, message);
    try {
      // Quorum queues keep every message on disk, whatever it asks for; the other ones are not meant to.
      const options = { mandatory: true, messageId: message.id };
      channel.publish("", queue, viewOf(content), options, (error: unknown) => {
        if (error === null) batch.answer(index, message.outcome);
        else batch.fail(this.#failure(error));
      });
    } catch (error) {
      batch.fail(this.#failure(error));
    }
    return message;
  }

  #open(): Promise<ConfirmChannel> {
    this.#channel ??= this.#create();
    return this.#channel;
  }

  #create(): Promise<ConfirmChannel> {
    const created = this.#link.confirmChannel().then((channel) => {
      this.#refusal = null;
      // The server returns what has no queue before it confirms it.
      channel.on("return", ({ properties }) => {
        const message = this.#unanswered.get(String(properties.messageId));
        if (message !== undefined) message.outcome = "gone";
      });
      channel.on("error", (error) => {
        this.#refusal = error;
      });
      channel.on("close", forget);
      return channel;
    });
    const forget = (): void => {
      if (this.#channel === created) this.#channel = null;
    };
    created.catch(forget);
    return created;
  }

  #failure(error: unknown): unknown {
    const refusal = this.#refusal;
    if (refusal !== null) return this.#link.translated(refusal);
    if (messageOf(error) !== "message nacked") return this.#link.translated(error);
    return new YardmasterError("BROKER_UNAVAILABLE", "RabbitMQ could not keep a message (nack): try again.");
  }

  /** What was on its way may have been the last that it took. */
  #blockedMeanwhile(): YardmasterError {
    const reason = this.#link.blockedBy ?? "an alarm";
    return new YardmasterError(
      "BROKER_UNAVAILABLE",
      `RabbitMQ stopped taking messages (${reason}) before it confirmed this one: give it memory or disk.`,
    );
  }

  #blocked(): YardmasterError {
    const reason = this.#link.blockedBy ?? "an alarm";
    return new YardmasterError(
      "STORE_FULL",
      `RabbitMQ takes no messages (${reason}): give it memory or disk; it goes on by itself then.`,
    );
  }
}

interface Message {
  readonly id: string;
  readonly batch: Batch;
  outcome: SendOutcome;
}

/** The messages of one call, which are answered as one. */
class Batch {
  readonly answered: Promise<SendOutcome[]>;
  readonly #outcomes: SendOutcome[];
  #left: number;
  #resolve: (outcomes: SendOutcome[]) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;

  constructor(size: number) {
    this.#outcomes = new Array<SendOutcome>(size).fill("gone");
    this.#left = size;
    this.answered = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  answer(index: number, outcome: SendOutcome): void {
    this.#outcomes[index] = outcome;
    this.#left -= 1;
    if (this.#left === 0) this.#resolve(this.#outcomes);
  }

  fail(error: unknown): void {
    this.#reject(error);
  }
}
