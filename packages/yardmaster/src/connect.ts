import type { BrokerHalf, Engine, EngineAddress } from "./engine.ts";
import { invalidUrl as invalid } from "./engine-url.ts";
import { type Host, systemHost } from "./host.ts";
import { openMemoryYard } from "./memory/registry.ts";
import { pairEngines } from "./pair.ts";
import { YardmasterError } from "./protocol/errors.ts";
import { quoted } from "./protocol/quotation.ts";
import { openSqliteEngine } from "./sqlite/engine.ts";

export interface EngineOptions {
  /** How many shards a yard gets that does not exist yet, 1 to 4,096; default 1. One that exists keeps its number. */
  readonly shards?: number;
}

/**
 * Opens the engine behind a URL. Several may be open on one yard at a time. An engine that does not answer now is an
 * error; one that is lost later comes back by itself. Throws INVALID_URL, DRIVER_MISSING, ENGINE_DENIED,
 * BROKER_UNAVAILABLE, STORE_UNAVAILABLE, STORE_READ_ONLY, STORE_CORRUPT or UNSUPPORTED_VERSION.
 */
export async function openEngine(
  address: EngineAddress,
  host: Host = systemHost,
  options: EngineOptions = {},
): Promise<Engine> {
  const shards = checkShards(options.shards ?? 1);
  if (typeof address !== "object" || address === null) return await openWhole(address, host, shards);
  if (address.broker === address.store) return await openWhole(address.broker, host, shards);
  const half = await openBroker(address, host, shards);
  try {
    return pairEngines(half, await openWhole(address.store, host, shards), threadAddress(address));
  } catch (error) {
    await half.close({ timeoutMs: CLOSE_MS });
    throw error;
  }
}

/** Opens an engine's broker only: what a thread needs that sends heartbeats. Throws what `openEngine` throws. @public */
export async function openBroker(
  address: EngineAddress,
  host: Host = systemHost,
  shards = 1,
): Promise<BrokerHalf> {
  const url = typeof address === "string" ? address : address.broker;
  const [scheme] = schemeOf(url);
  if (scheme !== "amqp" && scheme !== "amqps") return await openWhole(url, host, shards);
  const { openRabbitBroker } = await import("./rabbitmq/engine.ts");
  return await openRabbitBroker(url, host);
}

/** Null when only this thread can reach the broker. */
function threadAddress(address: Exclude<EngineAddress, string>): EngineAddress | null {
  return schemeOf(address.broker)[0] === "memory" ? null : address;
}

/** What is both. Throws STORE_CORRUPT where the yard says that it has more shards than any, or none. */
async function openWhole(url: string, host: Host, shards: number): Promise<Engine> {
  const engine = await openNamed(url, host, shards);
  if (isShards(engine.shards)) return engine;
  await engine.close({ timeoutMs: CLOSE_MS });
  throw new YardmasterError(
    "STORE_CORRUPT",
    `The yard says that it has ${engine.shards} shards: it was damaged, restore it from a backup.`,
  );
}

/** Drivers are loaded by whoever needs them. */
async function openNamed(url: string, host: Host, shards: number): Promise<Engine> {
  const [scheme, rest] = schemeOf(url);
  switch (scheme) {
    case "memory":
      return openMemoryYard(memoryName(url, rest), host, { shards });
    case "sqlite":
      return await openSqliteEngine(sqlitePath(url, rest), host, {
        durability: durabilityOf(url, rest),
        shards,
      });
    case "redis":
    case "rediss": {
      const { openRedisEngine } = await import("./redis/engine.ts");
      return await openRedisEngine(url, host, { shards });
    }
    case "postgres":
    case "postgresql": {
      const { openPostgresEngine } = await import("./postgres/engine.ts");
      return await openPostgresEngine(url, host, { shards });
    }
    case "amqp":
    case "amqps":
      throw invalid(url, "RabbitMQ keeps no results: name a store beside this broker", PAIR_EXAMPLE);
    default:
      throw invalid(url, `there is no engine "${scheme}"`, EXAMPLE);
  }
}

function schemeOf(url: string): [scheme: string, rest: string] {
  if (typeof url !== "string") throw invalid("", `it is a ${typeof url} and no text`, EXAMPLE);
  const [, scheme, rest = ""] = /^([a-z][a-z0-9+.-]*):(.*)$/is.exec(url) ?? [];
  if (scheme === undefined) throw invalid(url, "it has no scheme", EXAMPLE);
  return [scheme.toLowerCase(), rest];
}

function memoryName(url: string, rest: string): string {
  if (rest === "") throw invalid(url, "it does not name the yard", "memory:test");
  if (/[/?#]/.test(rest)) throw invalid(url, "a yard's name has no path and no parameters", "memory:test");
  return rest;
}

function sqlitePath(url: string, rest: string): string {
  const path = decode(url, splitQuery(url, rest)[0]);
  if (path === "") throw invalid(url, "it does not name the file", EXAMPLE);
  if (path === ":memory:") throw invalid(url, "a yard in memory has an engine of its own", "memory:test");
  if (/^\/\/[^/]/.test(path)) throw invalid(url, "a file is on no host", EXAMPLE);
  if (path.includes("\0")) throw invalid(url, "a file's name holds no NUL", EXAMPLE);
  return path;
}

function durabilityOf(url: string, rest: string): "disk" | "os" {
  const parameters = new URLSearchParams(splitQuery(url, rest)[1]);
  for (const name of parameters.keys()) {
    if (name !== "durability")
      throw invalid(url, `there is no parameter ${quoted(name)}`, DURABILITY_EXAMPLE);
  }
  const [durability = "disk", ...more] = parameters.getAll("durability");
  if (more.length === 0 && (durability === "disk" || durability === "os")) return durability;
  throw invalid(url, `durability is "disk" or "os", once`, DURABILITY_EXAMPLE);
}

function splitQuery(url: string, rest: string): [path: string, query: string] {
  if (rest.includes("#")) throw invalid(url, "it has a fragment; write # in a file's name as %23", EXAMPLE);
  const at = rest.indexOf("?");
  return at === -1 ? [rest, ""] : [rest.slice(0, at), rest.slice(at + 1)];
}

function decode(url: string, path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw invalid(url, "a % in it does not start an escape; write % in a file's name as %25", EXAMPLE);
  }
}

function checkShards(shards: number): number {
  if (isShards(shards)) return shards;
  throw new YardmasterError(
    "INVALID_OPTIONS",
    `shards must be a whole number from 1 to ${MAX_SHARDS}, not ${quoted(shards)}.`,
  );
}

function isShards(shards: number): boolean {
  return Number.isInteger(shards) && shards >= 1 && shards <= MAX_SHARDS;
}

const EXAMPLE = "sqlite:./yard.db";
const PAIR_EXAMPLE = '{ broker: "amqp://localhost", store: "redis://localhost:6379" }';
const DURABILITY_EXAMPLE = "sqlite:./yard.db?durability=os";
/** A task's id has 12 bits for its shard. */
const MAX_SHARDS = 4096;
const CLOSE_MS = 1_000;
