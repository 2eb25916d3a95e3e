import type { Measure } from "./measure.ts";
import type { Replay } from "./replay.ts";
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

/** What decided when a trace was written. */
export const RECORDED: Policy = { ...BASELINE, name: "as recorded", order: null, placement: null };

/** Runs a scenario under each of its policies, the baseline first. */
export function* compare(scenario: Scenario): Generator<Measure> {
  const isBaseline = ({ order, placement, concurrency, speculative = false }: Policy): boolean =>
    order === BASELINE.order && placement === BASELINE.placement && concurrency === 0 && !speculative;
  const others = scenario.policies.filter((policy) => !isBaseline(policy));
  for (const policy of [BASELINE, ...others]) yield new LabRun(scenario, policy).run();
}

/** Replays a trace as it was recorded, and then under each other policy. */
export function* replayed({ scenario, source }: Replay): Generator<Measure> {
  for (const policy of [RECORDED, ...scenario.policies]) yield new LabRun(scenario, policy, source()).run();
}
