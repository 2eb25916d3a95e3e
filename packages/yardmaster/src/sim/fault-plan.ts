import { type Aim, type CrashTarget, drawAim } from "./crash-points.ts";
import type { Random } from "./random.ts";

/** Which faults one run meets, drawn from its seed. Times are virtual milliseconds from the start of the run. */
export interface FaultPlan {
  /** From here on nothing fails any more. */
  readonly healAt: number;
  /** Whether broker and store commit apart, as two engines do. */
  readonly split: boolean;
  /** Whether the engine says that it is a server, for which frames and ticks are smaller. */
  readonly commitsAside: boolean;
  readonly crashes: readonly CrashTarget[];
  /** The chance of a crash at any crash point. */
  readonly crashChance: number;
  /** The chance that a call fails, applied or not; and that it is applied long after it failed. */
  readonly errorChance: number;
  readonly lateChance: number;
  /** When a whole service does not answer. */
  readonly outages: readonly Outage[];
  readonly latencyMs: number;
  readonly spikeChance: number;
  readonly spikeMs: number;
  /** The chance that a frame in a transient mailbox is lost, or that any frame is delivered again. */
  readonly dropChance: number;
  readonly duplicateChance: number;
  /** The chance that what a sender has in a transient mailbox is overtaken by what others send. */
  readonly reorderChance: number;
  /** The chance that a receiver loses its channel, which brings back what it has not acknowledged. */
  readonly reopenChance: number;
  /** The chance that a living process is reported absent. */
  readonly absentLieChance: number;
  /** Whether the engine notices at all that a process is gone. */
  readonly presenceIsBlind: boolean;
  readonly pauses: readonly Disturbance[];
  readonly closes: readonly Disturbance[];
  /** Each process's wall clock is off by up to this much. */
  readonly wallSkewMs: number;
  /** So much the workers' wall clocks are ahead beside that. */
  readonly workersAheadMs: number;
  /** Each process's wall clock goes faster or slower by up to this part. */
  readonly driftRate: number;
  /** When a process's wall clock is set forward or back, by `byMs`. */
  readonly clockJumps: readonly ClockJump[];
  /** The chance that the engine notices a crash late, so that what was fetched comes back minutes later. */
  readonly lateNoticeChance: number;
  /** The chance that a send to a mailbox that is gone is confirmed. */
  readonly goneLieChance: number;
  /** Whether absence proves a death; where it does not, processes lose their presence with a connection. */
  readonly presenceProves: boolean;
  readonly disconnections: readonly Disconnection[];
  /** When the broker starts again without its transient mailboxes and without knowing who was present. */
  readonly restarts: readonly number[];
  /** When the store has no room for new records. */
  readonly full: readonly Span[];
  /** The chance that the store forgets a commit that only checked the fence, as one does that starts again. */
  readonly forgetChance: number;
  /** When one engine that is both starts again, without what it was told in its last moments. */
  readonly loss: Loss | null;
  /** The chance that a consumer keeps a frame that it has fetched for minutes, and then gives it back. */
  readonly withholdChance: number;
}

interface Loss {
  readonly at: number;
  readonly lastMs: number;
}

interface Span {
  readonly from: number;
  readonly to: number;
}

interface Outage extends Span {
  readonly of: "broker" | "store";
}

/** Something done to the process in the given place (dispatchers first, then workers, then clients, modulo their number). */
interface Disturbance {
  readonly place: number;
  readonly at: number;
  readonly forMs: number;
}

interface Disconnection extends Disturbance {
  /** How much later the process itself learns of it, at most `forMs`: the other end may have noticed first. 0 by default. */
  readonly heardAfterMs?: number;
}

interface ClockJump {
  readonly place: number;
  readonly at: number;
  readonly byMs: number;
}

export const NO_FAULTS: FaultPlan = {
  healAt: 0,
  split: false,
  commitsAside: false,
  crashes: [],
  crashChance: 0,
  errorChance: 0,
  lateChance: 0,
  outages: [],
  latencyMs: 1,
  spikeChance: 0,
  spikeMs: 0,
  dropChance: 0,
  duplicateChance: 0,
  reorderChance: 0,
  reopenChance: 0,
  absentLieChance: 0,
  presenceIsBlind: false,
  pauses: [],
  closes: [],
  wallSkewMs: 0,
  workersAheadMs: 0,
  driftRate: 0,
  clockJumps: [],
  lateNoticeChance: 0,
  goneLieChance: 0,
  presenceProves: true,
  disconnections: [],
  restarts: [],
  full: [],
  forgetChance: 0,
  loss: null,
  withholdChance: 0,
};

const LEASE_MS = 15_000;
const LONG_PAUSE_MS = 5 * LEASE_MS;
/** So long things still fail when the last long sleep is over. */
const AWAKE_MS = 2_000;

/** What an engine may lose at most, by its own word. */
export const MAX_LOSS_MS = 1_000;

/** Leaves a mailbox that nobody reads any more. */
const EARLY_DEATH: CrashTarget = { point: "worker receiver.take after", nth: 2 };

/** A random subset of faults, each at a random strength (swarm testing, Groce et al., ISSTA 2012). */
export function drawFaults(random: Random, dispatchers: number): FaultPlan {
  const aims = Array.from({ length: random.pick([0, 1, 1, 2, 3]) }, () => drawAim(random));
  const waitsForDeath = aims.some(({ occasion }) => occasion === "afterDeath");
  const crashes = waitsForDeath ? [...aims, EARLY_DEATH] : aims;
  const healAt = waitsForDeath ? 40_000 : random.between(2_000, random.pick([6_000, 15_000, 35_000]));
  const some = (values: readonly [number, ...number[]]): number =>
    random.chance(0.35) ? random.pick(values) : 0;
  return {
    healAt,
    split: random.chance(0.5),
    commitsAside: random.fork("aside").chance(0.5),
    crashes,
    crashChance: some([0.0005, 0.002, 0.005]),
    errorChance: some([0.002, 0.01, 0.05]),
    lateChance: some([0.002, 0.01]),
    outages: drawOutages(random, healAt),
    latencyMs: random.pick([0.2, 1, 1, 5, 40]),
    spikeChance: some([0.001, 0.01, 0.05]),
    spikeMs: random.pick([300, 3_000, 3_000, 12_000, 12_000, 120_000]),
    dropChance: some([0.005, 0.02, 0.1]),
    duplicateChance: some([0.005, 0.02, 0.1]),
    reopenChance: some([0.005, 0.02]),
    absentLieChance: some([0.02, 0.2]),
    presenceIsBlind: random.chance(0.15),
    pauses: drawDisturbances(random, healAt, [
      3_000,
      0.5 * LEASE_MS,
      0.7 * LEASE_MS,
      1.5 * LEASE_MS,
      LONG_PAUSE_MS,
      20 * LEASE_MS,
    ]),
    closes: drawCloses(random, healAt, aims, dispatchers),
    wallSkewMs: some([50, 5_000, 300_000]),
    workersAheadMs: some([30_000, -30_000]),
    driftRate: some([0.0001, 0.001]),
    clockJumps: drawJumps(random, healAt),
    lateNoticeChance: some([0.3, 1]),
    goneLieChance: some([0.1, 0.5]),
    ...drawServerFaults(random, healAt),
    forgetChance: some([0.002, 0.01]),
    ...drawKindsOfEngine(random.fork("engine kinds"), healAt),
    reorderChance: drawReorder(random.fork("reorder")),
  };
}

/** Who sleeps for leases wakes while things still fail. Shorter pauses may end when all heals. */
export function sleptOut(faults: FaultPlan): FaultPlan {
  const ends = faults.pauses
    .filter(({ forMs }) => forMs >= LONG_PAUSE_MS)
    .map(({ at, forMs }) => at + forMs + AWAKE_MS);
  return { ...faults, healAt: Math.max(faults.healAt, ...ends) };
}

/** What only one kind of engine does: Redis with `appendfsync everysec`, or RabbitMQ beside a store. */
function drawKindsOfEngine(random: Random, healAt: number): Partial<FaultPlan> & Kinds {
  const loss = { at: random.between(1_000, healAt), lastMs: random.pick([10, 100, 500, MAX_LOSS_MS]) };
  const withholdChance = random.pick([0.005, 0.02, 0.1]);
  const kind = random.integer(1, 8);
  // Its connections are lost with it, so that nobody's absence proves anything.
  if (kind === 1) return { split: false, presenceProves: false, loss, withholdChance: 0 };
  if (kind === 2) return { split: true, loss: null, withholdChance };
  return { loss: null, withholdChance: 0 };
}

function drawReorder(random: Random): number {
  return random.chance(0.3) ? random.pick([0.01, 0.05, 0.2]) : 0;
}

type Kinds = Pick<FaultPlan, "loss" | "withholdChance">;

/** What only an engine does that is a server. */
function drawServerFaults(
  random: Random,
  healAt: number,
): Pick<FaultPlan, "presenceProves" | "disconnections" | "restarts" | "full"> {
  const presenceProves = random.chance(0.5);
  const disconnections = drawDisturbances(random, healAt, [20, 300, 800, 1_500, 6_000]);
  const restarts = random.chance(0.3) ? [random.below(healAt)] : [];
  const from = random.below(healAt);
  const to = Math.min(healAt, from + random.pick([500, 4_000, 20_000]));
  return {
    presenceProves,
    disconnections: presenceProves ? [] : disconnections,
    restarts: presenceProves ? [] : restarts,
    full: random.chance(0.2) ? [{ from, to }] : [],
  };
}

function drawJumps(random: Random, healAt: number): ClockJump[] {
  if (!random.chance(0.2)) return [];
  return Array.from({ length: random.integer(1, 3) }, () => ({
    place: random.integer(0, 99),
    at: random.below(healAt),
    byMs: random.pick([1_000, 60_000, 300_000]) * random.pick([1, -1]),
  }));
}

function drawOutages(random: Random, healAt: number): Outage[] {
  if (!random.chance(0.25)) return [];
  const from = random.below(healAt);
  const of = random.pick(["broker", "store"] as const);
  const to = Math.min(healAt, from + random.pick([500, 4_000, 12_000, 30_000]));
  return [{ of, from, to }];
}

function drawDisturbances(
  random: Random,
  healAt: number,
  lengths: readonly [number, ...number[]],
): Disturbance[] {
  if (!random.chance(0.3)) return [];
  return Array.from({ length: random.integer(1, 3) }, () => ({
    place: random.integer(0, 99),
    at: random.below(healAt),
    forMs: random.pick(lengths),
  }));
}

/** A crash while closing needs its process to close. */
function drawCloses(
  random: Random,
  healAt: number,
  aims: readonly Aim[],
  dispatchers: number,
): Disturbance[] {
  const aimed = aims.filter(({ occasion }) => occasion === "whileClosing");
  const places = { dispatcher: 0, worker: dispatchers, client: -1 };
  return [
    ...drawDisturbances(random, healAt, [0, 2_000]),
    ...aimed.map(({ role }) => ({
      place: places[role],
      at: random.between(0.2, 0.9) * healAt,
      forMs: random.pick([0, 2_000]),
    })),
  ];
}
