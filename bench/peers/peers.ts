import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Peer } from "./peer.ts";

/** Where the other systems are, and on which engine. */
interface PeerPlace {
  readonly engine: "redis" | "postgres";
  /** Its folder, which is the name of its package. */
  readonly folder: string;
  /** The file with its settings. */
  readonly file: string;
  readonly hasResults: boolean;
  /** A second way to drain a backlog, beside the first in `--against all`. */
  readonly drainsOnly: boolean;
}

export type PeerName =
  | "bullmq"
  | "bee-queue"
  | "pg-boss"
  | "pg-boss-fetched"
  | "graphile-worker"
  | "graphile-worker-unbatched";

export const PEERS: Readonly<Record<PeerName, PeerPlace>> = {
  bullmq: place("redis", "bullmq", "peer"),
  "bee-queue": place("redis", "bee-queue", "peer"),
  "pg-boss": place("postgres", "pg-boss", "peer"),
  "pg-boss-fetched": { ...place("postgres", "pg-boss", "fetched"), drainsOnly: true },
  "graphile-worker": { ...place("postgres", "graphile-worker", "peer"), hasResults: false },
  "graphile-worker-unbatched": {
    ...place("postgres", "graphile-worker", "unbatched"),
    hasResults: false,
    drainsOnly: true,
  },
};

export const PEER_NAMES: readonly PeerName[] = Object.keys(PEERS).filter(isPeer);

export function isPeer(name: string): name is PeerName {
  return Object.hasOwn(PEERS, name);
}

/** Installs the peer, once; it is no dependency of anything else. Answers with its settings. */
export async function installPeer(name: PeerName): Promise<string> {
  const { folder, file } = PEERS[name];
  const path = join(import.meta.dirname, folder);
  if (!existsSync(join(path, "node_modules", folder))) {
    const args = ["install", "--no-package-lock", "--no-audit", "--no-fund"];
    await promisify(execFile)("npm", args, { cwd: path });
  }
  const module: { readonly peer: Peer } = await import(`./${folder}/${file}.ts`);
  return module.peer.settings;
}

/** The version that is installed. */
export function versionOfPeer(name: PeerName): string {
  const { folder } = PEERS[name];
  const text = readFileSync(
    join(import.meta.dirname, folder, "node_modules", folder, "package.json"),
    "utf8",
  );
  const { version }: { readonly version: string } = JSON.parse(text);
  return version;
}

function place(engine: PeerPlace["engine"], folder: string, file: string): PeerPlace {
  return { engine, folder, file, hasResults: true, drainsOnly: false };
}
