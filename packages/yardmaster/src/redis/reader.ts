import { type Host, pause } from "../host.ts";
import { prefixOf } from "./failure.ts";
import { Link } from "./link.ts";
import { buffersIn, listOf, textOf } from "./replies.ts";
import type { Servers } from "./servers.ts";

/** A stream that somebody reads, from a cursor on. */
export interface Source {
  readonly key: string;
  /** The id of the last entry read. */
  cursor: string;
  /** Whether more may be read now. */
  hasRoom(): boolean;
  take(entries: readonly Entry[]): void;
  /** The connection was lost: what is in the stream is read again from its start. */
  restart(): void;
}

export interface Entry {
  readonly id: string;
  readonly frame: Buffer;
}

/**
 * One connection whose blocking read serves all of a process's receivers on a server. A read is cut short (CLIENT
 * UNBLOCK, by the connection for commands) when there is more to read from than it knows of.
 */
export class Reader {
  readonly #servers: Servers;
  readonly #host: Host;
  readonly #shard: number;
  readonly #link: Link;
  readonly #sources = new Set<Source>();
  /** Those that the read under way is about. */
  #reading: readonly Source[] = [];
  /** Counts reads, so that a wish to cut one short never meets the next. */
  #read = 0;
  #isPoking = false;
  #resume: (() => void) | null = null;
  #isOpen = true;

  constructor(servers: Servers, shard: number) {
    this.#servers = servers;
    this.#host = servers.host;
    this.#shard = shard;
    this.#link = new Link({
      host: this.#host,
      shown: servers.address.shown,
      dial: () => servers.dialFor(shard),
      onUp: () => this.#resume?.(),
      onDown: () => this.#restart(),
    });
  }

  async open(): Promise<void> {
    await this.#link.open();
    void this.#run();
  }

  get trouble(): string | null {
    return this.#link.trouble;
  }

  get isUnused(): boolean {
    return this.#sources.size === 0;
  }

  add(source: Source): void {
    this.#sources.add(source);
    this.poke();
  }

  remove(source: Source): void {
    this.#sources.delete(source);
  }

  /** Lets the read under way end if it does not cover what can be read now. */
  poke(): void {
    if (this.#reading.length === 0) this.#resume?.();
    else if (!this.#isPoking && this.#isMissing()) void this.#unblock(this.#read);
  }

  close(): void {
    this.#isOpen = false;
    this.#link.close();
    this.#resume?.();
  }

  #isMissing(): boolean {
    for (const source of this.#sources) {
      if (source.hasRoom() && !this.#reading.includes(source)) return true;
    }
    return false;
  }

  async #run(): Promise<void> {
    while (this.#isOpen) {
      const sources = [...this.#sources].filter((source) => source.hasRoom());
      if (sources.length === 0 || this.#link.connected === null) await this.#waiting();
      else await this.#readOnce(sources);
    }
  }

  async #readOnce(sources: readonly Source[]): Promise<void> {
    this.#reading = sources;
    this.#read += 1;
    const keys = sources.map(({ key }) => key);
    const cursors = sources.map(({ cursor }) => cursor);
    const before = this.#link.ups;
    try {
      const reply = await this.#link.call(
        ["XREAD", "COUNT", String(FRAMES_AT_ONCE), "BLOCK", String(BLOCK_MS), "STREAMS", ...keys, ...cursors],
        BLOCK_MS + ANSWER_MS,
      );
      // What an earlier connection read is read again by this one.
      if (this.#isOpen && this.#link.connected !== null && before === this.#link.ups)
        this.#deliver(sources, reply);
    } catch (error) {
      const prefix = prefixOf(error);
      // The slot is on its way to another server: until it has arrived there, nobody can read all of these streams.
      if (MOVING.has(prefix)) await pause(this.#host, MOVING_MS);
      // Another server has the keys now, or this one is a replica: a new connection finds the right one.
      else if (prefix !== "" && prefix !== "UNBLOCKED") this.#link.drop(String(error));
    } finally {
      this.#reading = [];
    }
  }

  #deliver(sources: readonly Source[], reply: unknown): void {
    for (const stream of listOf(reply)) {
      const [key, entries] = listOf(stream);
      const name = textOf(key);
      const source = sources.find((each) => each.key === name);
      if (source === undefined || !this.#sources.has(source)) continue;
      const read = listOf(entries).flatMap(entryOf);
      const last = read.at(-1);
      if (last !== undefined) source.cursor = last.id;
      source.take(read);
    }
  }

  /** A wish can overtake the read that it is about: then it is repeated until that read has come back. */
  async #unblock(read: number): Promise<void> {
    this.#isPoking = true;
    while (this.#isOpen && this.#read === read && this.#reading.length > 0 && this.#isMissing()) {
      const id = this.#link.connected?.clientId;
      if (id === undefined) break;
      await this.#servers
        .call("BROKER_UNAVAILABLE", this.#shard, ["CLIENT", "UNBLOCK", id])
        .catch(() => undefined); // The read ends by itself after a while.
      await new Promise<void>((resolve) => this.#host.after(UNBLOCK_AGAIN_MS, resolve));
    }
    this.#isPoking = false;
    if (this.#isOpen) this.poke();
  }

  #restart(): void {
    for (const source of this.#sources) source.restart();
  }

  #waiting(): Promise<void> {
    return new Promise((resolve) => {
      this.#resume = () => {
        this.#resume = null;
        resolve();
      };
    });
  }
}

function entryOf(entry: unknown): Entry[] {
  const [id, fields] = listOf(entry);
  const [, frame] = buffersIn(fields);
  return frame === null || frame === undefined ? [] : [{ id: textOf(id), frame }];
}

/** Per stream and read: 64 of a client's largest frames are 32 MB. */
const FRAMES_AT_ONCE = 64;
/** Bounds how long a dead connection goes unnoticed while nothing arrives. */
const BLOCK_MS = 5_000;
const ANSWER_MS = 10_000;
const UNBLOCK_AGAIN_MS = 1;
const MOVING: ReadonlySet<string> = new Set(["ASK", "TRYAGAIN"]);
const MOVING_MS = 50;
