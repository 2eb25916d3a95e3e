import { readFile } from "node:fs/promises";
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
  readonly #driver: Driver;
  readonly #isTls: boolean;
  readonly #authority: Buffer | null;

  private constructor(driver: Driver, isTls: boolean, authority: Buffer | null) {
    this.#driver = driver;
    this.#isTls = isTls;
    this.#authority = authority;
  }

  static async load({ isTls, authorityFile }: RedisAddress): Promise<Dialer> {
    const driver = await loadDriver();
    return new Dialer(driver, isTls, authorityFile === "" ? null : await readAuthority(authorityFile));
  }

  /** Resolves with a connection that is logged in, or rejects with what the driver says. */
  async dial({ host, port }: Endpoint, { user, password, database }: Login): Promise<Client> {
    const client = this.#driver.createClient({
      // RESP2 needs no HELLO, which old access lists do not have, and answers XREAD as lists.
      RESP: 2,
      disableClientInfo: true,
      disableOfflineQueue: true,
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
      await client.connect();
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
