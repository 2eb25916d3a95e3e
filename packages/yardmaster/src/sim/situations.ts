import type { DefinitionPlan } from "./definition-plan.ts";
import type { FaultPlan } from "./fault-plan.ts";
import type { Random } from "./random.ts";
import type { TaskPlan } from "./task-plan.ts";
import type { Workload } from "./workload.ts";

/** What a seed is turned towards: a meeting of tasks and faults that chance alone seldom makes. */
export interface Situation {
  readonly name: SituationName;
  readonly workload: (drawn: Workload) => Workload;
  readonly faults: (drawn: FaultPlan, workload: Workload) => FaultPlan;
}

type SituationName = (typeof NAMES)[number] | "expiry" | "cutOffGathering";

const NAMES = ["misjudgedExpiry", "lateSuccess", "lostAssignments"] as const;

/** So many seeds are turned towards a situation; the others stay as they were drawn. */
const TURNED = 0.4;
/** And so many towards tasks that expire under whatever else was drawn. */
const EXPIRING = 0.08;
/** And so many towards batches whose worker is out of sight before it knows. */
const GATHERING = 0.04;

type Turn = Omit<Situation, "name">;

const SITUATIONS: { readonly [N in SituationName]: (random: Random) => Turn } = {
  misjudgedExpiry,
  lateSuccess,
  lostAssignments,
  expiry,
  cutOffGathering,
};

export function drawSituation(random: Random): Situation | null {
  const own = random.fork("expiry");
  if (own.chance(EXPIRING)) return { name: "expiry", ...expiry(own) };
  const gathering = random.fork("gathering");
  if (gathering.chance(GATHERING)) return { name: "cutOffGathering", ...cutOffGathering(gathering) };
  if (!random.chance(TURNED)) return null;
  const name = random.pick(NAMES);
  return { name, ...SITUATIONS[name](random) };
}

/** Workers whose clocks are ahead lose sight of the engine, hand back what seems to have expired, and say so twice. */
function misjudgedExpiry(random: Random): Turn {
  const absences = Array.from({ length: random.integer(6, 9) }, (_, turn) => ({
    turn,
    at: random.between(500, 1_500) + turn * 900,
    forMs: random.between(1_100, 1_700),
  }));
  return {
    workload: (drawn) => ({
      ...drawn,
      workers: 2,
      slots: random.integer(1, 2),
      shards: 1,
      tasks: drawn.tasks.map((task) =>
        changed(task, {
          submitAt: task.submitAt * 0.1,
          delayMs: 0,
          expiresInMs: random.integer(15_000, 40_000),
          cancelAfterMs: null,
          attempts: random.integer(2, 5),
          handler: { ...task.handler, runMs: random.between(100, 900), failures: 0 },
        }),
      ),
    }),
    faults: (drawn, { dispatchers, workers }) => ({
      ...drawn,
      healAt: Math.max(drawn.healAt, 12_000),
      crashes: [],
      crashChance: 0,
      pauses: [],
      wallSkewMs: 0,
      workersAheadMs: 60_000,
      duplicateChance: random.pick([0.1, 0.3, 0.5]),
      presenceProves: false,
      disconnections: absences.map(({ turn, at, forMs }) => ({
        place: dispatchers + (turn % workers),
        at,
        forMs,
      })),
    }),
  };
}

/**
 * Tasks that expire before they are due, or in the hands of a worker that stands still, while calls fail in every way:
 * what has been tried never expires, so that chance alone seldom makes one of these.
 */
function expiry(random: Random): Turn {
  const silences = Array.from({ length: 5 }, (_, turn) => ({
    turn,
    at: random.between(500, 2_000) + turn * 3_000,
    forMs: random.between(4_000, 8_000),
  }));
  return {
    workload: (drawn) => ({
      ...drawn,
      tasks: drawn.tasks.map((task) =>
        changed(task, {
          submitAt: task.submitAt * 0.5,
          delayMs: random.chance(0.4) ? random.integer(2_000, 20_000) : 0,
          expiresInMs: random.integer(500, 8_000),
          collapse: null,
          cancelAfterMs: random.chance(0.2) ? random.between(500, 8_000) : null,
        }),
      ),
    }),
    faults: (drawn, { dispatchers, workers }) => ({
      ...drawn,
      healAt: Math.max(drawn.healAt, 20_000),
      crashChance: Math.max(drawn.crashChance, 0.001),
      pauses: [
        ...drawn.pauses,
        ...silences.map(({ turn, at, forMs }) => ({ place: dispatchers + (turn % workers), at, forMs })),
        // An owner and a client as well, in the midst of it.
        ...[0, -1].map((place) => ({ place, at: random.between(3_000, 12_000), forMs: 2_000 })),
      ],
      errorChance: Math.max(drawn.errorChance, 0.02),
      lateChance: Math.max(drawn.lateChance, 0.01),
      absentLieChance: Math.max(drawn.absentLieChance, 0.1),
      goneLieChance: Math.max(drawn.goneLieChance, 0.3),
      forgetChance: Math.max(drawn.forgetChance, 0.01),
      withholdChance: drawn.split ? 0.02 : 0,
      full: [4_000, 9_000, 14_000].map((from) => ({ from, to: from + 1_500 })),
      workersAheadMs: random.pick([10_000, 30_000]),
    }),
  };
}

/** Workers that fall silent with work in hand and finish it after it was given to others, or cancelled meanwhile. */
function lateSuccess(random: Random): Turn {
  const silences = Array.from({ length: random.integer(2, 4) }, (_, turn) => ({
    turn,
    at: random.between(500, 4_000) + turn * 6_000,
    forMs: random.between(9_000, 16_000),
  }));
  const batch = random.chance(0.4) ? { size: 5, withinMs: random.pick([1_000, 3_000]) } : null;
  const gathered = (definition: DefinitionPlan): DefinitionPlan =>
    batch === null ? definition : { ...definition, label: `${definition.label}.gathered`, batch };
  return {
    workload: (drawn) => ({
      ...drawn,
      workers: random.integer(2, 3),
      slots: random.integer(1, 4),
      tasks: drawn.tasks.map((task) =>
        changed(task, {
          definition: gathered(task.definition),
          submitAt: task.submitAt * 0.2,
          delayMs: 0,
          expiresInMs: 0,
          kind: "usual",
          attempts: random.integer(2, 5),
          timeoutMs: random.pick([0, 0, task.timeoutMs]),
          cancelAfterMs: random.chance(0.5) ? random.between(8_000, 24_000) : null,
          handler: { ...task.handler, runMs: random.between(1_000, 9_000), failures: 0, heedsSignal: false },
        }),
      ),
    }),
    faults: (drawn, { dispatchers, workers }) => ({
      ...drawn,
      // All of them begin before: what is frozen wakes when all heals.
      healAt: Math.max(drawn.healAt, 22_000),
      crashes: [],
      crashChance: 0,
      pauses: silences.map(({ turn, at, forMs }) => ({ place: dispatchers + (turn % workers), at, forMs })),
    }),
  };
}

/** Workers that gather batches while they stand still and count as absent, and go on before they know. */
function cutOffGathering(random: Random): Turn {
  const absences = Array.from({ length: 5 }, (_, turn) => ({
    turn,
    at: random.between(1_500, 3_500) + turn * 4_000,
    forMs: random.between(1_000, 3_000),
  }));
  const batch = { size: 5, withinMs: 3_000 };
  return {
    workload: (drawn) => ({
      ...drawn,
      workers: random.integer(1, 2),
      slots: 5,
      tasks: drawn.tasks.map((task) =>
        changed(task, {
          definition: { ...task.definition, label: `${task.definition.label}.gathered`, batch },
          submitAt: random.below(18_000),
          delayMs: 0,
          expiresInMs: 0,
          kind: "usual",
          timeoutMs: 60_000,
          cancelAfterMs: random.chance(0.7) ? random.between(1_000, 5_000) : null,
          handler: { ...task.handler, runMs: random.between(100, 900) },
        }),
      ),
    }),
    faults: (drawn, { dispatchers, workers }) => {
      const places = absences.map(({ turn, ...rest }) => ({
        place: dispatchers + (turn % workers),
        ...rest,
      }));
      return {
        ...drawn,
        healAt: Math.max(drawn.healAt, 24_000),
        crashes: [],
        crashChance: 0,
        presenceIsBlind: false,
        presenceProves: false,
        pauses: places,
        disconnections: places.map((one) => ({
          ...one,
          forMs: one.forMs + 500,
          heardAfterMs: one.forMs + 500,
        })),
      };
    },
  };
}

/** Tasks that take each other's place and are tried again, while what tells workers of them is lost. */
function lostAssignments(random: Random): Turn {
  return {
    workload: (drawn) => ({
      ...drawn,
      shards: 1,
      workers: random.integer(1, 2),
      slots: random.integer(1, 2),
      tasks: drawn.tasks.map((task, _, [first = task]) =>
        changed(task, {
          definition: first.definition,
          queue: first.queue,
          kind: "usual",
          submitAt: random.below(5_000),
          delayMs: 0,
          expiresInMs: 0,
          timeoutMs: 60_000,
          attempts: 5,
          cancelAfterMs: null,
          collapse: { how: "replace", key: `replace-${random.integer(0, 2)}`, ms: 0, maxWaitMs: 0 },
          handler: {
            ...task.handler,
            runMs: random.between(50, 600),
            failures: random.integer(1, 3),
            failure: "retryIn",
          },
        }),
      ),
    }),
    faults: (drawn) => ({
      ...drawn,
      healAt: Math.max(drawn.healAt, 12_000),
      crashes: [],
      crashChance: 0,
      dropChance: random.pick([0.1, 0.2, 0.4]),
    }),
  };
}

function changed(task: TaskPlan, changes: Partial<TaskPlan>): TaskPlan {
  return { ...task, ...(task.key === null ? changes : { submitAt: changes.submitAt ?? task.submitAt }) };
}
