import type { Host } from "../host.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { type Address, keyOfName } from "./address.ts";
import type { Driver, ServerSession } from "./driver.ts";
import { Link } from "./link.ts";
import { inSchema, migrate } from "./schema.ts";
import { readServer, type ServerFacts } from "./server.ts";

/** What a session that receives must do when it begins and ends. */
export interface Listener {
  resume(session: ServerSession): Promise<void>;
  up(): void;
  lost(): void;
  notified(channel: string): void;
}

/** A yard on a server, and this engine's two connections to it: one for commands, one that listens and holds names. */
export class Yard {
  readonly name: string;
  readonly where: string;
  readonly host: Host;
  readonly link: Link;
  shards: number;
  facts: ServerFacts | null = null;
  readonly #driver: Driver;
  readonly #address: Address;
  readonly #keys = new Map<string, bigint>();
  #listener: Listener | null = null;
  #listening: { readonly link: Link; readonly opened: Promise<void> } | null = null;
  #isClosed = false;

  constructor(driver: Driver, address: Address, host: Host, shards: number) {
    this.name = address.yard;
    this.where = address.where;
    this.host = host;
    this.shards = shards;
    this.#driver = driver;
    this.#address = address;
    this.link = new Link(driver, address, host, {
      opened: async (session) => {
        this.facts = await readServer(session, address);
        this.shards = await migrate(session, address, this.shards);
      },
    });
  }

  sql(text: string): string {
    return inSchema(text, this.name);
  }

  /** The number by which the server knows a mailbox. */
  key(mailbox: string): bigint {
    const known = this.#keys.get(mailbox);
    if (known !== undefined) return known;
    if (this.#keys.size >= MAX_KEYS) this.#keys.clear();
    const key = keyOfName(this.name, "mailbox", mailbox);
    this.#keys.set(mailbox, key);
    return key;
  }

  listen(listener: Listener): void {
    this.#listener = listener;
  }

  /** The connection that listens, opened when it is first needed. */
  async listening(): Promise<Link> {
    if (this.#isClosed) throw new YardmasterError("CLOSED", "The yard was closed.");
    const known = this.#listening;
    if (known !== null) {
      await known.opened;
      return known.link;
    }
    const link = new Link(this.#driver, this.#address, this.host, {
      opened: async (session) => {
        await readServer(session, this.#address);
        await this.#listener?.resume(session);
      },
      up: () => this.#listener?.up(),
      lost: () => this.#listener?.lost(),
      notified: (channel) => this.#listener?.notified(channel),
    });
    const opened = link.open("BROKER_UNAVAILABLE");
    this.#listening = { link, opened };
    try {
      await opened;
    } catch (error) {
      this.#listening = null;
      throw error;
    }
    return link;
  }

  /** Why a connection is away; null while none is. */
  get trouble(): string | null {
    return this.link.trouble ?? this.#listening?.link.trouble ?? null;
  }

  async close(timeoutMs: number): Promise<void> {
    this.#isClosed = true;
    await Promise.all([this.link.close(timeoutMs), this.#listening?.link.close(timeoutMs)]);
  }
}

const MAX_KEYS = 4_096;
