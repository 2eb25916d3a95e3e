import { YardmasterError } from "../protocol/errors.ts";

/** One prepared statement of ours; its name is unique on a connection. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** A column as PostgreSQL writes it in text. */
type Cell = string | null;
export type Row = readonly Cell[];
/** A buffer travels in PostgreSQL's binary format, everything else as text. */
export type Value = null | string | number | boolean | Buffer;

interface Query {
  readonly name?: string;
  readonly text: string;
  readonly values?: readonly Value[];
  readonly rowMode: "array";
  readonly types: { getTypeParser(): (text: string) => string };
}

/** The little that is used of `pg`'s client. */
interface PgClient {
  readonly connection: { readonly stream: { destroy(): void } };
  connect(): Promise<unknown>;
  query(query: Query, done: (error: Error | null, result?: { readonly rows: readonly Row[] }) => void): void;
  end(): Promise<void>;
  on(event: "error", listener: (error: Error) => void): unknown;
  on(event: "end", listener: () => void): unknown;
  on(event: "notification", listener: (message: { readonly channel: string }) => void): unknown;
}

interface ClientOptions {
  readonly connectionString: string;
  readonly fallback_application_name: string;
  readonly keepAlive: boolean;
  readonly pipeline: boolean;
}

export type Driver = new (options: ClientOptions) => PgClient;

export async function loadDriver(): Promise<Driver> {
  try {
    const { default: pg } = await import("pg");
    // A cast, since the driver's types do not have all that is used here.
    return pg.Client as unknown as Driver;
  } catch (error) {
    throw new YardmasterError(
      "DRIVER_MISSING",
      "PostgreSQL needs its driver, which is not installed: npm install pg",
      { cause: error },
    );
  }
}

const TEXT = { getTypeParser: () => (text: string) => text };

/** One session on the server. Statements go out at once and are answered in order. */
export class ServerSession {
  readonly #client: PgClient;
  #isOver = false;

  /** `ended` is called once when the session is over, for whatever reason. */
  constructor(
    driver: Driver,
    url: string,
    listeners: { readonly ended: (error: Error) => void; readonly notified: (channel: string) => void },
  ) {
    this.#client = new driver({
      connectionString: url,
      fallback_application_name: "yardmaster",
      keepAlive: true,
      pipeline: true,
    });
    const over = (error: Error): void => {
      if (this.#isOver) return;
      this.#isOver = true;
      listeners.ended(error);
    };
    this.#client.on("error", (error) => {
      over(error);
      this.cut();
    });
    this.#client.on("end", () => over(new Error("The connection was closed.")));
    this.#client.on("notification", ({ channel }) => listeners.notified(channel));
  }

  async connect(): Promise<void> {
    await this.#client.connect();
  }

  run(query: Statement | string, values: readonly Value[] = []): Promise<readonly Row[]> {
    return new Promise((resolve, reject) => {
      const what = typeof query === "string" ? { text: query } : query;
      this.#client.query({ ...what, values, rowMode: "array", types: TEXT }, (error, result) => {
        if (error) reject(error);
        else resolve(result?.rows ?? []);
      });
    });
  }

  /** Ends the session after what was sent. */
  async end(): Promise<void> {
    await this.#client.end();
  }

  cut(): void {
    this.#client.connection.stream.destroy();
  }
}
