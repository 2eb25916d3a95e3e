import { oneLine } from "../protocol/quotation.ts";
import type { RedisAddress } from "./address.ts";
import { infoOf, pairsOf, textOf } from "./replies.ts";
import { denied } from "./route.ts";

/** What a server says of itself. */
export interface Facts {
  readonly version: string;
  readonly durability: string;
  readonly warnings: readonly string[];
}

/** Reads what the server says of itself; throws ENGINE_DENIED for one that does not fit. */
export async function readFacts(
  address: RedisAddress,
  call: (args: readonly string[]) => Promise<unknown>,
): Promise<Facts> {
  const info = infoOf(await call(["INFO"]));
  const said = info.get("redis_version") ?? "";
  const version = /^\d[\w.+-]{0,40}$/.test(said) ? said : "0";
  if (Number.parseInt(version, 10) < MIN_VERSION) {
    throw denied(
      `Redis at ${address.shown} is version ${version}, which is too old: Yardmaster needs ${MIN_VERSION}.0 or newer.`,
    );
  }
  const isCluster = info.get("cluster_enabled") === "1";
  if (isCluster && address.kind !== "cluster") {
    throw denied(`Redis at ${address.shown} is a node of a Cluster: add ?cluster=true to the URL.`);
  }
  if (!isCluster && address.kind === "cluster") {
    throw denied(`Redis at ${address.shown} is no Cluster: leave out cluster=true in the URL.`);
  }
  const config = await readConfig(call);
  return { version, durability: durabilityOf(info, config), warnings: warningsOf(info, config) };
}

/** Null where CONFIG is forbidden, as hosted servers have it. */
async function readConfig(
  call: (args: readonly string[]) => Promise<unknown>,
): Promise<ReadonlyMap<string, string> | null> {
  try {
    const pairs = pairsOf(await call(["CONFIG", "GET", "append*", "save", "maxmemory*", COVERAGE]));
    return new Map([...pairs].map(([name, value]) => [name, textOf(value)]));
  } catch {
    return null;
  }
}

function durabilityOf(info: ReadonlyMap<string, string>, config: ReadonlyMap<string, string> | null): string {
  const replicas = Number(info.get("connected_slaves") ?? "0");
  const failover = replicas === 0 ? "" : FAILOVER;
  if (info.get("aof_enabled") !== "1") {
    return `What is confirmed since the last snapshot is lost when the server ends (appendonly no).${failover}`;
  }
  switch (config?.get("appendfsync")) {
    case "always":
      return `What is confirmed survives a power cut (appendonly yes, appendfsync always).${failover}`;
    case "everysec":
      return `What is confirmed survives the server's process; a power cut loses up to about 2 s (appendonly yes, appendfsync everysec).${failover}`;
    case "no":
      return `What is confirmed survives the server's process; a power cut loses what the system had not written (appendonly yes, appendfsync no).${failover}`;
    default:
      return `What is confirmed survives the server's process (appendonly yes); the user may not read appendfsync (CONFIG GET).${failover}`;
  }
}

function warningsOf(info: ReadonlyMap<string, string>, config: ReadonlyMap<string, string> | null): string[] {
  const warnings: string[] = [];
  if (info.get("aof_enabled") !== "1") {
    warnings.push("Tasks and results are lost with the server's process: set appendonly yes.");
  } else if (config?.get("appendfsync") === "everysec") {
    warnings.push("A power cut loses the last seconds: set appendfsync always if tasks must survive one.");
  } else if (config?.get("appendfsync") === "no") {
    warnings.push("A power cut loses tasks: set appendfsync always, or everysec at least.");
  }
  const policy = info.get("maxmemory_policy") ?? "noeviction";
  if (policy !== "noeviction") {
    warnings.push(
      `A full server evicts tasks and results (maxmemory-policy ${oneLine(policy, 60)}): set noeviction.`,
    );
  }
  if (config === null)
    warnings.push("The user may not read the server's settings: allow it CONFIG GET to see its durability.");
  if (info.get("cluster_enabled") === "1" && config?.get(COVERAGE) === "yes")
    warnings.push(`While one master is away, none of them answers (${COVERAGE} yes): set it to no.`);
  if (Number(info.get("connected_slaves") ?? "0") > 0) {
    warnings.push("Replication is asynchronous: a failover may lose what was confirmed moments before.");
  }
  return warnings;
}

const FAILOVER = " A failover may lose the last moments, since replicas are asynchronous.";
const COVERAGE = "cluster-require-full-coverage";
const MIN_VERSION = 7;
