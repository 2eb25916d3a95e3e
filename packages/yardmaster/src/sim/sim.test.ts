import { describe, expect, it } from "vitest";
import {
  acceptingStaleEpochs,
  acknowledgingAtOnce,
  denyingClients,
  forgettingEnds,
  losingSubmissions,
} from "../../test/planted-engines.ts";
import { PLANS, textOf } from "../../test/regressions/plans.ts";
import { allCells } from "./coverage.ts";
import { drawFaults, NO_FAULTS } from "./fault-plan.ts";
import { FEATURES } from "./features.ts";
import { Random } from "./random.ts";
import { planOf, type RunPlan, readPlan, writePlan } from "./run-plan.ts";
import { type RunOptions, type RunReport, runSeed } from "./scenario.ts";
import { shrink } from "./shrink.ts";

describe("a simulated yard", () => {
  it("does everything that it is asked for when nothing fails", async () => {
    const { violations, points } = await runSeed(1, { faults: NO_FAULTS });
    expect(violations).toEqual([]);
    expect(points.get("dispatcher engine.commit after")?.passed).toBeGreaterThan(20);
    expect([...points.values()].every(({ crashed }) => crashed === 0)).toBe(true);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])("keeps its promises under the faults of seed %i", async (seed) => {
    expect((await runSeed(seed)).violations).toEqual([]);
  });

  it.each(PLANS)("does not fail again under the plan of: $wrong", async ({ plan: name }) => {
    const plan = readPlan(textOf(name));
    expect((await runSeed(plan.seed, { plan })).violations).toEqual([]);
  });

  it.each([
    [
      "a worker that was cut off started what it had been given before it was lost",
      [11_057, 12_493, 15_579, 15_610],
    ],
    ["a worker whose mailbox had lost the word that an attempt counts no more started it", [22_175]],
    ["the simulated presence outlived its engine", [25_159]],
    ["a handle of a task that the engine had lost waited for ever", [99, 125, 299]],
    ["an attempt that was handed back used up one of the task's", [15_265]],
    [
      "a cancel of what had ended counted as one, or a worker was frozen after all was healed",
      [2_043, 3_028],
    ],
    ["a pause took effect after another client had resumed the queue", [8_172]],
    ["a client gave up on what had just been given back", [3_941]],
    ["a second attempt that went on counted as another start of its rate", [12_121]],
  ])("does not fail again as it did: %s", async (_, seeds) => {
    // Which came later.
    const faults = { withholdChance: 0 };
    for (const seed of seeds)
      expect((await runSeed(seed, { faults })).violations, `seed ${seed}`).toEqual([]);
  });

  it("waits longer for what one slot ends one after another", async () => {
    for (const seed of [17_693, 71_147]) expect((await runSeed(seed)).violations, `seed ${seed}`).toEqual([]);
  });

  it("does not start a schedule again by a copy of its declaration that was withheld beyond its removal", async () => {
    expect((await runSeed(6_677)).violations).toEqual([]);
  });

  it("keeps them on servers that lose connections and mailboxes, forget commits and are full", async () => {
    const times = [3_000, 8_000, 14_000, 20_000];
    const lines: string[] = [];
    const faults = {
      ...NO_FAULTS,
      healAt: 25_000,
      split: true,
      presenceProves: false,
      disconnections: times.map((at, place) => ({ place, at, forMs: 400 * (place + 1) })),
      restarts: [6_000, 16_000],
      full: [{ from: 9_000, to: 13_000 }],
      forgetChance: 0.02,
    };
    const reports = await runSeeds(4, { faults, print: (line) => lines.push(line) });
    expect(reports.flatMap(({ violations }) => violations)).toEqual([]);
    expect(lines.filter((line) => line.includes("broker restarts"))).toHaveLength(8);
    expect(lines.some((line) => line.includes("disconnect"))).toBe(true);
  });

  it("keeps what an engine that loses its last moments had before, and what consumers keep to themselves", async () => {
    const lines: string[] = [];
    const print = (line: string): void => void lines.push(line);
    const losing = { ...NO_FAULTS, healAt: 6_000, presenceProves: false, loss: { at: 3_000, lastMs: 1_000 } };
    const keeping = { ...NO_FAULTS, healAt: 10_000, split: true, withholdChance: 0.1 };
    const reports = [
      ...(await runSeeds(4, { faults: losing, print })),
      ...(await runSeeds(4, { faults: keeping, print })),
    ];
    expect(reports.flatMap(({ violations }) => violations)).toEqual([]);
    expect(lines.filter((line) => line.includes("engine lost its last moments"))).toHaveLength(4);
    expect(lines.some((line) => line.includes("withheld"))).toBe(true);
  });

  it("takes the same course again from the same seed, and another from another", async () => {
    const hash = await seedHash(42);
    expect(await seedHash(42)).toBe(hash);
    expect(await seedHash(43)).not.toBe(hash);
  });

  it("takes the course that its trace tells", async () => {
    const lines: string[] = [];
    const told = await runSeed(42, { print: (line) => lines.push(line) });
    expect(told.hash).toBe(await seedHash(42));
    expect(lines.some((line) => line.includes("assign"))).toBe(true);
  });

  it("draws every feature and situation, and not all of them at once", () => {
    const plans = Array.from({ length: 120 }, (_, seed) => planOf(seed));
    expect(new Set(plans.flatMap(({ workload }) => workload.features)).size).toBe(FEATURES.length);
    expect(new Set(plans.map(({ situation }) => situation)).size).toBe(6);
    expect(plans.every(({ workload }) => workload.features.length < FEATURES.length)).toBe(true);
  });

  it("freezes nobody after all was healed", () => {
    for (let seed = 0; seed < 400; seed++) {
      const { pauses, healAt } = planOf(seed).faults;
      expect(Math.max(0, ...pauses.map(({ at }) => at)), `seed ${seed}`).toBeLessThanOrEqual(healAt);
    }
  });

  it("lets an owner sleep through twenty leases, and wakes it while things still fail", () => {
    const sleeps = Array.from({ length: 400 }, (_, seed) => planOf(seed)).flatMap(({ faults, workload }) => {
      const { dispatchers, workers, clients } = workload;
      const isOwners = (place: number): boolean => place % (dispatchers + workers + clients) < dispatchers;
      return faults.pauses
        .filter(({ place }) => isOwners(place))
        .map(({ at, forMs }) => Math.min(forMs, faults.healAt - at));
    });
    expect(Math.max(...sleeps)).toBeGreaterThanOrEqual(20 * 15_000);
  });

  it("takes the same course from a plan that was written down", async () => {
    const plan = readPlan(writePlan(planOf(42)));
    expect((await runSeed(42, { plan })).hash).toBe(await seedHash(42));
  });

  it("counts the cells that its tasks come through", async () => {
    const faults = { ...NO_FAULTS, healAt: 20_000, duplicateChance: 0.2 };
    const { cells } = await runSeed(1, { faults });
    expect(cells.get("frame duplicated | held | succeeded")).toBeGreaterThan(0);
    expect([...cells.keys()].every((cell) => allCells().includes(cell))).toBe(true);
  });

  it("counts what met no single call: outages, late notices, blindness, wrong clocks, slow and overtaken frames", async () => {
    const faults = {
      ...NO_FAULTS,
      healAt: 20_000,
      crashChance: 0.003,
      outages: [{ of: "store", from: 2_000, to: 4_000 }] as const,
      spikeChance: 0.05,
      spikeMs: 3_000,
      lateNoticeChance: 1,
      presenceIsBlind: true,
      wallSkewMs: 300_000,
      driftRate: 0.001,
      reorderChance: 0.2,
    };
    const reports = await runSeeds(4, { faults });
    expect(reports.flatMap(({ violations }) => violations)).toEqual([]);
    const met = new Set(
      reports.flatMap(({ cells }) => [...cells.keys()].map((cell) => cell.split(" | ")[0])),
    );
    const kinds = ["outage", "call slow", "late notice", "absence unseen", "clock off", "clock drifting"];
    for (const kind of [...kinds, "frame reordered"]) expect(met).toContain(kind);
  });

  it("shrinks to the tasks and faults without which a promise holds", async () => {
    const faults = { ...NO_FAULTS, healAt: 1_000, duplicateChance: 0.2 };
    const breaks = async (plan: RunPlan): Promise<boolean> => {
      const { violations } = await runSeed(3, { plan, plant: losingSubmissions });
      return violations.some(({ rule }) => rule === "ACKNOWLEDGED_LOST");
    };
    const small = await shrink(planOf(3, { faults, workload: { schedules: [] } }), breaks);
    expect(small.workload.tasks).toHaveLength(1);
    expect(small.faults.duplicateChance).toBe(0);
  });

  it("draws every kind of fault", () => {
    const plans = Array.from({ length: 400 }, (_, seed) => drawFaults(new Random(seed, "plan"), 2));
    for (const name of Object.keys(NO_FAULTS) as (keyof typeof NO_FAULTS)[]) {
      const drawn = new Set(plans.map((plan) => JSON.stringify(plan[name])));
      expect([name, drawn.size]).not.toEqual([name, 1]);
    }
  });
});

/** Each of these broke once. */
describe("a simulated yard that once went wrong", () => {
  it("does not deny tasks that are confirmed and still wait for a dispatcher to come", async () => {
    const crashes = [{ point: "client broker.send after", nth: 4 }];
    const pauses = [0, 1].map((place) => ({ place, at: 0.1, forMs: 25_000 }));
    const faults = { ...NO_FAULTS, healAt: 25_000, crashes, pauses };
    const reports = await runSeeds(5, { faults, workload: { dispatchers: 2 } });
    expect(reports.flatMap(({ violations }) => violations)).toEqual([]);
    expect(reports.every(({ points }) => points.get("client broker.send after")?.crashed === 1)).toBe(true);
  });

  it("hears answers again after its mailbox was swept away under a living client", async () => {
    const queues = [{ at: 14_000, forMs: 1_000, queue: "shaped" as const }];
    const options = { faults: NO_FAULTS, workload: { queues }, plant: denyingClients };
    const reports = await runSeeds(3, options);
    expect(reports.flatMap(({ violations }) => violations)).toEqual([]);
    expect(reports.every(({ points }) => points.has("dispatcher broker.remove after"))).toBe(true);
  });
});

describe("the checks notice", () => {
  it("a broker that confirms submissions and loses them", async () => {
    const faults = { ...NO_FAULTS, healAt: 1_000 };
    expect(await rulesBroken({ faults, plant: losingSubmissions })).toContain("ACKNOWLEDGED_LOST");
  });

  it("a broker that acknowledges frames before they are committed", async () => {
    const faults = { ...NO_FAULTS, healAt: 20_000, crashChance: 0.01 };
    const workload = { dispatchers: 2 };
    expect(await rulesBroken({ faults, workload, plant: acknowledgingAtOnce }, 10)).toContain(
      "ACKNOWLEDGED_LOST",
    );
    expect(await rulesBroken({ faults, workload })).toEqual([]);
  });

  it("a store that takes the commits of an owner that was replaced", async () => {
    const closes = [1, 2, 3, 4, 5, 6].map((turn) => ({ place: turn % 2, at: turn * 3_000, forMs: 0 }));
    const faults = { ...NO_FAULTS, healAt: 20_000, lateChance: 0.1, closes };
    const workload = { dispatchers: 2, shards: 2 };
    // Seen by one seed in four.
    expect(await rulesBroken({ faults, workload, plant: acceptingStaleEpochs }, 20)).toContain("STALE_EPOCH");
    expect(await rulesBroken({ faults, workload })).toEqual([]);
  });

  it("an engine that loses more than it says", async () => {
    const faults = { ...NO_FAULTS, healAt: 6_000, presenceProves: false, loss: { at: 4_000, lastMs: 2_500 } };
    expect(await rulesBroken({ faults })).toContain("LOST_TOO_MUCH");
  });

  it("a store that forgets how tasks ended", async () => {
    expect(await rulesBroken({ faults: NO_FAULTS, plant: forgettingEnds })).toContain("STORE_DISAGREES");
  });
});

async function seedHash(seed: number): Promise<number> {
  return (await runSeed(seed)).hash;
}

async function runSeeds(count: number, options: RunOptions): Promise<RunReport[]> {
  const reports: RunReport[] = [];
  for (let seed = 1; seed <= count; seed++) reports.push(await runSeed(seed, options));
  return reports;
}

async function rulesBroken(options: RunOptions, seeds = 5): Promise<string[]> {
  const reports = await runSeeds(seeds, options);
  return [...new Set(reports.flatMap(({ violations }) => violations.map(({ rule }) => rule)))];
}
