import fc from "fast-check";
import { type Ending, Endings } from "./judgement.ts";

/** Something that is fed with hostile cases. */
export interface Target {
  readonly what: string;
  /** Its part of its family's cases. */
  readonly weight: number;
  /** Runs so many cases from a seed; throws with the seed and the smallest failing case. */
  run(cases: number, seed: number): Promise<Endings>;
}

/** `attempt` answers how a case ended, and throws for a defect. */
export function target<Case>(
  what: string,
  weight: number,
  cases: fc.Arbitrary<Case>,
  attempt: (input: Case) => Ending | Promise<Ending>,
): Target {
  return {
    what,
    weight,
    async run(numRuns, seed) {
      const endings = new Endings();
      const property = fc.asyncProperty(cases, async (input) => {
        endings.add(await attempt(input));
      });
      await fc.assert(property, { numRuns, seed });
      return endings;
    },
  };
}

/** How many of the cases of a family a target gets. */
export function share(targets: readonly Target[], one: Target, cases: number): number {
  const sum = targets.reduce((total, { weight }) => total + weight, 0);
  return Math.max(1, Math.round((cases * one.weight) / sum));
}
