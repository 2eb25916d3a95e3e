import type { Host } from "../host.ts";
import { DURABLE, TRANSIENT } from "../sqlite/connection.ts";
import type { Sent } from "../sqlite/frames.ts";
import type { Session } from "../sqlite/session.ts";
import type { YardFile } from "../sqlite/yard-file.ts";
import type { Broker, Presence, Transactional } from "./broker.ts";
import { openSqliteReceiver, type SqliteReceiver } from "./sqlite-receiver.ts";

const HALF = "BROKER_UNAVAILABLE";

export interface SqliteBroker extends Broker {
  /** Wakes those who receive what a transaction sent; after its commit. */
  ring(mailboxes: Sent["mailboxes"]): void;
  /** Closes what is open: receivers answer with nothing, and the names held are free. */
  close(): void;
}

/** The broker of one engine on a file: one row for each frame. */
export function createSqliteBroker(file: YardFile, session: Session, host: Host): SqliteBroker {
  const { frames, bells } = file;
  const receivers = new Set<SqliteReceiver>();
  const held = new Set<string>();

  const ring = (mailboxes: Sent["mailboxes"]): void => {
    for (const [name, id] of mailboxes) {
      const wakes = file.receivers.get(name);
      if (wakes === undefined) bells.ring(id);
      else for (const wake of wakes) wake();
    }
  };
  const send: Broker["send"] = async (sends, acks = []) => {
    const isDurable = (): boolean => frames.areDurable(sends);
    const { outcomes, mailboxes } = await session.write(HALF, isDurable, () => frames.put(sends, acks));
    ring(mailboxes);
    return outcomes;
  };

  return {
    ring,
    send,
    declare: async (mailbox, { durable }) => {
      if ((await session.read(HALF, () => frames.find(mailbox))) !== null) return;
      await session.write(HALF, durable ? DURABLE : TRANSIENT, () => frames.declare(mailbox, durable));
    },
    remove: async (mailbox) => {
      const id = await session.write(HALF, DURABLE, () => frames.remove(mailbox));
      if (id !== null) bells.remove(id);
    },
    receive: async (mailbox) => {
      const receiver = await openSqliteReceiver(file, mailbox, host, () => receivers.delete(receiver));
      receivers.add(receiver);
      return receiver;
    },
    publish: (mailbox, frame) => {
      send([{ mailbox, frame }]).catch(() => undefined);
    },
    depth: (mailbox) => session.read(HALF, () => frames.depth(mailbox)),
    mailboxes: (prefix) => session.read(HALF, () => frames.names(prefix)),
    presence: createPresence(file, held),
    transactional: createTransactional(file, session, ring),
    close: () => {
      for (const receiver of receivers) receiver.end();
      releaseAll(file, held);
    },
  };
}

function createTransactional(
  { frames }: YardFile,
  session: Session,
  ring: SqliteBroker["ring"],
): Transactional {
  return {
    statement: (mailbox, frame, mark) => ({
      sql: "INSERT INTO yardmaster_send (mailbox, mark, content) VALUES (?, ?, ?)",
      params: [mailbox, mark, frame],
    }),
    waits: (mailbox, mark) => session.read(HALF, () => frames.hasMarked(mailbox, mark)),
    nudge: (mailbox) => {
      session
        .read(HALF, () => frames.find(mailbox))
        .then((found) => {
          if (found !== null) ring(new Map([[mailbox, found.id]]));
        })
        .catch(() => undefined); // The receiver looks by itself from time to time.
    },
  };
}

function createPresence({ presence }: YardFile, held: Set<string>): Presence {
  return {
    provesDeath: true,
    hold: async (name) => {
      await presence.hold(name);
      held.add(name);
      return async () => {
        if (held.delete(name)) await presence.release(name);
      };
    },
    absent: (names) => presence.absent(names),
  };
}

/** The yard may be locked or full while we go; then the names are free when the process ends. */
function releaseAll({ presence }: YardFile, held: Set<string>): void {
  if (held.size === 0) return;
  try {
    presence.releaseNow(held);
  } catch {
    held.clear();
  }
}
