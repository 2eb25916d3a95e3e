import { type Engine, splitCommit } from "./engine.ts";
import { type Host, systemHost } from "./host.ts";
import { openMemoryYard } from "./memory/registry.ts";
import { YardmasterError } from "./protocol/errors.ts";
import { openSqliteEngine } from "./sqlite/engine.ts";

/** One URL for broker and store, or one for each. */
export type EngineAddress = string | { readonly broker: string; readonly store: string };

export interface EngineOptions {
  /** How many shards a yard gets that does not exist yet, 1 to 4,096; default 1. One that exists keeps its number. */
  readonly shards?: number;
}

/**
 * Opens the engine behind a URL. Several may be open on one yard at a time. Throws INVALID_URL, UNSUPPORTED for an
 * engine that this version does not have, STORE_READ_ONLY, STORE_CORRUPT, UNSUPPORTED_VERSION or STORE_UNAVAILABLE.
 */
export async function openEngine(
  address: EngineAddress,
  host: Host = systemHost,
  options: EngineOptions = {},
): Promise<Engine> {
  const shards = checkShards(options.shards ?? 1);
  if (typeof address === "string") return await openOne(address, host, shards);
  if (address.broker === address.store) return await openOne(address.broker, host, shards);
  const broker = await openOne(address.broker, host, shards);
  try {
    return pair(broker, await openOne(address.store, host, shards));
  } catch (error) {
    await broker.close({ timeoutMs: CLOSE_MS });
    throw error;
  }
}

/** The shards are the store's: that is where their fences are. */
function pair(brokerEngine: Engine, storeEngine: Engine): Engine {
  const { broker } = brokerEngine;
  const { store, shards } = storeEngine;
  return {
    broker,
    store,
    shards,
    url: null,
    commit: splitCommit(broker, store),
    close: async (options) => {
      await Promise.all([brokerEngine.close(options), storeEngine.close(options)]);
    },
  };
}

async function openOne(url: string, host: Host, shards: number): Promise<Engine> {
  const [, scheme, rest = ""] = /^([a-z][a-z0-9+.-]*):(.*)$/is.exec(url) ?? [];
  switch (scheme?.toLowerCase()) {
    case "memory":
      return openMemoryYard(memoryName(url, rest), host, { shards });
    case "sqlite":
      return await openSqliteEngine(sqlitePath(url, rest), host, {
        durability: durabilityOf(url, rest),
        shards,
      });
    case "redis":
    case "rediss":
    case "postgres":
    case "postgresql":
    case "amqp":
    case "amqps":
      throw new YardmasterError(
        "UNSUPPORTED",
        `The engine of ${scheme}: URLs is not in this version: use ${EXAMPLE}.`,
      );
    case undefined:
      throw invalid(url, "it has no scheme");
    default:
      throw invalid(url, `there is no engine "${scheme}"`);
  }
}

function memoryName(url: string, rest: string): string {
  if (rest === "") throw invalid(url, "it does not name the yard", "memory:test");
  if (/[/?#]/.test(rest)) throw invalid(url, "a yard's name has no path and no parameters", "memory:test");
  return rest;
}

function sqlitePath(url: string, rest: string): string {
  const path = decode(url, splitQuery(url, rest)[0]);
  if (path === "") throw invalid(url, "it does not name the file");
  if (path === ":memory:") throw invalid(url, "a yard in memory has an engine of its own", "memory:test");
  if (/^\/\/[^/]/.test(path)) throw invalid(url, "a file is on no host");
  if (path.includes("\0")) throw invalid(url, "a file's name holds no NUL");
  return path;
}

function durabilityOf(url: string, rest: string): "disk" | "os" {
  const parameters = new URLSearchParams(splitQuery(url, rest)[1]);
  for (const name of parameters.keys()) {
    if (name !== "durability") throw invalid(url, `there is no parameter "${name}"`, DURABILITY_EXAMPLE);
  }
  const [durability = "disk", ...more] = parameters.getAll("durability");
  if (more.length === 0 && (durability === "disk" || durability === "os")) return durability;
  throw invalid(url, `durability is "disk" or "os", once`, DURABILITY_EXAMPLE);
}

function splitQuery(url: string, rest: string): [path: string, query: string] {
  if (rest.includes("#")) throw invalid(url, "it has a fragment; write # in a file's name as %23");
  const at = rest.indexOf("?");
  return at === -1 ? [rest, ""] : [rest.slice(0, at), rest.slice(at + 1)];
}

function decode(url: string, path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw invalid(url, "a % in it does not start an escape; write % in a file's name as %25");
  }
}

function checkShards(shards: number): number {
  if (Number.isInteger(shards) && shards >= 1 && shards <= MAX_SHARDS) return shards;
  throw new YardmasterError(
    "INVALID_OPTIONS",
    `shards must be a whole number from 1 to ${MAX_SHARDS}, not ${shards}.`,
  );
}

function invalid(url: string, why: string, example: string = EXAMPLE): YardmasterError {
  return new YardmasterError(
    "INVALID_URL",
    `The URL "${withoutPassword(url)}" is malformed: ${why}. Example: ${example}`,
  );
}

/** Errors end up in logs. */
function withoutPassword(url: string): string {
  return url.replace(/\/\/[^/@]*@/, "//***@");
}

const EXAMPLE = "sqlite:./yard.db";
const DURABILITY_EXAMPLE = "sqlite:./yard.db?durability=os";
/** A task's id has 12 bits for its shard. */
const MAX_SHARDS = 4096;
const CLOSE_MS = 1_000;
