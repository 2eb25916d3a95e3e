import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { openEngine } from "../packages/yardmaster/src/connect.ts";
import { systemHost } from "../packages/yardmaster/src/host.ts";
import { Random } from "../packages/yardmaster/src/sim/random.ts";
import { type EngineName, startEngines } from "../servers/engines.ts";
import { ServerMissing } from "../servers/server.ts";
import { mountSmallDisk, type SmallDisk } from "../servers/small-disk.ts";
import { audit, type Findings } from "./audit.ts";
import { drawn, faultsFor, type Play, type Scene } from "./faults.ts";
import { clock } from "./recorder.ts";
import { SLOTS, Stage } from "./stage.ts";
import { Standstill } from "./standstill.ts";
import type { Tally } from "./submitter.ts";

export interface RoundOptions {
  readonly engine: EngineName;
  readonly seed: number;
  readonly seconds: number;
  readonly rate: number;
  /** Only faults whose name has this. */
  readonly only: string;
  say(text: string): void;
}

/** What came of a round. */
export interface Round {
  readonly seconds: number;
  /** How many faults of each kind. */
  readonly faults: Readonly<Record<string, number>>;
  /** By fault: from its end to the result of a task that was submitted then. */
  readonly recoveryMs: Readonly<Record<string, readonly number[]>>;
  readonly findings: Findings;
  /** Everything that was wrong; nothing in a good round. */
  readonly problems: readonly string[];
  /** The facts of all processes; gone after a good round. */
  readonly folder: string;
}

/** Of a timer that nobody waits for once the race is over. */
const UNHELD = { ref: false };
const DISK_MIB = 320;
const MAX_SHARDS = 2;
const WARM_MS = 1_500;
const LOOK_MS = 1_000;
const RECOVER_MS = 90_000;
const SETTLE_MS = 120_000;
/** The engines whose data is on the disk that runs full. */
const ON_SMALL_DISK: ReadonlySet<EngineName> = new Set(["sqlite", "redis", "postgres"]);

/** Plays faults on a yard of its own under load, lets it heal, and checks its history. */
export async function playRound(options: RoundOptions): Promise<Round> {
  const { engine: name, seed, rate } = options;
  const folder = mkdtempSync(join(tmpdir(), "yardmaster-chaos-"));
  const disk = ON_SMALL_DISK.has(name) ? smallDisk(options) : null;
  const engines = await startEngines(name, disk?.folder);
  const address = engines.address();
  // What opens a yard first says how many shards it has.
  const founder = await openEngine(address, systemHost, { shards: 1 + (seed % MAX_SHARDS) });
  await founder.close({ timeoutMs: 5_000 });
  // A cluster's nodes tell clients their own ports.
  const isProxied = name !== "redis-cluster" && name !== "sqlite";
  const stage = new Stage({ folder, address, isProxied, seed, rate });
  const scene: Scene = { stage, engines, disk, isProxied, isPair: typeof address !== "string" };
  try {
    for (const role of ["dispatcher", "dispatcher", "worker", "worker", "worker", "client"] as const)
      await stage.start(role);
    await stage.client.process.ask("schedule");
    await pause(WARM_MS);
    const played = await playFaults(scene, options);
    const tally = await settle(stage);
    const engine = await openEngine(address);
    for (const member of stage.all.toReversed()) await stage.close(member);
    const findings = await audit(folder, engine, SLOTS, new Set(tally.awaited));
    await engine.close({ timeoutMs: 5_000 });
    const problems = [
      ...played.problems,
      ...stage.surprises,
      ...tally.wrong,
      ...findings.violations.map(({ rule, message }) => `${rule}: ${message}`),
    ];
    if (problems.length === 0) rmSync(folder, { recursive: true, force: true });
    return { ...played, findings, problems, folder };
  } finally {
    stage.killAll();
    await engines.stop();
    disk?.remove();
  }
}

async function playFaults(
  scene: Scene,
  { seed, seconds, only, say }: RoundOptions,
): Promise<Pick<Round, "seconds" | "faults" | "recoveryMs" | "problems">> {
  const random = new Random(seed, "faults");
  const plays = faultsFor(scene);
  const names = [...plays.keys()].filter((name) => name.includes(only));
  const faults: Record<string, number> = {};
  const recoveryMs: Record<string, number[]> = {};
  const problems: string[] = [];
  const begunAt = clock();
  const time = new Standstill();
  for (const name of drawn(names, random)) {
    if (clock() - begunAt > seconds * 1_000) break;
    const at = scene.stage.recorder.write({ type: "fault", what: name });
    faults[name] = (faults[name] ?? 0) + 1;
    const times = recoveryMs[name] ?? [];
    recoveryMs[name] = times;
    const took = await playOne(scene, time, plays.get(name), random.fork(`${name} ${faults[name]}`));
    if (took < RECOVER_MS) times.push(took);
    else problems.push(`NOT_RECOVERED: no task succeeds ${RECOVER_MS} ms after ${name}`);
    say(`${((at - begunAt) / 1_000).toFixed(1)} s  ${name}: recovered in ${took.toFixed(0)} ms`);
    await pause(random.between(200, 1_500));
  }
  time.end();
  return { seconds: (clock() - begunAt) / 1_000, faults, recoveryMs, problems };
}

/** Plays a fault and answers how long it took until a task that was submitted after it had its result. */
async function playOne(
  scene: Scene,
  time: Standstill,
  play: Play | undefined,
  random: Random,
): Promise<number> {
  const recoveries: Promise<number>[] = [];
  const hurt = (): void => {
    if (recoveries.length === 0) recoveries.push(recovery(scene.stage, time));
  };
  await play?.(scene, random, hurt);
  hurt();
  return Math.max(...(await Promise.all(recoveries)));
}

/** How long it takes until a task that is submitted now has succeeded; `RECOVER_MS` when that is too long. */
async function recovery(stage: Stage, time: Standstill): Promise<number> {
  const begunAt = time.now;
  const probing = stage.client.process.ask("probe").then(() => true);
  while (!(await Promise.race([probing, pause(LOOK_MS, false, UNHELD)])))
    if (time.now - begunAt > RECOVER_MS) return RECOVER_MS;
  return time.now - begunAt;
}

async function settle(stage: Stage): Promise<Tally> {
  return await stage.client.process.ask<Tally>("settle", SETTLE_MS);
}

function smallDisk({ say }: RoundOptions): SmallDisk | null {
  try {
    return mountSmallDisk(DISK_MIB);
  } catch (error) {
    if (!(error instanceof ServerMissing)) throw error;
    say(`No disk is filled: ${error.message}`);
    return null;
  }
}
