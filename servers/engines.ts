import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Footprint, Server } from "./server.ts";

/** What `--engine` may name. */
export type EngineName =
  | "sqlite"
  | "redis"
  | "redis-cluster"
  | "postgres"
  | "rabbitmq+redis"
  | "rabbitmq+postgres"
  | "redis+postgres"
  | "rabbitmq+sqlite";

type Part = "sqlite" | "redis" | "redis-cluster" | "postgres" | "rabbitmq";

/** What carries an engine's messages, then what keeps its records, where that is another. */
const PARTS: Record<EngineName, readonly Part[]> = {
  sqlite: ["sqlite"],
  redis: ["redis"],
  "redis-cluster": ["redis-cluster"],
  postgres: ["postgres"],
  "rabbitmq+redis": ["rabbitmq", "redis"],
  "rabbitmq+postgres": ["rabbitmq", "postgres"],
  "redis+postgres": ["redis", "postgres"],
  "rabbitmq+sqlite": ["rabbitmq", "sqlite"],
};

export const ENGINE_NAMES: readonly EngineName[] = Object.keys(PARTS).filter(isEngineName);

/** Where a yard is, as `connect` takes it. */
export type Address = string | { readonly broker: string; readonly store: string };

/** The same for a command line. */
export function addressOptions(address: Address): readonly string[] {
  if (typeof address === "string") return ["--url", address];
  return ["--broker", address.broker, "--store", address.store];
}

/** The servers of an engine, private to this process. */
export interface Engines {
  /** Broker first, where the store is another; empty for SQLite, which is a file. */
  readonly servers: readonly Server[];
  /** The address of a new, empty yard. */
  address(): Address;
  /** What they keep of all yards; broker and store together. */
  footprint(): Promise<Footprint>;
  stop(): Promise<void>;
}

/**
 * Starts what an engine needs, all at once. Throws ServerMissing. SQLite, a single Redis and PostgreSQL keep their data
 * in `parent`, where that is given.
 */
export async function startEngines(name: EngineName, parent?: string): Promise<Engines> {
  const starting = await Promise.allSettled(PARTS[name].map((part) => STARTS[part](parent)));
  const started = starting.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  const stop = async (): Promise<void> => void (await Promise.all(started.map((each) => each.stop())));
  const failed = starting.find((each) => each.status === "rejected");
  if (failed !== undefined) {
    await stop();
    throw failed.reason;
  }
  return {
    servers: started.filter((each) => "kill" in each),
    address: () => {
      const [broker = "", store = broker] = started.map((each) => each.yardUrl());
      return broker === store ? broker : { broker, store };
    },
    footprint: async () => Object.assign({}, ...(await Promise.all(started.map((each) => each.footprint())))),
    stop,
  };
}

/** A command line's choice between a yard that is there and an engine of its own. */
export interface PlaceOptions {
  readonly url?: string | undefined;
  readonly broker?: string | undefined;
  readonly store?: string | undefined;
  readonly engine?: string | undefined;
}

/** Where a script works: on the yard at an address, or on new ones of an engine that it starts itself. */
export type Place = { readonly address: Address } | { readonly engine: EngineName };

/** The place that options name, or the environment if they name none, or SQLite. Throws BadPlace. */
export function placeOf(options: PlaceOptions, environment: NodeJS.ProcessEnv = {}): Place {
  const { url, broker, store, engine } = options;
  if ([url, broker ?? store, engine].filter((each) => each !== undefined).length > 1) {
    throw new BadPlace("give --url, or --broker with --store, or --engine");
  }
  if (url !== undefined) return { address: url };
  if (broker !== undefined && store !== undefined) return { address: { broker, store } };
  if (broker !== undefined || store !== undefined) throw new BadPlace("--broker and --store go together");
  if (engine === undefined) return placeOfEnvironment(environment);
  if (isEngineName(engine)) return { engine };
  throw new BadPlace(`there is no engine ${engine}; there are ${ENGINE_NAMES.join(", ")}`);
}

function placeOfEnvironment(environment: NodeJS.ProcessEnv): Place {
  const url = environment["YARDMASTER_URL"];
  const [broker, store] = [environment["YARDMASTER_BROKER"], environment["YARDMASTER_STORE"]];
  if (url === undefined && broker === undefined && store === undefined) return { engine: "sqlite" };
  return url === undefined ? placeOf({ broker, store }) : { address: url };
}

/** A command line that names no place; the message says why. */
export class BadPlace extends Error {
  override readonly name = "BadPlace";
}

/** Starts a place's servers, if it has any of its own. */
export async function openPlace(place: Place): Promise<Engines> {
  if ("engine" in place) return startEngines(place.engine);
  return {
    servers: [],
    address: () => place.address,
    footprint: async () => ({}),
    stop: async () => undefined,
  };
}

/** What to call a place in a report. */
export function nameOf(place: Place): string {
  return "engine" in place ? place.engine : "url";
}

function isEngineName(name: string): name is EngineName {
  return Object.hasOwn(PARTS, name);
}

/** SQLite's counterpart of a server: a folder for its files. */
type Files = Pick<Server, "yardUrl" | "footprint" | "stop">;

async function startFiles(parent: string = tmpdir()): Promise<Files> {
  const folder = mkdtempSync(join(parent, "yardmaster-sqlite-"));
  let yards = 0;
  return {
    yardUrl: () => {
      yards += 1;
      return `sqlite:${join(folder, `yard${yards}.db`)}`;
    },
    footprint: async () => {
      const files = readdirSync(folder).filter((name) => name.endsWith(".db"));
      const all = files.map((name) => rowsOf(join(folder, name)));
      return {
        rows: all.reduce((sum, { rows }) => sum + rows, 0),
        tableBytes: all.reduce((sum, { tableBytes }) => sum + tableBytes, 0),
      };
    },
    stop: async () => rmSync(folder, { recursive: true, force: true }),
  };
}

function rowsOf(file: string): { rows: number; tableBytes: number } {
  const rows = reading(file, (database) => {
    const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
    return tables.reduce((sum, { name }) => sum + numberOf(database, `SELECT count(*) FROM "${name}"`), 0);
  });
  return { rows, tableBytes: bytesInUse(file) };
}

/** What an SQLite file takes, with what is only in its log so far. Pages that are free are used again. */
export function bytesInUse(file: string): number {
  return reading(file, (database) => {
    const value = (pragma: string): number => numberOf(database, `PRAGMA ${pragma}`);
    return (value("page_count") - value("freelist_count")) * value("page_size");
  });
}

function reading<T>(file: string, use: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    return use(database);
  } finally {
    database.close();
  }
}

function numberOf(database: DatabaseSync, sql: string): number {
  return Number(Object.values(database.prepare(sql).get() ?? {})[0]);
}

/** Each is loaded by whoever needs it: another engine's driver may not be installed. */
const STARTS: Record<Part, (parent?: string) => Promise<Server | Files>> = {
  sqlite: startFiles,
  redis: async (parent) => (await import("./redis.ts")).startRedis({ parent }),
  "redis-cluster": async () => (await import("./redis.ts")).startRedisCluster(),
  postgres: async (parent) => (await import("./postgres.ts")).startPostgres({ parent }),
  rabbitmq: async () => (await import("./rabbitmq.ts")).startRabbitMq(),
};
