import { type Host, pause } from "../host.ts";
import { isCode } from "../protocol/errors.ts";
import type { Link } from "../rabbitmq/link.ts";
import type { Presence } from "./broker.ts";
import type { Publisher } from "./rabbitmq-publisher.ts";

const RETRY_MS = 250;
/** Nobody asks for the oldest of so many names any more. */
const MAX_SEEN = 100_000;
/**
 * How long everybody has to be back after the server started. Not longer than a worker may be silent: then that would
 * tell of its death first.
 */
const PATIENCE_MS = 10_000;

/**
 * A name is held by an exclusive queue on the connection that receives: it goes with that connection, so that it shows
 * who lives and hears. To look for a name is to publish to its queue: what has no queue comes back.
 */
export class RabbitPresence implements Presence {
  readonly provesDeath = false;
  readonly #listening: Link;
  readonly #publisher: Publisher;
  readonly #host: Host;
  readonly #queueOf: (name: string) => string;
  readonly #held = new Map<string, Holding>();
  /** Present since our own connection was made, which is not older than the server's present life. */
  readonly #seen = new Set<string>();
  /** When that connection was made. */
  #upSince: number;

  constructor(options: {
    readonly publishing: Link;
    readonly listening: Link;
    readonly publisher: Publisher;
    readonly host: Host;
    readonly queueOf: (name: string) => string;
  }) {
    this.#listening = options.listening;
    this.#publisher = options.publisher;
    this.#host = options.host;
    this.#queueOf = options.queueOf;
    this.#upSince = options.publishing.trouble === null ? this.#host.monotonic() : Number.POSITIVE_INFINITY;
    options.publishing.listen({ up: () => this.#connected(), down: () => this.#disconnected() });
    options.listening.listen({ up: () => this.#holdAgain(), down: () => this.#lose() });
  }

  async hold(
    name: string,
    changed: (isHeld: boolean) => void = () => undefined,
  ): Promise<() => Promise<void>> {
    await this.#declare(name);
    const holding: Holding = { changed, isHeld: true };
    this.#held.set(name, holding);
    return async () => {
      if (this.#held.get(name) !== holding) return;
      this.#held.delete(name);
      // Without a connection there is no queue of it.
      await this.#listening
        .once((channel) => channel.deleteQueue(this.#queueOf(name)))
        .catch(() => undefined);
    };
  }

  async absent(names: readonly string[]): Promise<string[]> {
    const content = new Uint8Array(0);
    const outcomes = await this.#publisher.send(
      names.map((name) => ({ queue: this.#queueOf(name), content })),
    );
    // Who took over from another process may never have seen those that died before.
    const isPatienceOver = this.#host.monotonic() - this.#upSince >= PATIENCE_MS;
    return names.filter((name, index) => {
      if (outcomes[index] === "gone") return isPatienceOver || this.#seen.has(name);
      this.#see(name);
      return false;
    });
  }

  #connected(): void {
    this.#upSince = this.#host.monotonic();
  }

  #disconnected(): void {
    this.#upSince = Number.POSITIVE_INFINITY;
    this.#seen.clear();
  }

  #see(name: string): void {
    this.#seen.add(name);
    for (const oldest of this.#seen) {
      if (this.#seen.size <= MAX_SEEN) break;
      this.#seen.delete(oldest);
    }
  }

  async #declare(name: string): Promise<void> {
    // Whoever looks for the name leaves a message: one is kept.
    const options = { exclusive: true, durable: false, maxLength: 1 };
    await this.#listening.once((channel) => channel.assertQueue(this.#queueOf(name), options));
  }

  #lose(): void {
    for (const holding of this.#held.values()) {
      if (!holding.isHeld) continue;
      holding.isHeld = false;
      holding.changed(false);
    }
  }

  #holdAgain(): void {
    for (const [name, holding] of this.#held) void this.#holdOneAgain(name, holding);
  }

  /** The server may believe for a while that the lost connection lives, and that the name is taken. */
  async #holdOneAgain(name: string, holding: Holding): Promise<void> {
    while (this.#held.get(name) === holding && !holding.isHeld && this.#listening.trouble === null) {
      try {
        await this.#declare(name);
        if (this.#held.get(name) !== holding || holding.isHeld) return;
        holding.isHeld = true;
        holding.changed(true);
      } catch (error) {
        if (isCode(error, "CLOSED")) return;
        await pause(this.#host, RETRY_MS);
      }
    }
  }
}

interface Holding {
  readonly changed: (isHeld: boolean) => void;
  isHeld: boolean;
}
