import type { Broker, Delivery, Receiver } from "../brokers/broker.ts";
import { type Host, pause } from "../host.ts";

const LIMITS = { frames: 256, bytes: 4 * 1024 * 1024 };
const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 5_000;

/** The receiving end of a worker's mailbox: opened again, after a pause, whenever it breaks. */
export class Inbox {
  readonly #broker: Broker;
  readonly #host: Host;
  readonly #mailbox: string;
  readonly #take: (deliveries: readonly Delivery[]) => void;
  readonly #broken: (error: unknown) => void;
  readonly #reopening: () => void;
  readonly #reopened: () => void;
  #receiver: Receiver;
  #isClosed = false;

  private constructor(parts: InboxParts, receiver: Receiver) {
    this.#broker = parts.broker;
    this.#host = parts.host;
    this.#mailbox = parts.mailbox;
    this.#take = parts.take;
    this.#broken = parts.broken;
    this.#reopening = parts.reopening;
    this.#reopened = parts.reopened;
    this.#receiver = receiver;
    void this.#run();
  }

  static async open(parts: InboxParts): Promise<Inbox> {
    await parts.broker.declare(parts.mailbox, { durable: false });
    return new Inbox(parts, await parts.broker.receive(parts.mailbox));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#receiver.close();
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      try {
        const deliveries = await this.#receiver.take(LIMITS);
        if (deliveries.length > 0) this.#take(deliveries);
        else if (!this.#isClosed) await this.#reopen();
      } catch (error) {
        if (this.#isClosed) return;
        this.#broken(error);
        await this.#reopen();
      }
    }
  }

  /** For a suspicion: the mailbox is made again where it is gone, and a new receiver takes what is unacknowledged again. */
  async refresh(): Promise<void> {
    await this.#receiver.close();
  }

  /** The mailbox is transient: after an engine's restart it may have to be made again. */
  async #reopen(): Promise<void> {
    this.#reopening();
    for (let waitMs = FIRST_RETRY_MS; !this.#isClosed; waitMs = Math.min(2 * waitMs, MAX_RETRY_MS)) {
      await pause(this.#host, waitMs * (0.5 + this.#host.random() / 2 ** 33));
      try {
        await this.#broker.declare(this.#mailbox, { durable: false });
        this.#receiver = await this.#broker.receive(this.#mailbox);
        if (this.#isClosed) await this.#receiver.close();
        else this.#reopened();
        return;
      } catch (error) {
        this.#broken(error);
      }
    }
  }
}

export interface InboxParts {
  readonly broker: Broker;
  readonly host: Host;
  readonly mailbox: string;
  readonly take: (deliveries: readonly Delivery[]) => void;
  /** Told what went wrong before each try to receive again. */
  readonly broken: (error: unknown) => void;
  /** Told that what was delivered and not acknowledged comes again. */
  readonly reopening: () => void;
  /** The mailbox exists and is listened to again; what was in it may be lost. */
  readonly reopened: () => void;
}
