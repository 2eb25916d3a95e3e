import { type Ground, openGround } from "./ground.ts";
import { type BenchOptions, UsageError } from "./options.ts";
import { installPeer, isPeer, PEER_NAMES, PEERS, type PeerName, versionOfPeer } from "./peers/peers.ts";
import { type Comparison, conditionsOf } from "./record.ts";
import { type Spread, spread } from "./statistics.ts";
import { peerSystem, type System, yardSystem } from "./systems.ts";
import { chosenWorkloads, type Measures, ratioOf, type Workload } from "./workloads.ts";

/** The same work for a yard and for other task systems, in turns: A B A B. One comparison for each engine. */
export async function* compare(options: BenchOptions): AsyncGenerator<Comparison> {
  const peers = peersOf(options.against);
  const workloads = chosenWorkloads(options.only);
  if (workloads.length === 0) throw new UsageError(`no workload has ${options.only} in its name`);
  const grounds = groundsOf(peers, options);
  for (const name of grounds) {
    const ground = await openGround(name, options.fsync ?? "no");
    try {
      const here = peers.filter((peer) => PEERS[peer].engine === ground.peers);
      yield await compareOn(ground, here, workloads, options);
    } finally {
      await ground.stop();
    }
  }
}

async function compareOn(
  ground: Ground,
  peers: readonly PeerName[],
  workloads: readonly Workload[],
  options: BenchOptions,
): Promise<Comparison> {
  const settings: Record<string, string> = {};
  for (const name of peers) {
    const chosen = await installPeer(name);
    settings[`${name} ${versionOfPeer(name)}`] = chosen;
  }
  const conditions = conditionsOf(ground, settings, options);
  const systems = [yardSystem(ground, options), ...peers.map((name) => peerSystem(name, ground))];
  const measures: Record<string, Record<string, Spread>> = {};
  const ratios: Record<string, Record<string, Spread>> = Object.fromEntries(peers.map((name) => [name, {}]));
  for (const workload of workloads) {
    const fit = systems.filter((system) => isFit(system, workload));
    if (fit.length < 2) continue;
    const runs = await inTurns(workload, fit, options);
    for (const measure of workload.measures) {
      const valuesOf = (name: string): number[] => runs.flatMap((run) => run.get(name)?.[measure] ?? []);
      const ours = valuesOf("yardmaster");
      measures[measure] = { yardmaster: spread(ours) };
      for (const { name } of fit.slice(1)) {
        const theirs = valuesOf(name);
        if (theirs.length < runs.length) continue;
        measures[measure][name] = spread(theirs);
        Object.assign(ratios[name] ?? {}, { [measure]: ratioSpread(measure, ours, theirs) });
      }
    }
  }
  return { ...conditions, measures, ratios };
}

function isFit(system: System, { name, needsResults }: Workload): boolean {
  if (needsResults && !system.hasResults) return false;
  return !system.drainsOnly || name === "drain";
}

async function inTurns(
  workload: Workload,
  systems: readonly System[],
  options: BenchOptions,
): Promise<ReadonlyMap<string, Measures>[]> {
  const runs: Map<string, Measures>[] = [];
  while (runs.length < options.repeat) {
    const run = new Map<string, Measures>();
    for (const system of systems) {
      const measures = await attempted(workload, system, options);
      if (measures === null) continue;
      console.error(
        `${workload.name} ${runs.length + 1}/${options.repeat} ${system.name} ${shown(measures)}`,
      );
      run.set(system.name, measures);
    }
    runs.push(run);
  }
  return runs;
}

/** What another system cannot do at all is said and left out; an error of ours ends the bench. */
async function attempted(
  workload: Workload,
  system: System,
  options: BenchOptions,
): Promise<Measures | null> {
  try {
    return await workload.run(system, options);
  } catch (error) {
    if (system.name === "yardmaster") throw error;
    console.error(
      `${workload.name}: ${system.name} failed: ${error instanceof Error ? error.message : error}`,
    );
    return null;
  }
}

function shown(measures: Measures): string {
  return Object.entries(measures)
    .map(([name, value]) => `${name}=${value.toPrecision(3)}`)
    .join(" ");
}

function ratioSpread(measure: string, ours: readonly number[], theirs: readonly number[]): Spread {
  const paired = ours.map((own, index) => ratioOf(measure, own, theirs[index] ?? Number.NaN));
  return {
    median: ratioOf(measure, spread(ours).median, spread(theirs).median),
    min: Math.min(...paired),
    max: Math.max(...paired),
  };
}

function peersOf(against: string): readonly PeerName[] {
  if (against === "all") return PEER_NAMES;
  if (isPeer(against)) return [against];
  throw new UsageError(`--against takes all, ${PEER_NAMES.join(", ")}`);
}

/** The engine that was named, else those that the other systems are on. */
function groundsOf(peers: readonly PeerName[], { engine }: BenchOptions): readonly Ground["name"][] {
  if (engine === null) return [...new Set(peers.map((name) => PEERS[name].engine))];
  if (engine !== "redis" && engine !== "postgres" && engine !== "sqlite" && engine !== "rabbitmq+redis") {
    throw new UsageError("--against takes --engine redis, postgres, sqlite or rabbitmq+redis");
  }
  const theirs = engine === "postgres" ? "postgres" : "redis";
  if (peers.some((name) => PEERS[name].engine === theirs)) return [engine];
  throw new UsageError(`${peers.join(", ")} cannot be compared on ${engine}`);
}
