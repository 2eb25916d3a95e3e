import { YardmasterError } from "../protocol/errors.ts";
import type { Connection } from "./connection.ts";

/** One engine's use of a connection that it may share: closed on its own, it refuses what comes later. */
export class Session {
  readonly #connection: Connection;
  #isOpen = true;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  prepare: Connection["prepare"] = (sql) => this.#connection.prepare(sql);

  read: Connection["read"] = async (half, read) => {
    this.#check();
    return await this.#connection.read(half, read);
  };

  write: Connection["write"] = async (half, isDurable, write) => {
    this.#check();
    return await this.#connection.write(half, isDurable, write);
  };

  close(): void {
    this.#isOpen = false;
  }

  #check(): void {
    if (!this.#isOpen) throw new YardmasterError("CLOSED", "The yard was closed.");
  }
}
