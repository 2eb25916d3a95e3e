import pg from "pg";
import type { RunStatement } from "../packages/yardmaster/src/client/transaction.ts";
import type { YardAddress } from "../packages/yardmaster/src/yard.ts";

/** `unknown` where the connection was lost before the answer to COMMIT. */
export type End = "committed" | "rolledBack" | "unknown";

const MAX_OPEN = 4;
const PATIENCE_MS = 5_000;

/** Transactions of a client's own, beside those of its yard in the same database. */
export class Transactions {
  readonly #pool: pg.Pool;

  private constructor(connectionString: string) {
    this.#pool = new pg.Pool({
      connectionString,
      max: MAX_OPEN,
      connectionTimeoutMillis: PATIENCE_MS,
      query_timeout: PATIENCE_MS,
    });
    // Whoever uses such a connection hears of its end.
    this.#pool.on("error", () => undefined);
  }

  /** Null where no part of the yard is in PostgreSQL. */
  static of(address: YardAddress): Transactions | null {
    const urls = Object.values(address).filter((value) => typeof value === "string");
    const url = urls.find((value) => value.startsWith("postgres"));
    return url === undefined ? null : new Transactions(url);
  }

  /** Commits if `work` answers true, and rolls back if it answers false or throws. */
  async play(work: (tx: RunStatement) => Promise<boolean>): Promise<End> {
    const client = await this.#pool.connect().catch(() => null);
    if (client === null) return "rolledBack";
    // A connection that is lost between two statements is told of by the next.
    const ignore = (): void => undefined;
    client.on("error", ignore);
    let end: End = "rolledBack";
    let isWhole = false;
    try {
      await client.query("BEGIN");
      const commits = await work((text, values) => client.query(text, [...values]));
      if (commits) end = "unknown";
      const { command } = await client.query(commits ? "COMMIT" : "ROLLBACK");
      end = command === "COMMIT" ? "committed" : "rolledBack";
      isWhole = true;
    } catch {
      // What is not committed when its connection ends is rolled back.
    } finally {
      client.off("error", ignore);
      client.release(!isWhole);
    }
    return end;
  }

  close(): Promise<void> {
    return this.#pool.end();
  }
}
