import type { Host } from "../host.ts";
import type { Life } from "../memory/life.ts";
import type { Cursor, Mailboxes, TakeLimits } from "../memory/mailboxes.ts";
import type { Presences } from "../memory/presences.ts";
import { YardmasterError } from "../protocol/errors.ts";
import type { Broker, Delivery, Presence, Receiver } from "./broker.ts";

/** One process's broker over the mailboxes that it shares with the others of its yard. */
export function createMemoryBroker(
  mailboxes: Mailboxes,
  presences: Presences,
  life: Life,
  host: Host,
): Broker {
  const live = <T>(run: () => T): Promise<T> =>
    new Promise((resolve) => {
      life.check();
      resolve(run());
    });
  return {
    declare: (mailbox) => live(() => mailboxes.declare(mailbox)),
    remove: (mailbox) => live(() => mailboxes.remove(mailbox)),
    send: (sends, acks = []) => live(() => mailboxes.send(sends, acks)),
    receive: (mailbox) => live(() => openReceiver(mailboxes, mailbox, life, host)),
    publish: (mailbox, frame) => {
      if (!life.ended) mailboxes.send([{ mailbox, frame }], []);
    },
    depth: (mailbox) => live(() => mailboxes.depth(mailbox)),
    mailboxes: (prefix) => live(() => mailboxes.names(prefix)),
    presence: createPresence(presences, life, live),
  };
}

function createPresence(presences: Presences, life: Life, live: <T>(run: () => T) => Promise<T>): Presence {
  life.onEnd(() => presences.releaseAll(life));
  return {
    provesDeath: true,
    hold: (name) =>
      live(() => {
        presences.hold(name, life);
        return async () => presences.release(name, life);
      }),
    absent: (names) => live(() => presences.absent(names)),
  };
}

function openReceiver(mailboxes: Mailboxes, mailbox: string, life: Life, host: Host): Receiver {
  if (!mailboxes.has(mailbox)) {
    throw new YardmasterError("BROKER_UNAVAILABLE", `There is no mailbox ${mailbox}: declare it first.`);
  }
  const receiver = new MemoryReceiver(mailboxes, mailbox, host);
  const forget = life.onEnd((how) => receiver.end(how === "closed"));
  return {
    take: (limits) => receiver.take(limits),
    close: async () => {
      forget();
      receiver.end(true);
    },
  };
}

class MemoryReceiver {
  readonly #mailboxes: Mailboxes;
  readonly #mailbox: string;
  readonly #host: Host;
  readonly #cursor: Cursor;
  #state: "open" | "closed" | "crashed" = "open";
  #wake: (() => void) | null = null;
  #unwatch: (() => void) | null = null;

  constructor(mailboxes: Mailboxes, mailbox: string, host: Host) {
    this.#mailboxes = mailboxes;
    this.#mailbox = mailbox;
    this.#host = host;
    this.#cursor = mailboxes.cursor(mailbox);
  }

  /** Looks a macrotask later, so that what is sent in one go is taken in one go and nobody starves the event loop. */
  async take(limits: TakeLimits): Promise<Delivery[]> {
    while (this.#state === "open") {
      await new Promise<void>((resolve) => this.#host.defer(resolve));
      if (this.#state !== "open") break;
      const deliveries = this.#mailboxes.read(this.#mailbox, this.#cursor, limits);
      if (deliveries.length > 0) return deliveries;
      await this.#arrival();
    }
    return this.#state === "closed" ? [] : new Promise(() => undefined);
  }

  end(answer: boolean): void {
    this.#state = answer ? "closed" : "crashed";
    this.#unwatch?.();
    if (answer) this.#wake?.();
  }

  #arrival(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#unwatch = this.#mailboxes.watch(this.#mailbox, () => {
        this.#unwatch?.();
        resolve();
      });
    });
  }
}
