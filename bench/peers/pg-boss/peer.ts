import type { NoopInput } from "../../tasks.ts";
import type { Peer } from "../peer.ts";

/** The part of pg-boss that is used here. */
interface PgBossModule {
  readonly PgBoss: new (options: object) => Boss;
}

interface Boss {
  on(event: "error", listen: (error: Error) => void): void;
  start(): Promise<unknown>;
  stop(options: object): Promise<void>;
  createQueue(name: string, options?: object): Promise<void>;
  send(name: string, data: NoopInput): Promise<string | null>;
  insert(name: string, jobs: readonly { readonly data: NoopInput }[]): Promise<unknown>;
  fetch(
    name: string,
    options: object,
  ): Promise<readonly { readonly id: string; readonly data: NoopInput }[] | null>;
  complete(name: string, ids: readonly string[], data: object): Promise<unknown>;
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
const NAME = "bench";
const BATCH = 500;
const POLL_MS = 5;

async function open(url: string): Promise<Boss> {
  const boss = new PgBoss({ connectionString: url, schedule: false, useListenNotify: true, max: 4 });
  boss.on("error", (error) => {
    throw error;
  });
  await boss.start();
  await boss.createQueue(NAME, { notify: true });
  return boss;
}

export const peer: Peer = {
  name: "pg-boss",
  engine: "postgres",
  settings:
    "insert for backlogs; work() with listen/notify, batches and burst for results, which the producer reads in batches by id",
  openProducer: async (url) => {
    const boss = await open(url);
    const waiting = new Map<string, (result: number) => void>();
    let isClosed = false;
    // There is no event for results across processes: they are looked up, many at a time.
    const looking = (async (): Promise<void> => {
      while (!isClosed) {
        if (waiting.size > 0) {
          const { rows } = await boss
            .getDb()
            .executeSql(
              "SELECT id, output FROM pgboss.job WHERE name = $1 AND state = 'completed' AND id = ANY($2::uuid[])",
              [NAME, [...waiting.keys()]],
            );
          for (const { id, output } of rows) {
            waiting.get(id)?.(output.value);
            waiting.delete(id);
          }
        }
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    })();
    return {
      roundTrip: async (input) => {
        const id = await boss.send(NAME, input);
        if (id === null) throw new Error("pg-boss took no job");
        return await new Promise((resolve) => waiting.set(id, resolve));
      },
      submit: async (inputs) => {
        await boss.insert(
          NAME,
          inputs.map((data) => ({ data })),
        );
      },
      close: async () => {
        isClosed = true;
        await looking;
        await boss.stop({ graceful: false });
      },
    };
  },
  openWorker: async (url) => {
    const boss = await open(url);
    let ended = 0;
    await boss.work(
      NAME,
      { batchSize: BATCH, pollingIntervalSeconds: 0.5, burstWhenBatchFull: true, perJobResults: true },
      async (jobs) => {
        ended += jobs.length;
        return jobs.map(({ id, data }) => ({ id, status: "completed", output: { value: data.n } }));
      },
    );
    return {
      get ended(): number {
        return ended;
      },
      close: () => boss.stop({ graceful: false }),
    };
  },
};
