import { type Host, pause } from "../host.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { Bells } from "./bells.ts";
import { Connection } from "./connection.ts";
import { type Database, openDatabase } from "./driver.ts";
import { isBusy, translate } from "./failure.ts";
import { Frames } from "./frames.ts";
import { locate } from "./location.ts";
import { SharedPresence } from "./presence.ts";
import { checkSchema, isMigrated, migrate, shardsOf } from "./schema.ts";

/** What all engines of one thread share that are open on one file: its only connection above all. */
export interface YardFile {
  readonly path: string;
  readonly connection: Connection;
  readonly shards: number;
  readonly frames: Frames;
  readonly bells: Bells;
  readonly presence: SharedPresence;
  /** The receivers of this thread by mailbox, which need no bell. */
  readonly receivers: Map<string, Set<() => void>>;
}

/** `disk`: what is confirmed survives a power cut. `os`: it survives the process only. */
type Durability = "disk" | "os";

export interface YardFileOptions {
  readonly durability: Durability;
  /** For a file that does not exist yet. */
  readonly shards: number;
}

interface Shared {
  readonly opening: Promise<YardFile>;
  users: number;
}

const files = new Map<string, Shared>();

/** Opens a file, or joins those in this thread that have it open; the answer's second half leaves it. */
export async function openYardFile(
  path: string,
  host: Host,
  options: YardFileOptions,
): Promise<[YardFile, () => void]> {
  const real = locate(path);
  const key = `${options.durability} ${real}`;
  const shared = files.get(key) ?? { opening: open(real, host, options), users: 0 };
  files.set(key, shared);
  shared.users += 1;
  const leave = (): boolean => {
    shared.users -= 1;
    if (shared.users === 0) files.delete(key);
    return shared.users === 0;
  };
  try {
    const file = await shared.opening;
    return [file, () => leave() && close(file)];
  } catch (error) {
    leave();
    throw error;
  }
}

async function open(path: string, host: Host, options: YardFileOptions): Promise<YardFile> {
  const db = await openPatiently(path, host, options.shards);
  try {
    const connection = new Connection(db, path, host, { syncs: options.durability === "disk" });
    return {
      path,
      connection,
      shards: shardsOf(db),
      frames: new Frames(connection),
      bells: new Bells(`${path}-bells`),
      presence: new SharedPresence(connection, `${path}-presence`, host),
      receivers: new Map(),
    };
  } catch (error) {
    db.close();
    throw translate(error, "STORE_UNAVAILABLE", path);
  }
}

function close(file: YardFile): void {
  file.presence.close();
  file.bells.close();
  file.connection.close();
}

/** Others may be creating the file at the same moment, or recovering it. */
async function openPatiently(path: string, host: Host, shards: number): Promise<Database> {
  const deadline = host.monotonic() + OPEN_MS;
  for (;;) {
    try {
      return openOnce(path, shards);
    } catch (error) {
      if (!isBusy(error) || host.monotonic() > deadline) throw translate(error, "STORE_UNAVAILABLE", path);
    }
    await pause(host, OPEN_RETRY_MS);
  }
}

function openOnce(path: string, shards: number): Database {
  const db = openDatabase(path);
  try {
    checkSchema(db, path);
    const mode = db.prepare("PRAGMA journal_mode = WAL").get()?.["journal_mode"];
    if (mode !== "wal") {
      throw new YardmasterError(
        "STORE_UNAVAILABLE",
        `The file system of ${path} has no shared memory for a write-ahead log.`,
      );
    }
    db.exec(SETTINGS);
    if (!isMigrated(db)) createSchema(db, path, shards);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function createSchema(db: Database, path: string, shards: number): void {
  db.exec("BEGIN IMMEDIATE");
  try {
    migrate(db, path, shards);
    db.exec("COMMIT");
  } catch (error) {
    db.exec("ROLLBACK");
    throw error;
  }
}

/**
 * The log is copied back every 16 MB: half the copying of the default under load. A log that grew past 64 MB, behind
 * a reader that was stopped, is cut when it can be.
 */
const SETTINGS = `
  PRAGMA synchronous = FULL;
  PRAGMA busy_timeout = 0;
  PRAGMA wal_autocheckpoint = 4000;
  PRAGMA journal_size_limit = 67108864;
  PRAGMA cache_size = -8000;
`;
const OPEN_MS = 5_000;
const OPEN_RETRY_MS = 5;
