import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Host } from "../host.ts";
import { type Connection, TRANSIENT } from "./connection.ts";
import { type Statement, text } from "./driver.ts";
import { LockProbes, type ProcessLock, takeProcessLock } from "./process-lock.ts";

/**
 * Names that are present while the process lives that holds them. A name's row says which process lock stands for
 * it, and none ("") once it is known to be gone.
 */
export class SharedPresence {
  readonly #connection: Connection;
  readonly #folder: string;
  readonly #host: Host;
  readonly #probes: LockProbes;
  readonly #put: Statement;
  readonly #get: Statement;
  readonly #end: Statement;
  readonly #endHolder: Statement;
  readonly #forgetOld: Statement;
  #lock: ProcessLock | null = null;

  constructor(connection: Connection, folder: string, host: Host) {
    this.#connection = connection;
    this.#folder = folder;
    this.#host = host;
    this.#probes = new LockProbes(folder);
    this.#put = connection.prepare("INSERT OR REPLACE INTO presence (name, holder, since) VALUES (?, ?, ?)");
    this.#get = connection.prepare(
      "SELECT name, holder FROM presence WHERE name IN (SELECT value FROM json_each(?))",
    );
    this.#end = connection.prepare(
      "UPDATE presence SET holder = '', since = ? WHERE name = ? AND holder = ?",
    );
    this.#endHolder = connection.prepare("UPDATE presence SET holder = '', since = ? WHERE holder = ?");
    this.#forgetOld = connection.prepare("DELETE FROM presence WHERE holder = '' AND since < ?");
  }

  async hold(name: string): Promise<void> {
    const lock = this.#locked();
    await this.#connection.write("BROKER_UNAVAILABLE", TRANSIENT, () => {
      this.#forgetOld.run(this.#host.now() - REMEMBER_MS);
      this.#put.run(name, lock.name, this.#host.now());
    });
  }

  async release(name: string): Promise<void> {
    await this.#connection.write("BROKER_UNAVAILABLE", TRANSIENT, () => this.#finish(name));
  }

  /** Releases at once, for a process that closes; its death would do the same. */
  releaseNow(names: Iterable<string>): void {
    this.#connection.writeNow("BROKER_UNAVAILABLE", () => {
      for (const name of names) this.#finish(name);
    });
  }

  async absent(names: readonly string[]): Promise<string[]> {
    if (names.length === 0) return [];
    const rows = await this.#connection.read("BROKER_UNAVAILABLE", () =>
      this.#get.all(JSON.stringify(names)),
    );
    const gone = new Set<string>();
    const held = new Set([this.#lock?.name]);
    return rows.flatMap(({ name, holder: value }) => {
      const holder = text(value);
      if (holder !== "" && !gone.has(holder)) {
        if (held.has(holder) || this.#probes.isHeld(holder)) {
          held.add(holder);
          return [];
        }
        gone.add(holder);
        this.#noteGone(holder);
      }
      return [text(name)];
    });
  }

  close(): void {
    this.#probes.close();
    this.#lock?.release();
    this.#lock = null;
  }

  #finish(name: string): void {
    this.#end.run(this.#host.now(), name, this.#lock?.name ?? "");
  }

  /** Only saves later probes, and lets the rows go in time: the holder's file is gone and tells the same. */
  #noteGone(holder: string): void {
    this.#connection
      .write("BROKER_UNAVAILABLE", TRANSIENT, () => this.#endHolder.run(this.#host.now(), holder))
      .catch(() => undefined);
  }

  #locked(): ProcessLock {
    if (this.#lock !== null) return this.#lock;
    const random = [this.#host.random(), this.#host.random(), this.#host.random()];
    const name = random.map((part) => part.toString(36)).join("-");
    this.#lock = takeProcessLock(this.#folder, name);
    this.#sweepFiles(name);
    return this.#lock;
  }

  /** Removes the files of processes that died before they gave their name to anybody, or that nobody asked about. */
  #sweepFiles(own: string): void {
    const before = this.#host.now() - REMEMBER_MS;
    for (const name of readdirSync(this.#folder)) {
      const file = statSync(join(this.#folder, name), { throwIfNoEntry: false });
      if (name !== own && file !== undefined && file.mtimeMs < before) this.#probes.isHeld(name);
    }
  }
}

/** How long a process that is gone is still known to have been there. */
const REMEMBER_MS = 24 * 3_600_000;
