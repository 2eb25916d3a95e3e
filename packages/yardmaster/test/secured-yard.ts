import type { Delivery } from "../src/brokers/broker.ts";
import { type Client, startClient } from "../src/client/client.ts";
import type { Alarm } from "../src/dispatcher/alarm.ts";
import { type Dispatcher, startDispatcherOn } from "../src/dispatcher/dispatcher.ts";
import type { Engine } from "../src/engine.ts";
import { createMemoryWorld, type MemoryWorld } from "../src/memory/world.ts";
import { messageOf } from "../src/protocol/errors.ts";
import type { SecurityOptions } from "../src/security/keys.ts";
import { securedEngine } from "../src/security/secured-engine.ts";
import { createManualHost, type ManualHost } from "../src/testing/manual-host.ts";
import type { Handler } from "../src/worker/handlers.ts";
import { startWorkerOn, type Worker } from "../src/worker/worker.ts";

interface Sent {
  readonly mailbox: string;
  readonly frame: Buffer;
}

/** A key of 32 bytes. */
export function key(seed: number): Uint8Array {
  return new Uint8Array(32).fill(seed);
}

/** A yard in memory, each of whose processes may have keys of its own, and whose broker somebody listens to. */
export class SecuredYard {
  readonly host: ManualHost = createManualHost();
  readonly world: MemoryWorld = createMemoryWorld(this.host);
  readonly alarms: Alarm[] = [];
  readonly reports: string[] = [];
  /** All that went over the wire. */
  readonly sent: Sent[] = [];
  private readonly closing: (() => Promise<unknown>)[] = [];

  /** As the broker is: without anybody's keys. */
  engine(): Engine {
    const engine = this.world.open(this.host);
    const listen = (sends: readonly { mailbox: string; frame: Uint8Array }[]): void => {
      for (const { mailbox, frame } of sends) this.sent.push({ mailbox, frame: Buffer.from(frame) });
    };
    return {
      ...engine,
      commit: (tick) => {
        listen(tick.sends);
        return engine.commit(tick);
      },
      broker: {
        ...engine.broker,
        send: (sends, acks: readonly Delivery[] = []) => {
          listen(sends);
          return engine.broker.send(sends, acks);
        },
      },
    };
  }

  /** A dispatcher and a worker in one process. */
  async both(handlers: readonly Handler[], security?: SecurityOptions): Promise<Dispatcher> {
    const engine = securedEngine(this.engine(), security, this.host);
    const dispatcher = await this.dispatcher(security, engine);
    await this.worker(handlers, security, engine);
    return dispatcher;
  }

  async dispatcher(
    security?: SecurityOptions,
    engine: Engine = securedEngine(this.engine(), security, this.host),
  ): Promise<Dispatcher> {
    const onAlarm = (alarm: Alarm): void => void this.alarms.push(alarm);
    const dispatcher = await startDispatcherOn({ engine, host: this.host, onAlarm });
    this.closing.unshift(() => dispatcher.close());
    return dispatcher;
  }

  async worker(
    handlers: readonly Handler[],
    security?: SecurityOptions,
    engine: Engine = securedEngine(this.engine(), security, this.host),
  ): Promise<Worker> {
    const report = (what: string, error: unknown): void =>
      void this.reports.push(`${what}: ${messageOf(error)}`);
    const worker = await startWorkerOn({ engine, host: this.host, handlers, report });
    this.closing.unshift(() => worker.close({ timeoutMs: 5_000 }));
    await this.host.settle();
    return worker;
  }

  async client(security?: SecurityOptions): Promise<Client> {
    const client = await startClient({
      engine: securedEngine(this.engine(), security, this.host),
      host: this.host,
    });
    this.closing.unshift(() => client.close());
    return client;
  }

  /** The codes of what was refused, without the rest of what a dispatcher tells. */
  get refusals(): string[] {
    return this.alarms.map(({ code }) => code).filter((code) => code.startsWith("FRAME_"));
  }

  /** Moves time until a promise has settled. */
  async driven<T>(promise: Promise<T>): Promise<T> {
    let isDone = false;
    const watched = promise.finally(() => {
      isDone = true;
    });
    watched.catch(() => undefined);
    await this.host.settle();
    for (let tries = 0; !isDone && tries < 600; tries += 1) await this.host.advance(200);
    if (!isDone) throw new Error("It has not settled within two minutes.");
    return watched;
  }

  async close(): Promise<void> {
    for (const close of this.closing.splice(0)) await this.driven(close().catch(() => undefined));
  }
}
