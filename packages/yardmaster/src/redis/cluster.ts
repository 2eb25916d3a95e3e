import { messageOf } from "../protocol/errors.ts";
import type { Endpoint, RedisAddress } from "./address.ts";
import type { Dialer } from "./driver.ts";
import { listOf, textOf } from "./replies.ts";

interface Range {
  readonly from: number;
  readonly to: number;
  readonly owner: Endpoint;
}

/**
 * Which master of a Cluster has which slots. The driver has a cluster client of its own; it reconnects, queues and
 * sends again by its own rules, and has no connection for a read that blocks, so that we keep the map ourselves.
 */
export class ClusterMap {
  readonly #address: RedisAddress;
  readonly #dialer: Dialer;
  #ranges: readonly Range[] = [];
  /** The node that the map is from: one that hangs is not asked first again. */
  #source: readonly Endpoint[] = [];
  /** What servers said since the map was read. */
  readonly #moved = new Map<number, Endpoint>();
  #refreshing: Promise<void> | null = null;

  constructor(address: RedisAddress, dialer: Dialer) {
    this.#address = address;
    this.#dialer = dialer;
  }

  /** Reads the map from the first node that answers; rejects with what the last one says. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#read().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  ownerOf(slot: number): Endpoint {
    const owner = this.find(slot);
    if (owner === null) throw new Error(`CLUSTERDOWN nobody serves slot ${slot}`);
    return owner;
  }

  find(slot: number): Endpoint | null {
    const moved = this.#moved.get(slot);
    return moved ?? this.#ranges.find(({ from, to }) => from <= slot && slot <= to)?.owner ?? null;
  }

  isMaster(name: string): boolean {
    return this.#ranges.some(({ owner }) => `${owner.host}:${owner.port}` === name);
  }

  /** Notes a MOVED answer: "MOVED slot host:port". */
  moved(error: unknown): void {
    const [, slot] = messageOf(error).split(" ");
    const target = this.targetOf(error);
    if (target !== null) this.#moved.set(Number(slot), target);
  }

  /** The server that MOVED or ASK names. */
  targetOf(error: unknown): Endpoint | null {
    const [, , target = ""] = messageOf(error).split(" ");
    const at = target.lastIndexOf(":");
    if (at === -1) return null;
    const host = target.slice(0, at);
    return { host: host === "" ? this.#fallbackHost : host, port: Number(target.slice(at + 1)) };
  }

  get #fallbackHost(): string {
    return this.#address.endpoints[0]?.host ?? "127.0.0.1";
  }

  async #read(): Promise<void> {
    let failure: unknown = new Error("no node answers");
    for (const node of this.#nodes()) {
      try {
        this.#ranges = await this.#ask(node);
        this.#source = [node];
        this.#moved.clear();
        return;
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  /** The one that answered last, those of the URL and those that we have heard of, each once. */
  #nodes(): Endpoint[] {
    const nodes = new Map<string, Endpoint>();
    const heardOf = this.#ranges.map(({ owner }) => owner);
    for (const node of [...this.#source, ...this.#address.endpoints, ...heardOf]) {
      nodes.set(`${node.host}:${node.port}`, node);
    }
    return [...nodes.values()];
  }

  async #ask(node: Endpoint): Promise<Range[]> {
    const client = await this.#dialer.dial(node, this.#address);
    try {
      const ranges = listOf(await this.#dialer.ask(client, ["CLUSTER", "SLOTS"])).map((range): Range => {
        const [from, to, master] = listOf(range);
        const [host, port] = listOf(master);
        const name = textOf(host);
        // A node that does not know its own address leaves it out.
        return {
          from: Number(from),
          to: Number(to),
          owner: { host: name === "" ? node.host : name, port: Number(port) },
        };
      });
      if (ranges.length === 0) throw new Error("CLUSTERDOWN no slots are served");
      return ranges;
    } finally {
      client.destroy();
    }
  }
}
