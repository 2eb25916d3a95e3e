import type { Presence } from "../brokers/broker.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { keyOfName } from "./address.ts";
import { int8Array, textArray } from "./arrays.ts";
import type { ServerSession } from "./driver.ts";
import type { Yard } from "./yard.ts";

const HALF = "BROKER_UNAVAILABLE";

/**
 * Names that are present while a session lives: it holds an advisory lock for each, which goes with the session. A row
 * remembers that a name was held, and in which life of the server.
 */
export class SessionPresence implements Presence {
  readonly provesDeath = false;
  readonly #yard: Yard;
  readonly #held = new Map<string, ((isHeld: boolean) => void) | undefined>();
  readonly #hold: string;
  readonly #absent: string;

  constructor(yard: Yard) {
    this.#yard = yard;
    this.#hold = yard.sql("SELECT @.hold($1, $2, $3)");
    this.#absent = yard.sql("SELECT * FROM @.absent($1, $2)");
  }

  hold: Presence["hold"] = async (name, changed) => {
    const link = await this.#yard.listening();
    if (!this.#held.has(name)) await link.run(HALF, this.#hold, this.#values([name]));
    this.#held.set(name, changed);
    return async () => {
      if (!this.#held.delete(name)) return;
      await link.run(HALF, "SELECT pg_advisory_unlock_shared($1)", [String(this.#key(name))]);
    };
  };

  absent: Presence["absent"] = async (names) => {
    const array = textArray(names);
    if (array === null) return [];
    const rows = await this.#yard.link.run(HALF, { name: "absent", text: this.#absent }, [
      array,
      PATIENCE_MS,
    ]);
    return rows.map(([name]) => name ?? "");
  };

  /** Takes every name again, in a new session. */
  async resume(session: ServerSession): Promise<void> {
    if (this.#held.size > 0) await session.run(this.#hold, this.#values([...this.#held.keys()]));
  }

  tell(isHeld: boolean): void {
    for (const changed of [...this.#held.values()]) changed?.(isHeld);
  }

  #values(names: readonly string[]): [Buffer, Buffer, number] {
    const keys = int8Array(names.map((name) => this.#key(name)));
    const array = textArray(names);
    if (array === null || keys === null)
      throw new YardmasterError("INVALID_NAME", "There is no name to hold.");
    return [array, keys, FORGET_MS];
  }

  #key(name: string): bigint {
    return keyOfName(this.#yard.name, "presence", name);
  }
}

/** After a restart of the server: as long as a process may take to come back. */
const PATIENCE_MS = 60_000;
/** How long a process that is gone is still known to have been there. */
const FORGET_MS = 24 * 3_600_000;
