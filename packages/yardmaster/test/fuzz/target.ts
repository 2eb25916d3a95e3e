import fc from "fast-check";
import { type Ending, Endings, expectAllPristine } from "./judgement.ts";

/** Something that is fed with hostile cases. */
export interface Target {
  readonly what: string;
  /** How much of the cases that one of its family gets: of noise, a tenth shows as much. */
  readonly weight: number;
  /** Runs so many cases from a seed; throws with the seed and the smallest failing case. */
  run(cases: number, seed: number): Promise<Endings>;
}

/** `attempt` answers how a case ended, and throws for a defect. */
export function target<Case>(
  what: string,
  cases: fc.Arbitrary<Case>,
  attempt: (input: Case) => Ending | Promise<Ending>,
): Target {
  return {
    what,
    weight: 1,
    async run(numRuns, seed) {
      const endings = new Endings();
      const property = fc.asyncProperty(cases, async (input) => {
        endings.add(await attempt(input));
      });
      await fc.assert(property, { numRuns, seed });
      expectAllPristine();
      return endings;
    },
  };
}

/** What reads bytes and answers at once: a million of its cases must not wait for a million promises. */
export function decoder<Case>(
  what: string,
  weight: number,
  cases: fc.Arbitrary<Case>,
  attempt: (input: Case) => Ending,
): Target {
  return {
    what,
    weight,
    async run(numRuns, seed) {
      const endings = new Endings();
      const property = fc.property(cases, (input) => endings.add(attempt(input)));
      const path = firstFailure(property, { numRuns, seed });
      if (path !== null) fc.assert(property, { seed, path, endOnFailure: true });
      expectAllPristine();
      return endings;
    },
  };
}

/** Most cases end with an error that is caught, and half the time of a million would go into stacks that nobody reads. */
function firstFailure<Case>(
  property: fc.IProperty<[Case]>,
  parameters: { readonly numRuns: number; readonly seed: number },
): string | null {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return fc.check(property, parameters).counterexamplePath;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}
