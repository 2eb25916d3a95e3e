import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import pg from "pg";
import type { Engines } from "../servers/engines.ts";
import { startPostgres } from "../servers/postgres.ts";
import { startRedis } from "../servers/redis.ts";
import { type BenchOptions, UsageError } from "./options.ts";
import type { Peer } from "./peers/peer.ts";
import { Process } from "./processes.ts";
import { type Spread, spread } from "./statistics.ts";
import { YardProcesses } from "./yard-processes.ts";

/*
 * The same work for a yard and for another task system, in turns on one server: A B A B. Redis keeps nothing on its
 * disk for either (that is how the others are measured everywhere), PostgreSQL confirms with synchronous_commit=on.
 */
const PEERS = {
  bullmq: "redis",
  "bee-queue": "redis",
  "pg-boss": "postgres",
  "graphile-worker": "postgres",
} as const;
const BACKLOG = 50_000;
const WARM_SECONDS = 1;

export type PeerName = keyof typeof PEERS;

export interface Comparison {
  readonly engine: string;
  readonly durability: string;
  readonly peer: string;
  readonly settings: string;
  readonly measures: Readonly<
    Record<string, { readonly ours: Spread; readonly theirs: Spread; readonly ratio: number }>
  >;
}

interface Measured {
  readonly name: string;
  /** Whether less is better, as of a time. */
  readonly isCost: boolean;
  readonly value: number;
}

/** One system under measurement, with processes of its own for each call. */
interface Contender {
  roundTrips(inFlight: number): Promise<Measured[]>;
  idle(): Promise<Measured[]>;
  drain(): Promise<Measured[]>;
}

export async function compare(name: string, options: BenchOptions): Promise<Comparison> {
  if (!isPeer(name)) throw new UsageError(`--against takes ${Object.keys(PEERS).join(", ")}`);
  const peer = await load(name);
  const ground = PEERS[name] === "redis" ? await onRedis() : await onPostgres();
  try {
    const ours = yardContender(ground.engines, options);
    const theirs = peerContender(name, ground.freshUrl, options);
    const rounds: ((contender: Contender) => Promise<Measured[]>)[] = [
      (contender) => contender.drain(),
      ...(name === "graphile-worker"
        ? [] // It has no results to wait for.
        : [(contender: Contender) => contender.roundTrips(500), (contender: Contender) => contender.idle()]),
    ];
    const measures: Record<string, { ours: Spread; theirs: Spread; ratio: number }> = {};
    for (const round of rounds) Object.assign(measures, await inTurns(round, ours, theirs, options.repeat));
    return {
      engine: ground.name,
      durability: ground.durability,
      peer: `${name} ${versionOf(name)}`,
      settings: peer.settings,
      measures,
    };
  } finally {
    await ground.engines.stop();
  }
}

async function inTurns(
  round: (contender: Contender) => Promise<Measured[]>,
  ours: Contender,
  theirs: Contender,
  repeat: number,
): Promise<Comparison["measures"]> {
  const runs: { ours: Measured[]; theirs: Measured[] }[] = [];
  while (runs.length < repeat) runs.push({ ours: await round(ours), theirs: await round(theirs) });
  const names = runs[0]?.ours ?? [];
  return Object.fromEntries(
    names.map(({ name, isCost }, index) => {
      const own = spread(runs.map((run) => run.ours[index]?.value ?? Number.NaN));
      const other = spread(runs.map((run) => run.theirs[index]?.value ?? Number.NaN));
      const ratio = isCost ? other.median / own.median : own.median / other.median;
      return [name, { ours: own, theirs: other, ratio }];
    }),
  );
}

interface Ground {
  readonly name: string;
  readonly durability: string;
  readonly engines: Engines;
  /** An empty place for the peer. */
  freshUrl(): Promise<string>;
}

async function onRedis(): Promise<Ground> {
  const server = await startRedis({ fsync: "no" });
  return {
    name: "redis",
    durability: "appendonly no",
    engines: { servers: [server], address: server.yardUrl, footprint: server.footprint, stop: server.stop },
    freshUrl: async () => {
      await server.cli("-n", "1", "flushdb");
      return `redis://127.0.0.1:${server.port}/1`;
    },
  };
}

async function onPostgres(): Promise<Ground> {
  const server = await startPostgres();
  const base = `postgres://postgres@127.0.0.1:${server.port}`;
  let databases = 0;
  return {
    name: "postgres",
    durability: "synchronous_commit on",
    engines: { servers: [server], address: server.yardUrl, footprint: server.footprint, stop: server.stop },
    freshUrl: async () => {
      databases += 1;
      const client = new pg.Client(`${base}/postgres`);
      await client.connect();
      await client.query(`CREATE DATABASE peer_${databases}`);
      await client.end();
      return `${base}/peer_${databases}`;
    },
  };
}

function yardContender(engines: Engines, options: BenchOptions): Contender {
  const within = (use: (yard: YardProcesses) => Promise<Measured[]>): Promise<Measured[]> =>
    YardProcesses.with(options, engines, "full", async (yard) => {
      await yard.start("dispatcher");
      return use(yard);
    });
  return {
    roundTrips: (inFlight) =>
      within(async (yard) => {
        await yard.start("worker", `${inFlight}`);
        return roundTripsOf(await yard.start("producer"), inFlight, options.seconds);
      }),
    idle: () =>
      within(async (yard) => {
        await yard.start("worker", "10");
        return idleOf(await yard.start("producer"), options.seconds);
      }),
    drain: () =>
      within(async (yard) => {
        const producer = await yard.start("producer");
        const { seconds } = await producer.ask<{ seconds: number }>("submit", BACKLOG, 1);
        while ((await producer.ask<number>("waiting")) < BACKLOG) await pause(50);
        await yard.start("worker", "500");
        const startedAt = performance.now();
        const ended = await producer.ask<number>("settle");
        return drained(ended, seconds, performance.now() - startedAt);
      }),
  };
}

function peerContender(name: PeerName, freshUrl: () => Promise<string>, options: BenchOptions): Contender {
  const within = async (
    use: (start: (role: "producer" | "worker", ...args: string[]) => Promise<Process>) => Promise<Measured[]>,
  ): Promise<Measured[]> => {
    const url = await freshUrl();
    const processes: Process[] = [];
    try {
      const measured = await use(async (role, ...args) => {
        const process = await Process.start(`peers/peer-${role}`, [name, url, ...args], []);
        processes.push(process);
        return process;
      });
      for (const process of processes.toReversed()) await process.close();
      return measured;
    } finally {
      for (const process of processes) process.kill();
    }
  };
  return {
    roundTrips: (inFlight) =>
      within(async (start) => {
        const producer = await start("producer");
        await start("worker", `${inFlight}`);
        return roundTripsOf(producer, inFlight, options.seconds);
      }),
    idle: () =>
      within(async (start) => {
        const producer = await start("producer");
        await start("worker", "10");
        return idleOf(producer, options.seconds);
      }),
    drain: () =>
      within(async (start) => {
        const producer = await start("producer");
        const { seconds } = await producer.ask<{ seconds: number }>("submit", BACKLOG);
        const startedAt = performance.now();
        const worker = await start("worker", "500");
        let ended = 0;
        while (ended < BACKLOG) {
          await pause(5);
          ended = await worker.ask<number>("ended");
        }
        return drained(ended, seconds, performance.now() - startedAt);
      }),
  };
}

async function roundTripsOf(producer: Process, inFlight: number, seconds: number): Promise<Measured[]> {
  await producer.ask("roundTrips", inFlight, WARM_SECONDS);
  const done = await producer.ask<{ tasks: number; seconds: number }>("roundTrips", inFlight, seconds);
  return [{ name: `roundtrip${inFlight}`, isCost: false, value: done.tasks / done.seconds }];
}

async function idleOf(producer: Process, seconds: number): Promise<Measured[]> {
  await producer.ask("idle", WARM_SECONDS);
  const { p50Ms, p99Ms } = await producer.ask<{ p50Ms: number; p99Ms: number }>("idle", seconds);
  return [
    { name: "latencyP50", isCost: true, value: p50Ms },
    { name: "latencyP99", isCost: true, value: p99Ms },
  ];
}

function drained(ended: number, submitSeconds: number, drainMs: number): Measured[] {
  if (ended !== BACKLOG) throw new Error(`${ended} of ${BACKLOG} tasks ended`);
  return [
    { name: "submit", isCost: false, value: BACKLOG / submitSeconds },
    { name: "drain", isCost: false, value: (BACKLOG / drainMs) * 1_000 },
  ];
}

function isPeer(name: string): name is PeerName {
  return Object.hasOwn(PEERS, name);
}

function folderOf(name: PeerName): string {
  return join(import.meta.dirname, "peers", name);
}

/** Installs the peer, once; it is no dependency of anything else. */
async function load(name: PeerName): Promise<Peer> {
  if (!existsSync(join(folderOf(name), "node_modules", name))) {
    const args = ["install", "--no-package-lock", "--no-audit", "--no-fund"];
    await promisify(execFile)("npm", args, { cwd: folderOf(name) });
  }
  const module: { readonly peer: Peer } = await import(`./peers/${name}/peer.ts`);
  return module.peer;
}

function versionOf(name: PeerName): string {
  const text = readFileSync(join(folderOf(name), "package.json"), "utf8");
  const { dependencies }: { dependencies: Record<string, string> } = JSON.parse(text);
  return dependencies[name] ?? "";
}
