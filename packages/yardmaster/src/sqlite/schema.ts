import { YardmasterError } from "../protocol/errors.ts";
import { type Database, int } from "./driver.ts";

/** "YARD", in the header of every file of ours. */
const APPLICATION_ID = 0x59415244;

/**
 * Each step raises `user_version` by one and is never changed once it was released.
 *
 * task.live orders what an owner loads: shard, then held before waiting, then by priority; null when the task is
 * parked or over. task.due and task.rank order what is parked. Everything else is in `record`.
 *
 * A mailbox starts where no earlier one of its name can have been, so that a late acknowledgement never meets a new
 * frame. 2 ** 29 mailboxes of 2 ** 24 ids each fit into a safe integer. What is inserted into yardmaster_send is sent.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;

  CREATE TABLE fence (
    shard INTEGER PRIMARY KEY, owner TEXT NOT NULL, epoch INTEGER NOT NULL,
    lease_until INTEGER NOT NULL, sequence INTEGER NOT NULL
  );
  CREATE TABLE task (
    id TEXT PRIMARY KEY, live INTEGER, keep INTEGER, record BLOB NOT NULL, payload BLOB, result BLOB,
    parked INTEGER, due INTEGER, rank INTEGER
  ) WITHOUT ROWID;
  CREATE INDEX task_live ON task (live) WHERE live IS NOT NULL;
  CREATE INDEX task_keep ON task (keep) WHERE keep IS NOT NULL;
  CREATE INDEX task_parked ON task (parked, due, rank) WHERE parked IS NOT NULL;

  CREATE TABLE bytes (id TEXT, part INTEGER, content BLOB NOT NULL, PRIMARY KEY (id, part)) WITHOUT ROWID;
  CREATE TABLE tombstone (id TEXT PRIMARY KEY, shard INTEGER NOT NULL, keep INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX tombstone_keep ON tombstone (keep);
  CREATE TABLE key (
    shard INTEGER, name TEXT, key TEXT, id TEXT NOT NULL, hash BLOB NOT NULL, keep INTEGER NOT NULL,
    PRIMARY KEY (shard, name, key)
  ) WITHOUT ROWID;
  CREATE INDEX key_keep ON key (keep);
  CREATE TABLE queue (shard INTEGER, name TEXT, record BLOB NOT NULL, PRIMARY KEY (shard, name)) WITHOUT ROWID;
  CREATE TABLE side (
    shard INTEGER, kind TEXT, key TEXT, value BLOB NOT NULL, PRIMARY KEY (shard, kind, key)
  ) WITHOUT ROWID;

  CREATE TABLE mailbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, durable INTEGER NOT NULL, last INTEGER NOT NULL
  );
  CREATE TRIGGER mailbox_start AFTER INSERT ON mailbox BEGIN
    UPDATE mailbox SET last = id * 16777216 WHERE id = NEW.id;
  END;
  CREATE TABLE frame (
    mailbox INTEGER, id INTEGER, mark TEXT, content BLOB NOT NULL, PRIMARY KEY (mailbox, id)
  ) WITHOUT ROWID;
  CREATE INDEX frame_mark ON frame (mark) WHERE mark IS NOT NULL;
  CREATE VIEW yardmaster_send (mailbox, mark, content) AS
    SELECT name, mark, content FROM frame JOIN mailbox ON mailbox.id = frame.mailbox;
  CREATE TRIGGER yardmaster_send_insert INSTEAD OF INSERT ON yardmaster_send BEGIN
    INSERT INTO mailbox (name, durable, last)
      SELECT NEW.mailbox, 1, 0 WHERE NOT EXISTS (SELECT 1 FROM mailbox WHERE name = NEW.mailbox);
    UPDATE mailbox SET last = last + 1 WHERE name = NEW.mailbox;
    INSERT INTO frame (mailbox, id, mark, content)
      SELECT id, last, NEW.mark, NEW.content FROM mailbox WHERE name = NEW.mailbox;
  END;
  CREATE TABLE presence (name TEXT PRIMARY KEY, holder TEXT NOT NULL, since INTEGER NOT NULL) WITHOUT ROWID;
  `,
];

/** Refuses, before anything is written, a file that is somebody else's or from a newer Yardmaster. */
export function checkSchema(db: Database, path: string): void {
  const version = pragma(db, "user_version");
  const application = pragma(db, "application_id");
  if (application !== APPLICATION_ID && (application !== 0 || version !== 0 || hasTables(db))) {
    throw new YardmasterError(
      "STORE_CORRUPT",
      `${path} is the database of another program: name another file.`,
    );
  }
  if (version > MIGRATIONS.length) {
    throw new YardmasterError(
      "UNSUPPORTED_VERSION",
      `${path} has schema ${version}, and this Yardmaster knows up to ${MIGRATIONS.length}: update it.`,
    );
  }
}

export function isMigrated(db: Database): boolean {
  return pragma(db, "user_version") === MIGRATIONS.length;
}

/** Brings a checked file up to date. Runs inside a write transaction. */
export function migrate(db: Database, path: string, shards: number): void {
  checkSchema(db, path); // Another process may have been here since the first look.
  for (const step of MIGRATIONS.slice(pragma(db, "user_version"))) db.exec(step);
  db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${MIGRATIONS.length}`);
  db.prepare("INSERT OR IGNORE INTO meta (name, value) VALUES ('shards', ?)").run(shards);
}

export function shardsOf(db: Database): number {
  return int(db.prepare("SELECT value FROM meta WHERE name = 'shards'").get()?.["value"]);
}

function hasTables(db: Database): boolean {
  return int(db.prepare("SELECT count(*) AS n FROM sqlite_schema").get()?.["n"]) > 0;
}

function pragma(db: Database, name: string): number {
  return int(db.prepare(`PRAGMA ${name}`).get()?.[name]);
}
