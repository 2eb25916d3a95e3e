import type { Host } from "../host.ts";
import { YardmasterError } from "../protocol/errors.ts";
import type { Endpoint, RedisAddress } from "./address.ts";
import { ClusterMap } from "./cluster.ts";
import type { Argument, Dialer } from "./driver.ts";
import { type Half, prefixOf, translate } from "./failure.ts";
import { Keys, slotOf } from "./keys.ts";
import { type Connected, Link } from "./link.ts";
import { connectTo, findMaster } from "./route.ts";
import { FULL, type ReservedScript, type Script } from "./scripts.ts";

/**
 * The connections for commands: one, or one for each master of a Cluster that holds a shard of ours. A command goes
 * to the server that has its shard's keys.
 */
export class Servers {
  readonly address: RedisAddress;
  readonly keys: Keys;
  readonly host: Host;
  readonly #dialer: Dialer;
  readonly #map: ClusterMap | null;
  readonly #links = new Map<string, Link>();
  readonly #slots = new Map<number, number>();
  readonly #watchers = new Set<(isUp: boolean) => void>();
  /** By shard: how often a server sent us to another one. */
  readonly #redirects = new Map<number, number>();
  #first: Link | null = null;
  #firstSince = 0;
  #isClosed = false;

  constructor(address: RedisAddress, host: Host, dialer: Dialer) {
    this.address = address;
    this.keys = new Keys(address.yard);
    this.host = host;
    this.#dialer = dialer;
    this.#map = address.kind === "cluster" ? new ClusterMap(address, dialer) : null;
  }

  get isCluster(): boolean {
    return this.#map !== null;
  }

  /** The connection to the server of shard 0, where the yard's own keys are too. */
  get first(): Link {
    return this.#first ?? this.linkOf(0);
  }

  /** Since when the first server is that, and we are connected to it, by the monotonic clock. */
  get firstUpSince(): number {
    return Math.max(this.first.upSince, this.#firstSince);
  }

  /**
   * Another one whenever commands on a shard's keys go to another server or over another connection: what one server
   * calls a cursor means nothing to the next.
   */
  wayTo(shard: number): string {
    const endpoint = this.#map?.find(this.#slotOf(shard)) ?? null;
    if (this.#map !== null && endpoint === null) return "";
    const link = this.#linkTo(endpoint);
    return `${link.shown} ${link.ups} ${this.#redirects.get(shard) ?? 0}`;
  }

  async open(): Promise<void> {
    try {
      if (this.#map !== null) await this.#refresh(this.#map);
      await this.linkOf(0, false).open();
    } catch (error) {
      throw translate(error, "BROKER_UNAVAILABLE", this.address.shown);
    }
  }

  /** Connects to the servers of all shards, so that none is unknown when it is first needed. */
  async openAll(shards: number): Promise<void> {
    try {
      for (let shard = 0; shard < shards; shard += 1) await this.#connected(shard);
    } catch (error) {
      throw translate(error, "STORE_UNAVAILABLE", this.address.shown);
    }
  }

  /** Why a server cannot be reached, or null. */
  get trouble(): string | null {
    for (const link of this.#links.values()) if (link.trouble !== null) return link.trouble;
    return null;
  }

  /** Is told whenever the connection to the first server is lost or made again. */
  watch(watcher: (isUp: boolean) => void): void {
    this.#watchers.add(watcher);
  }

  linkOf(shard: number, isLater = true): Link {
    const endpoint = this.#map === null ? null : this.#map.ownerOf(this.#slotOf(shard));
    return this.#linkTo(endpoint, isLater);
  }

  /** How a connection of one's own for the keys of a shard is made; it follows failovers by being made again. */
  async dialFor(shard: number): Promise<Connected> {
    if (this.#map !== null) {
      await this.#refresh(this.#map);
      return await connectTo(this.#dialer, this.address, this.#map.ownerOf(this.#slotOf(shard)), false);
    }
    return await this.#dialWhole(false);
  }

  /** Runs a command on a shard's keys. Rejects with the errors of the protocol. */
  async call(half: Half, shard: number, args: readonly Argument[]): Promise<unknown> {
    try {
      return await this.#routed(shard, args);
    } catch (error) {
      throw translate(error, half, this.address.shown);
    }
  }

  async script(
    half: Half,
    shard: number,
    script: Script,
    keys: readonly string[],
    args: readonly Argument[],
  ): Promise<unknown> {
    try {
      return await this.#evaluate(shard, script, keys, args);
    } catch (error) {
      throw translate(error, half, this.address.shown);
    }
  }

  /** Runs a script, which a full server refuses as a whole or runs in the form named; never twice. */
  async reserved(
    half: Half,
    shard: number,
    script: ReservedScript,
    whenFull: keyof ReservedScript,
    keys: readonly string[],
    args: readonly Argument[],
  ): Promise<unknown[]> {
    let answer: unknown;
    try {
      answer = await this.#evaluate(shard, script.plain, keys, args);
    } catch (error) {
      if (prefixOf(error) !== "OOM" || whenFull === "plain") throw translate(error, half, this.address.shown);
      answer = await this.script(half, shard, script[whenFull], keys, args);
    }
    const list = Array.isArray(answer) ? answer : [];
    if (list[0] !== FULL) return list;
    throw new YardmasterError(
      "STORE_FULL",
      `Redis at ${this.address.shown}: its memory is full beyond the reserve for completions; nothing was written.`,
    );
  }

  close(): void {
    this.#isClosed = true;
    for (const link of this.#links.values()) link.close();
  }

  async #evaluate(
    shard: number,
    { text, digest }: Script,
    keys: readonly string[],
    args: readonly Argument[],
  ): Promise<unknown> {
    const rest = [String(keys.length), ...keys, ...args];
    try {
      return await this.#routed(shard, ["EVALSHA", digest, ...rest]);
    } catch (error) {
      if (prefixOf(error) !== "NOSCRIPT") throw error;
      return await this.#routed(shard, ["EVAL", text, ...rest]);
    }
  }

  /** A redirected command was not run, so that it may be sent again. */
  async #routed(shard: number, args: readonly Argument[]): Promise<unknown> {
    for (let hop = 0; ; hop += 1) {
      const link = this.linkOf(shard);
      try {
        return await link.call(args);
      } catch (error) {
        const prefix = prefixOf(error);
        // A master that became a replica: another connection finds the new one.
        if (prefix === "READONLY" || prefix === "MASTERDOWN") link.drop("the server is a replica now");
        if (this.#map === null || hop === MAX_HOPS) throw error;
        if (prefix !== "ASK" && prefix !== "MOVED") throw error;
        this.#redirects.set(shard, (this.#redirects.get(shard) ?? 0) + 1);
        if (prefix === "ASK") return await this.#asked(error, args);
        this.#map.moved(error);
        this.#noteFirst(this.#map);
        await this.#connected(shard);
      }
    }
  }

  /** A slot on its way to another server: that one takes a single command after ASKING. */
  async #asked(error: unknown, args: readonly Argument[]): Promise<unknown> {
    const link = this.#linkTo(this.#map?.targetOf(error) ?? null);
    if (link.connected === null) await link.open();
    const asking = link.call(["ASKING"]);
    const [, answer] = await Promise.all([asking, link.call(args)]);
    return answer;
  }

  async #connected(shard: number): Promise<void> {
    const link = this.linkOf(shard, false);
    if (link.connected === null) await link.open();
  }

  #linkTo(endpoint: Endpoint | null, isLater = true): Link {
    const name = endpoint === null ? "" : `${endpoint.host}:${endpoint.port}`;
    const known = this.#links.get(name);
    if (known !== undefined) return known;
    const link: Link = new Link({
      host: this.host,
      shown: endpoint === null ? this.address.shown : name,
      dial: () =>
        endpoint === null ? this.#dialWhole(true) : connectTo(this.#dialer, this.address, endpoint, true),
      onUp: () => this.#tell(link, true),
      onDown: () => this.#down(link, name),
    });
    this.#links.set(name, link);
    if (this.#isClosed) link.close();
    else if (isLater) link.openLater();
    return link;
  }

  async #dialWhole(isCommand: boolean): Promise<Connected> {
    const { address } = this;
    const [endpoint] =
      address.kind === "sentinel" ? [await findMaster(this.#dialer, address)] : address.endpoints;
    if (endpoint === undefined) throw new YardmasterError("INVALID_URL", "The URL names no server.");
    return await connectTo(this.#dialer, address, endpoint, isCommand);
  }

  #tell(link: Link, isUp: boolean): void {
    if (this.#isClosed || (this.#map !== null && link !== this.first)) return;
    for (const watcher of this.#watchers) watcher(isUp);
  }

  #down(link: Link, name: string): void {
    this.#tell(link, false);
    if (this.#map !== null) this.#follow(link, name);
  }

  /** A lost master of a Cluster may have a successor: looks until the map names one or the connection is back. */
  #follow(link: Link, name: string): void {
    const map = this.#map;
    if (map === null || this.#isClosed || link.connected !== null) return;
    this.#refresh(map).then(
      () => {
        if (map.isMaster(name)) this.host.after(FOLLOW_MS, () => this.#follow(link, name));
        else this.#retire(link, name);
      },
      () => this.host.after(FOLLOW_MS, () => this.#follow(link, name)),
    );
  }

  #retire(link: Link, name: string): void {
    if (link.connected !== null) return;
    this.#links.delete(name);
    link.close();
  }

  async #refresh(map: ClusterMap): Promise<void> {
    await map.refresh();
    this.#noteFirst(map);
  }

  /** Presence is held with the first server: its successor is connected to at once, and told of those who are here. */
  #noteFirst(map: ClusterMap): void {
    const endpoint = map.find(this.#slotOf(0));
    if (this.#isClosed || endpoint === null) return;
    const link = this.#linkTo(endpoint, this.#first !== null);
    if (link === this.#first) return;
    this.#first = link;
    this.#firstSince = this.host.monotonic();
    if (link.connected !== null) this.#tell(link, true);
  }

  #slotOf(shard: number): number {
    const known = this.#slots.get(shard);
    if (known !== undefined) return known;
    const slot = slotOf(this.keys.base(shard));
    this.#slots.set(shard, slot);
    return slot;
  }
}

const MAX_HOPS = 5;
const FOLLOW_MS = 500;
