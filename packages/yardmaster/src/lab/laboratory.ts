import type { Measure } from "./measure.ts";
import { LabRun } from "./run.ts";
import type { Policy, Scenario } from "./scenario.ts";

/** What every other policy is held against. */
export const BASELINE: Policy = {
  name: "fifo, random",
  order: "fifo",
  placement: "random",
  agingMs: 10_000,
  concurrency: 0,
};

/** Runs a scenario under each of its policies, the baseline first. */
export function* compare(scenario: Scenario): Generator<Measure> {
  const isBaseline = ({ order, placement, concurrency }: Policy): boolean =>
    order === BASELINE.order && placement === BASELINE.placement && concurrency === 0;
  const others = scenario.policies.filter((policy) => !isBaseline(policy));
  for (const policy of [BASELINE, ...others]) yield new LabRun(scenario, policy).run();
}
