import { invalidUrl, withoutSecrets, yardOf } from "../engine-url.ts";

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** What a `redis:` URL says. */
export interface RedisAddress {
  readonly url: string;
  /** For messages: without user and password. */
  readonly shown: string;
  readonly kind: "single" | "cluster" | "sentinel";
  /** The server; some of a Cluster's nodes; or the Sentinels. */
  readonly endpoints: readonly Endpoint[];
  /** The name under which Sentinels know the master; "" without Sentinels. */
  readonly master: string;
  readonly user: string;
  readonly password: string;
  readonly database: number;
  readonly isTls: boolean;
  /** The file of the certificate authority to trust instead of the well-known ones; "" for those. */
  readonly authorityFile: string;
  readonly yard: string;
}

/** Throws INVALID_URL. */
export function parseRedisUrl(url: string): RedisAddress {
  const parsed = parse(url);
  const { searchParams: parameters } = parsed;
  for (const name of new Set(parameters.keys())) {
    if (!PARAMETERS.has(name)) throw invalidUrl(url, `there is no parameter "${name}"`, EXAMPLE);
    if (name !== "node" && parameters.getAll(name).length > 1) {
      throw invalidUrl(url, `it has more than one parameter "${name}"`, EXAMPLE);
    }
  }
  const kind = kindOf(url, parameters);
  const nodes = parameters.getAll("node").map((node) => endpointOf(url, node));
  if (kind === "single" && nodes.length > 0)
    throw invalidUrl(url, "only a Cluster or Sentinels have more nodes", CLUSTER);
  const database = databaseOf(url, parsed.pathname);
  if (kind === "cluster" && database !== 0)
    throw invalidUrl(url, "a Redis Cluster has only database 0", CLUSTER);
  const isTls = parsed.protocol === "rediss:";
  const authorityFile = parameters.get("ca") ?? "";
  if (authorityFile !== "" && !isTls) throw invalidUrl(url, `"ca" goes with rediss:`, "rediss://host:6379");
  const first = { host: hostOf(parsed), port: portOf(url, parsed.port, kind) };
  return {
    url,
    shown: [first, ...nodes].map(({ host, port }) => `${host}:${port}`).join(","),
    kind,
    endpoints: [first, ...nodes],
    master: parameters.get("sentinel") ?? "",
    user: decode(url, parsed.username),
    password: decode(url, parsed.password),
    database,
    isTls,
    authorityFile,
    yard: yardOf(url, parameters.get("yard"), "redis://localhost:6379?yard=images"),
  };
}

function parse(url: string): URL {
  try {
    return new URL(url);
  } catch {
    throw invalidUrl(withoutSecrets(url), "it cannot be read as a URL", EXAMPLE);
  }
}

function kindOf(url: string, parameters: URLSearchParams): RedisAddress["kind"] {
  const cluster = parameters.get("cluster");
  const sentinel = parameters.get("sentinel");
  if (cluster !== null && cluster !== "true" && cluster !== "false")
    throw invalidUrl(url, "cluster is true or false", CLUSTER);
  if (sentinel === "")
    throw invalidUrl(url, "sentinel is the name of the master", "redis://s:26379?sentinel=mymaster");
  if (cluster === "true" && sentinel !== null)
    throw invalidUrl(url, "a Cluster has no Sentinels: name one of the two", CLUSTER);
  if (cluster === "true") return "cluster";
  return sentinel === null ? "single" : "sentinel";
}

function endpointOf(url: string, node: string): Endpoint {
  const [, host, port] = /^(\[[0-9a-f:.]+\]|[^:/@\s]+):(\d{1,5})$/i.exec(node) ?? [];
  if (host === undefined || port === undefined || Number(port) > MAX_PORT)
    throw invalidUrl(url, "a node is host:port", CLUSTER);
  return { host: host.replace(/^\[|\]$/g, ""), port: Number(port) };
}

function hostOf({ hostname }: URL): string {
  return hostname === "" ? "127.0.0.1" : hostname.replace(/^\[|\]$/g, "");
}

function portOf(url: string, port: string, kind: RedisAddress["kind"]): number {
  if (port === "") return kind === "sentinel" ? 26_379 : 6_379;
  if (Number(port) > MAX_PORT) throw invalidUrl(url, `there is no port ${port}`, EXAMPLE);
  return Number(port);
}

function databaseOf(url: string, path: string): number {
  const [, digits] = /^\/?(\d{0,5})$/.exec(path) ?? [];
  if (digits === undefined) throw invalidUrl(url, "its path is the number of a database", EXAMPLE);
  return Number(digits);
}

function decode(url: string, part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw invalidUrl(url, "a % in user or password does not start an escape; write it as %25", EXAMPLE);
  }
}

const PARAMETERS: ReadonlySet<string> = new Set(["yard", "cluster", "node", "sentinel", "ca"]);
const EXAMPLE = "redis://localhost:6379/0";
const CLUSTER = "redis://a:7001?cluster=true&node=b:7002&node=c:7003";
const MAX_PORT = 65_535;
