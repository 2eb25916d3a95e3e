import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ORDERS, PLACEMENTS } from "../protocol/task.ts";
import { BASELINE } from "./laboratory.ts";
import type { Figures } from "./measure.ts";
import { LabRun } from "./run.ts";
import { type Policy, readScenario, type Scenario } from "./scenario.ts";

/*
 * A policy is shipped only if it beats random placement and plain first come, first served on the measure that it is
 * made for: here each of them is held against both, on the same arrivals, over several courses of chance. What an order
 * is worth is measured under random placement, and what a placement is worth first come, first served.
 */

const SEEDS = [11, 12, 13, 14, 15, 16];
/** Student's t for 5 degrees of freedom, 95 %. */
const T = 2.571;

/** What is better where it is smaller. */
const MEASURES = {
  missed: ({ deadlineMisses }: Figures) => deadlineMisses ?? Number.NaN,
  "median wait": ({ waitMs }: Figures) => waitMs.p50,
  "mean wait": ({ waitMs }: Figures) => waitMs.mean,
  "mean slowdown": ({ slowdown }: Figures) => slowdown.mean,
} as const;

interface Trial {
  readonly policy: Pick<Policy, "order" | "placement"> & Partial<Policy>;
  readonly scenario: string;
  readonly seconds: number;
  readonly measure: keyof typeof MEASURES;
}

function order(name: Policy["order"], on: Omit<Trial, "policy">, agingMs = 10_000): Trial {
  return { policy: { order: name, placement: "random", agingMs }, ...on };
}

function placement(name: Policy["placement"], on: Omit<Trial, "policy">): Trial {
  return { policy: { order: "fifo", placement: name }, ...on };
}

const TRIALS: readonly Trial[] = [
  order("lifo", { scenario: "stale-work", seconds: 300, measure: "missed" }),
  order("priority", { scenario: "diurnal", seconds: 600, measure: "missed" }, 2_000),
  order("fair", { scenario: "bursty-tenants", seconds: 600, measure: "median wait" }),
  order("deadline", { scenario: "diurnal", seconds: 600, measure: "missed" }),
  order("shortest", { scenario: "heavy-tails", seconds: 200, measure: "mean slowdown" }),
  placement("two-choices", { scenario: "one-thread", seconds: 60, measure: "mean wait" }),
  placement("least-loaded", { scenario: "one-thread", seconds: 60, measure: "mean wait" }),
  placement("idle-first", { scenario: "one-thread", seconds: 60, measure: "mean wait" }),
  placement("sticky", { scenario: "warm-caches", seconds: 120, measure: "mean slowdown" }),
  placement("spread", { scenario: "unequal-machines", seconds: 60, measure: "mean wait" }),
  placement("pack", { scenario: "large-and-small", seconds: 200, measure: "mean wait" }),
];

/** What they are all held against, and the one that needs graphs: see `kernel-paths.test.ts`. */
const ELSEWHERE: readonly string[] = ["fifo", "random", "critical-path"];

const FOLDER = join(import.meta.dirname, "../../../../examples/scenarios");

/** A shorter time of a scenario, with waves that fit into it. */
function shortened({ scenario, seconds }: Pick<Trial, "scenario" | "seconds">, seed: number): Scenario {
  const whole = readScenario(readFileSync(join(FOLDER, `${scenario}.yaml`), "utf8"));
  const forMs = seconds * 1_000;
  const tasks = whole.tasks.map((task) =>
    task.arrivals.type === "poisson"
      ? { ...task, arrivals: { ...task.arrivals, periodMs: forMs / 2 } }
      : task,
  );
  return { ...whole, seed, forMs, tasks };
}

describe("a policy that is shipped", () => {
  it("is tried on its own measure, each of them", () => {
    const tried = TRIALS.map(({ policy }) => (policy.order === "fifo" ? policy.placement : policy.order));
    expect([...tried, ...ELSEWHERE].sort()).toEqual([...ORDERS, ...PLACEMENTS].sort());
  });

  it.each(TRIALS.map((trial) => [trial.policy.order, trial.policy.placement, trial.measure, trial] as const))(
    "%s with %s placement has a smaller %s than first come, first served at random",
    (_order, _placement, measure, trial) => {
      const read = MEASURES[measure];
      const saved = SEEDS.map((seed) => {
        const scenario = shortened(trial, seed);
        const valueUnder = (policy: Policy): number => read(new LabRun(scenario, policy).run().figures);
        const before = valueUnder(BASELINE);
        return (before - valueUnder({ ...BASELINE, ...trial.policy, name: "tried" })) / before;
      });
      // A saving that nobody would notice is none.
      expect(leastOf(saved)).toBeGreaterThan(0.1);
    },
  );
});

describe("second attempts beside a straggler", () => {
  it("shorten the longest times to the end, for little that is done in vain and hardly more slots in use", () => {
    const trials = SEEDS.map((seed) => {
      const scenario = shortened({ scenario: "stragglers", seconds: 120 }, seed);
      const [alone, joined] = [false, true].map((speculative) => {
        const policy: Policy = { ...BASELINE, placement: "two-choices", speculative };
        return new LabRun(scenario, policy).run().figures;
      });
      if (alone === undefined || joined === undefined) throw new RangeError("Both have run.");
      return { alone, joined };
    });
    const saved = trials.map(({ alone, joined }) => (alone.endMs.p99 - joined.endMs.p99) / alone.endMs.p99);
    expect(leastOf(saved)).toBeGreaterThan(0.3);
    for (const { alone, joined } of trials) {
      expect(joined.tasks).toBe(alone.tasks);
      expect(joined.lost).toBeGreaterThan(0);
      expect(joined.lost).toBeLessThan(0.1);
      expect(joined.utilisation + joined.lost).toBeLessThan(1.1 * alone.utilisation);
    }
  });
});

/** The lower end of the 95 % interval of the mean. */
function leastOf(saved: readonly number[]): number {
  const mean = saved.reduce((sum, one) => sum + one) / saved.length;
  const variance = saved.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (saved.length - 1);
  return mean - T * Math.sqrt(variance / saved.length);
}
