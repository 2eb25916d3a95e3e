import { readFile } from "node:fs/promises";
import { answeredWithin } from "../deadline.ts";
import type { Host } from "../host.ts";
import { messageOf, YardmasterError } from "../protocol/errors.ts";
import type { Endpoint, RedisAddress } from "./address.ts";

export type Argument = string | Buffer;

/** What we use of node-redis's client; the rest of the code sees nothing else of the driver. */
export interface Client {
  connect(): Promise<unknown>;
  sendCommand(
    args: readonly Argument[],
    options?: { readonly typeMapping: Readonly<Record<number, unknown>> },
  ): Promise<unknown>;
  destroy(): void;
  /** Another one, not connected, with other options. */
  duplicate(options: Readonly<Record<string, unknown>>): Client;
  on(event: "error" | "end", listener: (error?: Error) => void): unknown;
}

interface Driver {
  createClient(options: Readonly<Record<string, unknown>>): Client;
}

/**
 * Has strings answered as buffers: frames and records are no text. The key is RESP's mark of a string, "$". The driver's
 * own time limit, a signal for each command, is off: a link has its own.
 */
const AS_BUFFERS = { typeMapping: { 36: Buffer }, timeout: 0 } as const;

export function sendRaw(client: Client, args: readonly Argument[]): Promise<unknown> {
  return client.sendCommand(args, AS_BUFFERS);
}

/** Throws DRIVER_MISSING. `load` is the import, which tests replace by one that fails. */
export async function loadDriver(
  load: () => Promise<unknown> = () => import("@redis/client"),
): Promise<Driver> {
  let loaded: unknown;
  try {
    loaded = await load();
  } catch (error) {
    throw new YardmasterError(
      "DRIVER_MISSING",
      `Redis needs the driver @redis/client, which cannot be loaded (${messageOf(error).split("\n")[0]}). To install it: npm install @redis/client`,
      { cause: error },
    );
  }
  if (isDriver(loaded)) return loaded;
  throw new YardmasterError(
    "DRIVER_MISSING",
    "The installed @redis/client is not of a version that fits. To install one: npm install @redis/client@6",
  );
}

function isDriver(loaded: unknown): loaded is Driver {
  return typeof loaded === "object" && loaded !== null && "createClient" in loaded;
}

export interface Login {
  readonly user: string;
  readonly password: string;
  readonly database: number;
}

/** Makes connections: one each time, which never reconnects, never queues while it is down and never sends twice. */
export class Dialer {
  /** The driver makes a class for each set of options, which takes some 30 ms: all connections are copies of this one. */
  readonly #template: Client;
  readonly #host: Host;
  readonly #isTls: boolean;
  readonly #authority: Buffer | null;

  private constructor(driver: Driver, host: Host, isTls: boolean, authority: Buffer | null) {
    this.#template = driver.createClient({
      // RESP2 needs no HELLO, which old access lists do not have, and answers XREAD as lists.
      RESP: 2,
      disableClientInfo: true,
      disableOfflineQueue: true,
    });
    this.#host = host;
    this.#isTls = isTls;
    this.#authority = authority;
  }

  static async load({ isTls, authorityFile }: RedisAddress, host: Host): Promise<Dialer> {
    const driver = await loadDriver();
    const authority = authorityFile === "" ? null : await readAuthority(authorityFile);
    return new Dialer(driver, host, isTls, authority);
  }

  /** Resolves with a connection that is logged in, or rejects with what the driver says. */
  async dial({ host, port }: Endpoint, { user, password, database }: Login): Promise<Client> {
    const client = this.#template.duplicate({
      database,
      ...(user === "" ? {} : { username: user }),
      ...(password === "" ? {} : { password }),
      socket: {
        host,
        port,
        connectTimeout: CONNECT_MS,
        reconnectStrategy: false,
        ...(this.#isTls ? { tls: true } : {}),
        ...(this.#isTls && this.#authority !== null ? { ca: this.#authority } : {}),
      },
    });
    // An error event that nobody hears would end the process.
    client.on("error", () => undefined);
    try {
      await this.#inTime(client.connect());
    } catch (error) {
      client.destroy();
      if (!this.#isTls || !/timeout/i.test(messageOf(error))) throw error;
      // A server without TLS waits for the rest of what it takes for a command.
      throw new Error(
        `no TLS answer within ${CONNECT_MS} ms: does it speak TLS, or is it redis: for rediss:?`,
        {
          cause: error,
        },
      );
    }
    return client;
  }

  /**
   * Asks something of a connection that is still being made. A server that hangs takes connections and never says a
   * word: whoever waited for it would not find its successor.
   */
  ask(client: Client, args: readonly Argument[]): Promise<unknown> {
    return this.#inTime(sendRaw(client, args));
  }

  #inTime<T>(answer: Promise<T>): Promise<T> {
    return answeredWithin(this.#host, ANSWER_MS, answer);
  }
}

async function readAuthority(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new YardmasterError("ENGINE_DENIED", `The file of "ca" cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

const CONNECT_MS = 5_000;
/** Later than the driver's own limit, which says more. */
const ANSWER_MS = 6_000;
