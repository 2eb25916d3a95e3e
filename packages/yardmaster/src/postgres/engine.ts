import type { SendOutcome } from "../brokers/broker.ts";
import { createPostgresBroker } from "../brokers/postgres.ts";
import type { Engine, Tick } from "../engine.ts";
import type { Host } from "../host.ts";
import { createPostgresStore } from "../stores/postgres.ts";
import { parseAddress } from "./address.ts";
import { loadDriver } from "./driver.ts";
import { Yard } from "./yard.ts";

/** Opens a schema of a PostgreSQL database as broker and store. */
export async function openPostgresEngine(
  url: string,
  host: Host,
  options: { readonly shards: number },
): Promise<Engine> {
  const address = parseAddress(url);
  const yard = new Yard(await loadDriver(), address, host, options.shards);
  await yard.link.open("BROKER_UNAVAILABLE");
  const broker = createPostgresBroker(yard);
  const store = createPostgresStore(yard);

  const commit = async ({ lease, sequence, changes, sends, acks }: Tick): Promise<SendOutcome[]> => {
    const post = broker.pack(sends, acks);
    const found = await store.apply(lease, sequence, changes, post.values);
    return post.sent(found);
  };

  return {
    broker,
    store,
    shards: yard.shards,
    commitsAside: true,
    url,
    report: () => [
      {
        engine: `PostgreSQL ${yard.facts?.version ?? ""} at ${yard.where}`,
        isUp: yard.trouble === null,
        trouble: yard.trouble,
        durability: yard.facts?.durability ?? "",
        warnings: yard.facts?.warnings ?? [],
      },
    ],
    commit,
    close: async ({ timeoutMs }) => {
      broker.close();
      await yard.close(timeoutMs);
    },
  };
}
