import type { SendOutcome } from "../brokers/broker.ts";
import { createSqliteBroker, type SqliteBroker } from "../brokers/sqlite.ts";
import type { Engine, Tick } from "../engine.ts";
import type { Host } from "../host.ts";
import { createSqliteStore, type SqliteStore } from "../stores/sqlite.ts";
import { translate } from "./failure.ts";
import { Session } from "./session.ts";
import { openYardFile, type YardFile, type YardFileOptions } from "./yard-file.ts";

/** Opens a database file as broker and store; several may be open on one file, in one process and in many. */
export async function openSqliteEngine(path: string, host: Host, options: YardFileOptions): Promise<Engine> {
  const [file, leave] = await openYardFile(path, host, options);
  const { frames } = file;
  const session = new Session(file.connection);
  const { broker, store } = halvesOf(file, session, host, leave);

  const commit = async ({ lease, sequence, changes, sends, acks }: Tick): Promise<SendOutcome[]> => {
    const isDurable = (): boolean => changes.length > 0 || frames.areDurable(sends);
    try {
      const sent = await session.write("STORE_UNAVAILABLE", isDurable, () =>
        store.apply(lease, sequence, changes) ? frames.put(sends, acks) : null,
      );
      if (sent === null) return await session.read("BROKER_UNAVAILABLE", () => frames.outcomes(sends));
      broker.ring(sent.mailboxes);
      return sent.outcomes;
    } catch (error) {
      throw await store.explain(error, changes);
    }
  };

  let isOpen = true;
  return {
    broker,
    store,
    shards: file.shards,
    commitsAside: false,
    url: urlOf(file.path, options),
    report: () => [
      {
        engine: `SQLite at ${file.path}`,
        isUp: true,
        trouble: null,
        durability:
          options.durability === "os"
            ? "What is confirmed survives the process, not a power cut (durability=os)."
            : "What is confirmed survives a power cut (synchronous=FULL).",
        warnings:
          options.durability === "os"
            ? [
                "A power cut loses what was confirmed last: take durability=os out of the URL if tasks must survive one.",
              ]
            : [],
      },
    ],
    commit,
    close: async () => {
      if (!isOpen) return;
      isOpen = false;
      broker.close();
      session.close();
      leave();
    },
  };
}

/** Every statement is prepared here: a file whose tables are others is found out before anything is read. */
function halvesOf(
  file: YardFile,
  session: Session,
  host: Host,
  leave: () => void,
): { readonly broker: SqliteBroker; readonly store: SqliteStore } {
  try {
    return { broker: createSqliteBroker(file, session, host), store: createSqliteStore(session, host) };
  } catch (error) {
    leave();
    throw translate(error, "STORE_UNAVAILABLE", file.path);
  }
}

function urlOf(path: string, { durability }: YardFileOptions): string {
  return `sqlite:${encodeURI(path).replace(/[?#]/g, encodeURIComponent)}${durability === "os" ? "?durability=os" : ""}`;
}
