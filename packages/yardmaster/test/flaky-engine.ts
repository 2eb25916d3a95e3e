import type { Receiver } from "../src/brokers/broker.ts";
import type { Engine } from "../src/engine.ts";
import { YardmasterError } from "../src/protocol/errors.ts";

/** An engine that a test takes away: calls are refused, or hang and happen when it is back. */
export class Outage {
  mode: "up" | "refuses" | "hangs" = "up";
  #back: Promise<void> = Promise.resolve();
  #end: () => void = () => undefined;

  begin(mode: "refuses" | "hangs"): void {
    this.mode = mode;
    this.#back = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  end(): void {
    this.mode = "up";
    this.#end();
  }

  wrap(engine: Engine): Engine {
    const { broker, store } = engine;
    const call = async <T>(run: () => Promise<T>): Promise<T> => {
      if (this.mode === "refuses") throw new YardmasterError("STORE_UNAVAILABLE", "The engine is away.");
      await this.#back;
      return await run();
    };
    const receive = async (mailbox: string): Promise<Receiver> => {
      const receiver = await broker.receive(mailbox);
      const take: Receiver["take"] = async (limits) => {
        const deliveries = await receiver.take(limits);
        await this.#back;
        return deliveries;
      };
      return { take, close: () => receiver.close() };
    };
    return {
      ...engine,
      broker: {
        ...broker,
        declare: (mailbox, options) => call(() => broker.declare(mailbox, options)),
        remove: (mailbox) => call(() => broker.remove(mailbox)),
        send: (sends, acks) => call(() => broker.send(sends, acks)),
        receive: (mailbox) => call(() => receive(mailbox)),
        mailboxes: (prefix) => call(() => broker.mailboxes(prefix)),
        presence: {
          ...broker.presence,
          absent: (names) => call(() => broker.presence.absent(names)),
        },
      },
      store: {
        ...store,
        acquire: (...given) => call(() => store.acquire(...given)),
        renew: (...given) => call(() => store.renew(...given)),
        release: (lease) => call(() => store.release(lease)),
        holder: (shard) => call(() => store.holder(shard)),
        commit: (...given) => call(() => store.commit(...given)),
        parked: (...given) => call(() => store.parked(...given)),
        read: (query) => call(() => store.read(query)),
      },
      commit: (tick) => call(() => engine.commit(tick)),
    };
  }
}
