import { RETRY_MS } from "../../mix.ts";
import type { NoopInput } from "../../payload.ts";
import type { Desk, Peer, PeerProducer, PeerWorker } from "../peer.ts";

/** The part of pg-boss that is used here. */
interface PgBossModule {
  readonly PgBoss: new (options: object) => Boss;
}

export interface Boss {
  on(event: "error", listen: (error: Error) => void): void;
  start(): Promise<unknown>;
  stop(options: object): Promise<void>;
  createQueue(name: string, options?: object): Promise<void>;
  send(name: string, data: NoopInput, options?: object): Promise<string | null>;
  insert(name: string, jobs: readonly { readonly data: NoopInput }[]): Promise<unknown>;
  fetch(
    name: string,
    options: object,
  ): Promise<readonly { readonly id: string; readonly data: NoopInput }[] | null>;
  complete(name: string, ids: readonly string[]): Promise<unknown>;
  work(
    name: string,
    options: object,
    handle: (jobs: readonly { readonly id: string; readonly data: NoopInput }[]) => Promise<unknown>,
  ): Promise<string>;
  getDb(): {
    executeSql(
      text: string,
      values: readonly unknown[],
    ): Promise<{ readonly rows: readonly { readonly id: string; readonly output: { value: number } }[] }>;
  };
}

// The package has no types of its own here: it is installed by the bench alone.
const NAME_OF_PACKAGE = "pg-boss";
const { PgBoss } = (await import(NAME_OF_PACKAGE)) as PgBossModule;
export const NAME = "bench";
const BATCH = 500;
const POLL_MS = 5;

export async function open(url: string): Promise<Boss> {
  const boss = new PgBoss({
    connectionString: url,
    schedule: false,
    useListenNotify: true,
    max: 4,
    // With thousands in flight some wait for a connection for longer than the default of 10 s.
    connectionTimeoutMillis: 60_000,
  });
  boss.on("error", (error) => {
    throw error;
  });
  await boss.start();
  await boss.createQueue(NAME, { notify: true });
  return boss;
}

export const peer: Peer = {
  settings:
    "insert for backlogs; work() with listen/notify, batches of 500 and burst; results, for which it has no event, are read in batches by id every 5 ms",
  openProducer,
  openWorker,
};

export async function openProducer(url: string): Promise<PeerProducer> {
  const boss = await open(url);
  const results = new Results(boss);
  const looking = results.run();
  return {
    roundTrip: async (input) => results.of(await boss.send(NAME, input)),
    mixed: async ({ input, priority, delayMs, key, fails }) =>
      results.of(
        await boss.send(NAME, input, {
          ...(priority > 0 ? { priority } : {}),
          ...(delayMs > 0 ? { startAfter: new Date(Date.now() + delayMs) } : {}),
          ...(key === null ? {} : { singletonKey: key }),
          ...(fails ? { retryLimit: 1, retryDelay: Math.floor(RETRY_MS / 1_000) } : {}),
        }),
      ),
    submit: async (inputs) => {
      await boss.insert(
        NAME,
        inputs.map((data) => ({ data })),
      );
    },
    close: async () => {
      results.close();
      await looking;
      await boss.stop({ graceful: false });
    },
  };
}

/** There is no event for results across processes: they are looked up, many at a time. */
class Results {
  private readonly boss: Boss;
  private readonly waiting = new Map<string, (result: number) => void>();
  private isClosed = false;

  constructor(boss: Boss) {
    this.boss = boss;
  }

  of(id: string | null): Promise<number> {
    if (id === null) throw new Error("pg-boss took no job");
    return new Promise((resolve) => this.waiting.set(id, resolve));
  }

  async run(): Promise<void> {
    while (!this.isClosed) {
      if (this.waiting.size > 0) await this.look();
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  close(): void {
    this.isClosed = true;
  }

  private async look(): Promise<void> {
    const { rows } = await this.boss
      .getDb()
      .executeSql(
        "SELECT id, output FROM pgboss.job WHERE name = $1 AND state = 'completed' AND id = ANY($2::uuid[])",
        [NAME, [...this.waiting.keys()]],
      );
    for (const { id, output } of rows) {
      this.waiting.get(id)?.(output.value);
      this.waiting.delete(id);
    }
  }
}

async function openWorker(url: string, _slots: number, desk: Desk): Promise<PeerWorker> {
  const boss = await open(url);
  await boss.work(
    NAME,
    { batchSize: BATCH, pollingIntervalSeconds: 0.5, burstWhenBatchFull: true, perJobResults: true },
    async (jobs) => jobs.map(({ id, data }) => endOf(id, data, desk)),
  );
  return { close: () => boss.stop({ graceful: false }) };
}

/** An end is counted here before it is recorded: at most one batch ahead. */
function endOf(id: string, data: NoopInput, desk: Desk): object {
  try {
    const value = desk.handle(data);
    desk.ended(data.n);
    return { id, status: "completed", output: { value } };
  } catch (error) {
    return { id, status: "failed", output: { message: String(error) } };
  }
}
