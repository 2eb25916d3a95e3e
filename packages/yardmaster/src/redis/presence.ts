import type { Presence } from "../brokers/broker.ts";
import type { Cancel } from "../host.ts";
import { buffersIn, textOf } from "./replies.ts";
import { HOLD } from "./scripts.ts";
import type { Servers } from "./servers.ts";

const HALF = "BROKER_UNAVAILABLE";

interface Held {
  readonly changed: ((isHeld: boolean) => void) | undefined;
  isHeld: boolean;
}

/**
 * Who is present: a name's key says in which run of the server which connection holds it, and the server's list of
 * clients says whether that connection lives.
 */
export class RedisPresence implements Presence {
  readonly provesDeath = false;
  readonly #servers: Servers;
  readonly #names = new Map<string, Held>();
  #cancelRefresh: Cancel | null = null;
  #isClosed = false;

  constructor(servers: Servers) {
    this.#servers = servers;
    servers.watch((isUp) => {
      if (isUp) for (const name of this.#names.keys()) void this.#holdAgain(name);
      else for (const held of this.#names.values()) this.#note(held, false);
    });
  }

  async hold(name: string, changed?: (isHeld: boolean) => void): Promise<() => Promise<void>> {
    const held: Held = { changed, isHeld: true };
    await this.#register(name);
    this.#names.set(name, held);
    this.#cancelRefresh ??= this.#refreshLater();
    return async () => {
      if (this.#names.get(name) !== held) return;
      this.#names.delete(name);
      await this.#put(name, GONE);
    };
  }

  async absent(names: readonly string[]): Promise<string[]> {
    if (names.length === 0) return [];
    const keys = names.map((name) => this.#key(name));
    const holders = buffersIn(await this.#servers.call(HALF, 0, ["MGET", ...keys])).map((holder) =>
      holder === null ? null : holder.toString(),
    );
    const link = this.#servers.first;
    const run = link.connected?.run ?? "";
    const upForMs = this.#servers.host.monotonic() - this.#servers.firstUpSince;
    // Who was cut off together with us needs a moment to be back.
    if (link.ups > 1 && upForMs < AFTER_LOSS_MS) return [];
    const living = await this.#living(holders, run);
    // Numbers of one server's connections were looked for at its successor.
    if (link !== this.#servers.first || link.connected?.run !== run) return [];
    return names.filter((_, index) => {
      const holder = holders[index];
      if (holder === null || holder === undefined) return false;
      if (holder === GONE) return true;
      const [holderRun, id = ""] = holder.split(" ");
      return holderRun === run ? !living.has(id) : upForMs >= ANOTHER_RUN_MS;
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelRefresh?.();
  }

  async #living(holders: readonly (string | null)[], run: string): Promise<Set<string>> {
    const ids = new Set<string>();
    for (const holder of holders) {
      const [holderRun, id] = holder?.split(" ") ?? [];
      if (holderRun === run && id !== undefined) ids.add(id);
    }
    if (ids.size === 0) return ids;
    const list = textOf(await this.#servers.call(HALF, 0, ["CLIENT", "LIST", "ID", ...ids]));
    return new Set([...list.matchAll(/^id=(\d+) /gm)].map(([, id = ""]) => id));
  }

  async #holdAgain(name: string): Promise<void> {
    try {
      await this.#register(name);
      const held = this.#names.get(name);
      if (held !== undefined) this.#note(held, true);
    } catch {
      // Not connected any more: the next connection holds it again. Where Redis refuses for another reason, it is tried again.
      if (!this.#isClosed && this.#servers.first.connected !== null) {
        this.#servers.host.after(AGAIN_MS, () => void this.#holdAgain(name));
      }
    }
  }

  /** Again where the names moved to another server meanwhile, which knows nothing of the connection to the last. */
  async #register(name: string): Promise<void> {
    const { connected } = this.#servers.first;
    await this.#put(name, connected === null ? "" : `${connected.run} ${connected.clientId}`);
    const now = this.#servers.first.connected;
    if (now !== null && now !== connected) await this.#register(name);
  }

  async #put(name: string, holder: string): Promise<void> {
    await this.#servers.script(HALF, 0, HOLD, [this.#key(name)], [holder, String(REMEMBER_S)]);
  }

  #note(held: Held, isHeld: boolean): void {
    if (held.isHeld === isHeld) return;
    held.isHeld = isHeld;
    held.changed?.(isHeld);
  }

  /** Names live longer than the memory of them. */
  #refreshLater(): Cancel {
    return this.#servers.host.after(REFRESH_MS, () => {
      for (const name of this.#names.keys()) void this.#holdAgain(name);
      this.#cancelRefresh = this.#refreshLater();
    });
  }

  #key(name: string): string {
    return this.#servers.keys.key(0, `here:${name}`);
  }
}

/** Instead of a holder: it let go. */
const GONE = "gone";
const REMEMBER_S = 7 * 24 * 3_600;
const REFRESH_MS = 24 * 3_600_000;
const AGAIN_MS = 1_000;
const AFTER_LOSS_MS = 5_000;
/** How long all processes have to hold their names again after a restart or a failover, as this process sees it. */
const ANOTHER_RUN_MS = 60_000;
