import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { makeCertificates } from "./certificates.ts";
import { type Footprint, findProgram, freePort, onFreePorts, type Server, ServerProcess } from "./server.ts";

const INSTALL = "apt-get install redis-server";
/** The tool that makes a cluster would wait for ever for nodes that do not find each other. */
const RUN_MS = 60_000;

export interface RedisOptions {
  /** Where its folder is made; default the system's for temporary files. */
  readonly parent?: string | undefined;
  /** Default "always": what is confirmed survives SIGKILL and a power cut. "no" keeps nothing. */
  readonly fsync?: "always" | "everysec" | "no";
  /** Such as "100mb"; no limit by default. The policy is noeviction. */
  readonly maxmemory?: string;
  readonly password?: string;
  /** Users beside the default one, as in `user NAME on >PASSWORD …` of an access list. */
  readonly users?: readonly string[];
  /** Speaks TLS with a certificate made for 127.0.0.1, and nothing else. */
  readonly isTls?: boolean;
  /** More settings of the configuration file. */
  readonly settings?: readonly string[];
}

export interface RedisServer extends Server {
  readonly port: number;
  /** The certificate of the authority that TLS clients trust. */
  readonly authorityFile: string;
  /** Runs redis-cli on the server and answers what it wrote. */
  cli(...args: readonly string[]): Promise<string>;
}

/** One of a Cluster's servers, which tests may end and ask by themselves. */
export interface RedisNode {
  readonly port: number;
  /** Runs redis-cli on it and answers what it wrote. */
  cli(...args: readonly string[]): Promise<string>;
  /** Resolves when a command's answer holds a text; rejects after a while. */
  until(text: string, ...command: readonly string[]): Promise<void>;
  kill(): Promise<void>;
  start(): Promise<void>;
  signal(signal: NodeJS.Signals): void;
}

export interface RedisCluster extends Server {
  readonly nodes: readonly RedisNode[];
}

/** Starts a private Redis server with an append-only file. Throws ServerMissing. */
export function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  return onFreePorts(() => startOnce(options));
}

async function startOnce(options: RedisOptions): Promise<RedisServer> {
  findProgram("redis-server", INSTALL);
  const folder = mkdtempSync(join(options.parent ?? tmpdir(), "yardmaster-redis-"));
  const node = await startNode(folder, await freePort(), options);
  let yards = 0;
  const login = options.password === undefined ? "" : `:${encodeURIComponent(options.password)}@`;
  const ending = options.isTls === true ? `&ca=${encodeURIComponent(node.authorityFile)}` : "";
  return {
    name: "Redis",
    port: node.port,
    authorityFile: node.authorityFile,
    cli: node.cli,
    yardUrl: () => {
      yards += 1;
      const scheme = options.isTls === true ? "rediss" : "redis";
      return `${scheme}://${login}127.0.0.1:${node.port}/0?yard=yard${yards}${ending}`;
    },
    kill: node.kill,
    start: node.start,
    connections: () => connectionsTo([node]),
    footprint: () => footprintOf([node]),
    freeze: () => node.signal("SIGSTOP"),
    thaw: () => node.signal("SIGCONT"),
    stop: async () => {
      await node.kill();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function startClusterNode(folder: string, options: RedisOptions): Promise<Node> {
  return onFreePorts(async () => {
    const { settings = [] } = options;
    const own = ["cluster-enabled yes", "cluster-node-timeout 2000", `cluster-port ${await freePort()}`];
    const place = mkdtempSync(join(folder, "node-"));
    return await startNode(place, await freePort(), { ...options, settings: [...own, ...settings] });
  });
}

/**
 * Starts a private Cluster of three masters, each with a third of the slots, and so many replicas of each (none by
 * default). Throws ServerMissing.
 */
export async function startRedisCluster(
  options: Pick<RedisOptions, "users" | "settings"> & { readonly replicas?: number } = {},
): Promise<RedisCluster> {
  findProgram("redis-server", INSTALL);
  const { replicas = 0 } = options;
  const folder = mkdtempSync(join(tmpdir(), "yardmaster-cluster-"));
  const nodes: Node[] = [];
  for (let number = 0; number < 3 * (1 + replicas); number += 1) {
    nodes.push(await startClusterNode(folder, options));
  }
  const hosts = nodes.map(({ port }) => `127.0.0.1:${port}`);
  const program = findProgram("redis-cli", INSTALL);
  await run(program, ["--cluster", "create", ...hosts, "--cluster-replicas", `${replicas}`, "--cluster-yes"]);
  const all = async (each: (node: Node) => Promise<void>): Promise<void> => {
    await Promise.all(nodes.map(each));
  };
  const ready = async (): Promise<void> =>
    await all((node) => node.until("cluster_state:ok", "cluster", "info"));
  await ready();
  let yards = 0;
  return {
    name: "Redis Cluster",
    nodes,
    yardUrl: () => {
      yards += 1;
      return `redis://${hosts[0]}?cluster=true&node=${hosts[1]}&node=${hosts[2]}&yard=yard${yards}`;
    },
    kill: () => all((node) => node.kill()),
    start: async () => {
      await all((node) => node.start());
      await ready();
    },
    connections: () => connectionsTo(nodes),
    footprint: () => footprintOf(nodes),
    freeze: () => {
      for (const node of nodes) node.signal("SIGSTOP");
    },
    thaw: () => {
      for (const node of nodes) node.signal("SIGCONT");
    },
    stop: async () => {
      await all((node) => node.kill());
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** A master, a replica and three Sentinels. `kill` ends the master of the moment; `start` brings it back as a replica. */
export async function startRedisSentinel(): Promise<Server> {
  findProgram("redis-server", INSTALL);
  const folder = mkdtempSync(join(tmpdir(), "yardmaster-sentinel-"));
  const first = await startNode(join(folder, "0"), await freePort(), {});
  const second = await startNode(join(folder, "1"), await freePort(), {
    settings: [`replicaof 127.0.0.1 ${first.port}`, "repl-diskless-sync-delay 0"],
  });
  await second.until("master_link_status:up", "info", "replication");
  const sentinels: Node[] = [];
  for (const number of [0, 1, 2]) {
    const settings = [
      `sentinel monitor yard 127.0.0.1 ${first.port} 2`,
      "sentinel down-after-milliseconds yard 1000",
      "sentinel failover-timeout yard 3000",
    ];
    sentinels.push(
      await startNode(join(folder, `s${number}`), await freePort(), { settings }, ["--sentinel"]),
    );
  }
  for (const sentinel of sentinels) await sentinel.until("sentinels=3", "info", "sentinel");
  const hosts = sentinels.map(({ port }) => `127.0.0.1:${port}`);
  let down: Node | null = null;
  let yards = 0;
  return {
    name: "Redis Sentinel",
    yardUrl: () => {
      yards += 1;
      return `redis://${hosts[0]}?sentinel=yard&node=${hosts[1]}&node=${hosts[2]}&yard=yard${yards}`;
    },
    kill: async () => {
      const isFirst = (await first.cli("role")).startsWith("master");
      down = isFirst ? first : second;
      await down.kill();
    },
    start: async () => {
      await down?.start();
    },
    connections: () => connectionsTo([first, second]),
    footprint: () => footprintOf([first]),
    freeze: () => first.signal("SIGSTOP"),
    thaw: () => first.signal("SIGCONT"),
    stop: async () => {
      for (const node of [...sentinels, second, first]) await node.kill();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

interface Node extends RedisNode {
  readonly authorityFile: string;
}

function run(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string } = {},
): Promise<{ stdout: string }> {
  return promisify(execFile)(program, args, { ...options, timeout: RUN_MS });
}

async function startNode(
  folder: string,
  port: number,
  options: RedisOptions,
  args: readonly string[] = [],
): Promise<Node> {
  mkdirSync(folder, { recursive: true });
  if (options.isTls === true) await makeCertificates(folder);
  const file = join(folder, "redis.conf");
  writeFileSync(file, `${settingsOf(folder, port, options, args.length > 0).join("\n")}\n`);
  const program = findProgram("redis-server", INSTALL);
  const authorityFile = join(folder, "ca.crt");
  const cli = async (...command: readonly string[]): Promise<string> => {
    const login = options.password === undefined ? [] : ["--no-auth-warning", "-a", options.password];
    const tls = options.isTls === true ? ["--tls", "--cacert", authorityFile] : [];
    const { stdout } = await run(findProgram("redis-cli", INSTALL), [
      "-p",
      `${port}`,
      ...login,
      ...tls,
      ...command,
    ]);
    return stdout;
  };
  const launch = async (): Promise<ServerProcess> => {
    const server = new ServerProcess(program, [file, ...args], { cwd: folder });
    await server.ready(async () => (await cli("ping")).startsWith("PONG"));
    return server;
  };
  let server = await launch();
  return {
    port,
    authorityFile,
    cli,
    until: (text, ...command) => server.ready(async () => (await cli(...command)).includes(text)),
    kill: () => server.end("SIGKILL"),
    start: async () => {
      server = await launch();
    },
    signal: (signal) => void server.child.kill(signal),
  };
}

/** Without the question's own, and without replicas; a Sentinel counts as a client. */
async function connectionsTo(nodes: readonly Node[]): Promise<number> {
  let count = 0;
  for (const { cli } of nodes) {
    count += Number(/^connected_clients:(\d+)/m.exec(await cli("info", "clients"))?.[1]) - 1;
  }
  return count;
}

/** Entries are those of streams, hashes, sorted sets and lists, all together. */
async function footprintOf(nodes: readonly Node[]): Promise<Footprint> {
  const total = { keys: 0, entries: 0, memoryBytes: 0 };
  for (const { cli } of nodes) {
    total.keys += Number(await cli("dbsize"));
    total.entries += Number(await cli("eval", COUNT_ENTRIES, "0"));
    total.memoryBytes += Number(/^used_memory:(\d+)/m.exec(await cli("info", "memory"))?.[1]);
  }
  return total;
}

const COUNT_ENTRIES = `#!lua flags=allow-cross-slot-keys
local lengths = { stream = "XLEN", hash = "HLEN", zset = "ZCARD", list = "LLEN" }
local entries = 0
for _, key in ipairs(redis.call("KEYS", "*")) do
  local length = lengths[redis.call("TYPE", key).ok]
  if length then entries = entries + redis.call(length, key) end
end
return entries`;

function settingsOf(folder: string, port: number, options: RedisOptions, isSentinel: boolean): string[] {
  const { fsync = "always", isTls = false } = options;
  const listening = isTls ? ["port 0", `tls-port ${port}`, ...TLS] : [`port ${port}`];
  const own = [`dir ${folder}`, "bind 127.0.0.1", ...listening, ...(options.settings ?? [])];
  if (isSentinel) return own;
  return [
    ...own,
    'save ""',
    `appendonly ${fsync === "no" ? "no" : "yes"}`,
    `appendfsync ${fsync}`,
    "maxmemory-policy noeviction",
    ...(options.maxmemory === undefined ? [] : [`maxmemory ${options.maxmemory}`]),
    ...(options.password === undefined ? [] : [`requirepass ${options.password}`]),
    ...(options.users ?? []),
  ];
}

const TLS = [
  "tls-cert-file server.crt",
  "tls-key-file server.key",
  "tls-ca-cert-file ca.crt",
  "tls-auth-clients no",
];
