import { byteaArray, int4Array, int8Array } from "../postgres/arrays.ts";
import type { Value } from "../postgres/driver.ts";
import { SessionPresence } from "../postgres/presence.ts";
import type { Yard } from "../postgres/yard.ts";
import type { Broker, Delivery, Send, SendOutcome, Transactional } from "./broker.ts";
import { openPostgresReceiver, type PostgresReceiver } from "./postgres-receiver.ts";

const HALF = "BROKER_UNAVAILABLE";

/** Frames and acknowledgements as the server's functions take them. */
interface Post {
  readonly values: readonly Value[];
  /** Tells what is to be done once the server has answered which mailboxes there are, and gives the outcomes. */
  sent(found: string): SendOutcome[];
}

export interface PostgresBroker extends Broker {
  pack(sends: readonly Send[], acks: readonly Delivery[]): Post;
  /** Ends every receiver. */
  close(): void;
}

/** The broker of one engine on a server: one row for each frame. */
export function createPostgresBroker(yard: Yard): PostgresBroker {
  const receivers = new Receivers();
  const presence = new SessionPresence(yard);
  yard.listen({
    resume: async (session) => {
      await presence.resume(session);
      for (const channel of receivers.channels()) await session.run(`LISTEN "${channel}"`);
    },
    up: () => {
      presence.tell(true);
      receivers.restart();
    },
    lost: () => presence.tell(false),
    notified: (channel) => receivers.wakeByChannel(channel),
  });

  const pack: PostgresBroker["pack"] = (sends, acks) => packPost(yard, receivers, sends, acks);
  const putSql = yard.sql("SELECT @.put($1, $2, $3, $4, $5, $6, $7, $8, true)");
  const send: Broker["send"] = async (sends, acks = []) => {
    const post = pack(sends, acks);
    const [row] = await yard.link.run(HALF, { name: "put", text: putSql }, post.values);
    return post.sent(row?.[0] ?? "");
  };
  const run = (sql: string, ...values: Value[]): ReturnType<Yard["link"]["run"]> =>
    yard.link.run(HALF, yard.sql(sql), values);

  return {
    pack,
    send,
    declare: async (mailbox, { durable }) => {
      await run(
        "INSERT INTO @.mailbox (id, name, durable) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        String(yard.key(mailbox)),
        mailbox,
        durable,
      );
    },
    remove: async (mailbox) => {
      await run("SELECT @.remove($1)", String(yard.key(mailbox)));
    },
    receive: async (mailbox) => {
      const receiver = await openPostgresReceiver(yard, mailbox, () => receivers.delete(mailbox, receiver));
      receivers.add(mailbox, receiver);
      return receiver;
    },
    publish: (mailbox, frame) => {
      send([{ mailbox, frame }]).catch(() => undefined);
    },
    depth: async (mailbox) => {
      const [row] = await run(
        "SELECT (SELECT count(*) FROM @.frame WHERE mailbox = $1) + (SELECT count(*) FROM @.note WHERE mailbox = $1)",
        String(yard.key(mailbox)),
      );
      return Number(row?.[0]);
    },
    mailboxes: async (prefix) => {
      const rows = await run("SELECT name FROM @.mailbox WHERE starts_with(name, $1) ORDER BY name", prefix);
      return rows.map(([name]) => name ?? "");
    },
    presence,
    transactional: createTransactional(yard, receivers),
    close: () => receivers.close(),
  };
}

function createTransactional(yard: Yard, receivers: Receivers): Transactional {
  const sql = yard.sql("SELECT @.submit($1::text, $2::text, $3::bytea)");
  const waits = yard.sql("SELECT 1 FROM @.frame WHERE mark = $1 AND mailbox = $2");
  return {
    statement: (mailbox, frame, mark) => ({ sql, params: [String(yard.key(mailbox)), mark, frame] }),
    waits: async (mailbox, mark) =>
      (await yard.link.run(HALF, waits, [mark, String(yard.key(mailbox))])).length > 0,
    // The commit wakes receivers in other processes; this saves those of this one nothing but the way there.
    nudge: (mailbox) => receivers.wake(mailbox),
  };
}

function packPost(yard: Yard, receivers: Receivers, sends: readonly Send[], acks: readonly Delivery[]): Post {
  const boxes = new Map<string, number>();
  const to: number[] = [];
  for (const { mailbox } of sends) {
    const known = boxes.get(mailbox) ?? boxes.size + 1;
    boxes.set(mailbox, known);
    to.push(known);
  }
  const names = [...boxes.keys()];
  // Sorted, so that two who acknowledge the same frames never wait for each other in a circle.
  const sorted = acks.map(({ mailbox, tag }) => ({ key: yard.key(mailbox), id: Number(tag) }));
  sorted.sort((a, b) => a.id - b.id);
  const logged = sorted.filter(({ id }) => id > 0);
  const notes = sorted.filter(({ id }) => id < 0);
  return {
    values: [
      int8Array(names.map((name) => yard.key(name))),
      names.length === 0 ? null : `{${names.map((name) => (receivers.has(name) ? "t" : "f")).join()}}`,
      int4Array(to),
      byteaArray(sends.map(({ frame }) => frame)),
      int8Array(logged.map(({ key }) => key)),
      int8Array(logged.map(({ id }) => id)),
      int8Array(notes.map(({ key }) => key)),
      int8Array(notes.map(({ id }) => -id)),
    ],
    sent: (found) => {
      for (const ack of acks) receivers.acknowledged(ack);
      const there = new Set(found === "" ? [] : found.split(",").map(Number));
      for (const [index, name] of names.entries()) if (there.has(index + 1)) receivers.wake(name);
      return to.map((box) => (there.has(box) ? "confirmed" : "gone"));
    },
  };
}

/** The open receivers of an engine, by their mailbox. */
class Receivers {
  readonly #byMailbox = new Map<string, Set<PostgresReceiver>>();

  add(mailbox: string, receiver: PostgresReceiver): void {
    const known = this.#byMailbox.get(mailbox) ?? new Set();
    this.#byMailbox.set(mailbox, known.add(receiver));
  }

  /** Answers whether it was the last one of its mailbox. */
  delete(mailbox: string, receiver: PostgresReceiver): boolean {
    const known = this.#byMailbox.get(mailbox);
    known?.delete(receiver);
    return known === undefined || (known.size === 0 && this.#byMailbox.delete(mailbox));
  }

  has(mailbox: string): boolean {
    return this.#byMailbox.has(mailbox);
  }

  wake(mailbox: string): void {
    for (const receiver of this.#byMailbox.get(mailbox) ?? []) receiver.wake();
  }

  acknowledged({ mailbox, tag }: Delivery): void {
    for (const receiver of this.#byMailbox.get(mailbox) ?? []) receiver.acknowledged(Number(tag));
  }

  channels(): string[] {
    return this.#all().map(({ channel }) => channel);
  }

  wakeByChannel(channel: string): void {
    for (const receiver of this.#all()) if (receiver.channel === channel) receiver.wakeFully();
  }

  restart(): void {
    for (const receiver of this.#all()) receiver.restart();
  }

  close(): void {
    for (const receiver of this.#all()) receiver.end();
  }

  #all(): PostgresReceiver[] {
    return [...this.#byMailbox.values()].flatMap((receivers) => [...receivers]);
  }
}
