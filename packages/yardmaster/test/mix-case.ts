import { ORDERS, PLACEMENTS } from "../src/protocol/task.ts";
import fc from "./property.ts";

/** What a case may be made of. At most seven values each, see `rowOf`. */
const FACTORS = {
  order: ORDERS as typeof ORDERS,
  placement: PLACEMENTS as typeof PLACEMENTS,
  limit: ["none", "queue", "definition", "key", "queue-rate", "definition-rate", "key-rate"],
  time: ["none", "delay", "run-at", "expiry", "deadline", "schedule", "retry"],
  dependency: ["none", "fail", "skip", "run-anyway", "graph", "graph-in-parts"],
  cancel: ["none", "waiting", "running", "awaited", "early", "ended"],
  failover: ["none", "before-workers", "at-work", "twice"],
} as const;

export type Factor = keyof typeof FACTORS;
export type Mix = { readonly [F in Factor]: (typeof FACTORS)[F][number] };

const FACTOR_NAMES = Object.keys(FACTORS) as readonly Factor[];
const LEVELS = 7;
/** The rows of the array below. */
export const ROWS: number = LEVELS * LEVELS;

/**
 * A row of the orthogonal array of strength two that the lines over the field of seven elements make (R. Bose, K. Bush,
 * "Orthogonal Arrays of Strength Two and Three", 1952): in its 49 rows, every pair of values of every two factors occurs.
 */
export function rowOf(row: number): Mix {
  const [x, y] = [row % LEVELS, Math.floor(row / LEVELS)];
  const level = (column: number): number => (column === 0 ? x : (y + (column - 1) * x) % LEVELS);
  const pick = <T>(values: readonly T[], column: number): T => {
    const value = values[level(column) % values.length];
    if (value === undefined) throw new Error("A factor has no values.");
    return value;
  };
  return {
    order: pick(FACTORS.order, 0),
    placement: pick(FACTORS.placement, 1),
    limit: pick(FACTORS.limit, 2),
    time: pick(FACTORS.time, 3),
    dependency: pick(FACTORS.dependency, 4),
    cancel: pick(FACTORS.cancel, 5),
    failover: pick(FACTORS.failover, 6),
  };
}

/** What is left to chance, whatever the mix. */
export const chance: fc.Arbitrary<Chance> = fc.record({
  seed: fc.nat(),
  workers: fc.array(
    fc.record({ credit: fc.integer({ min: 1, max: 2 }), cpu: fc.integer({ min: 1, max: 3 }) }),
    { minLength: 2, maxLength: 2 },
  ),
  tasks: fc.array(
    fc.record({
      name: fc.constantFrom("work", "play"),
      key: fc.constantFrom("a", "b"),
      priority: fc.nat(3),
      cpu: fc.constantFrom(0, 1),
      isTimed: fc.boolean(),
      isLinked: fc.boolean(),
    }),
    { minLength: 10, maxLength: 14 },
  ),
  rounds: fc.array(fc.record({ ms: fc.constantFrom(0, 1, 300, 700), ends: fc.nat(7) }), {
    minLength: 8,
    maxLength: 14,
  }),
});

export interface Chance {
  readonly seed: number;
  readonly workers: readonly { readonly credit: number; readonly cpu: number }[];
  readonly tasks: readonly Draft[];
  /** How long passes, and which workers end something before. */
  readonly rounds: readonly { readonly ms: number; readonly ends: number }[];
}

export interface Draft {
  readonly name: string;
  readonly key: string;
  readonly priority: number;
  readonly cpu: number;
  readonly isTimed: boolean;
  readonly isLinked: boolean;
}

/** How often each pair of values of two factors took effect in the same case. */
export class Pairs {
  readonly #counts = new Map<string, number>();

  constructor() {
    for (const [one, other] of pairsOf(FACTOR_NAMES))
      for (const value of FACTORS[one])
        for (const second of FACTORS[other]) this.#counts.set(nameOf(one, value, other, second), 0);
  }

  /** A case in which these factors took effect. */
  add(mix: Mix, effective: ReadonlySet<Factor>): void {
    for (const [one, other] of pairsOf(FACTOR_NAMES)) {
      if (!effective.has(one) || !effective.has(other)) continue;
      const name = nameOf(one, mix[one], other, mix[other]);
      this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    }
  }

  /** Those that occurred less often. */
  below(least: number): string[] {
    return [...this.#counts].flatMap(([name, count]) => (count < least ? [`${name}: ${count}`] : []));
  }

  get size(): number {
    return this.#counts.size;
  }
}

function nameOf(one: Factor, value: string, other: Factor, second: string): string {
  return `${one} ${value} with ${other} ${second}`;
}

function pairsOf<T>(all: readonly T[]): (readonly [T, T])[] {
  return all.flatMap((one, index) => all.slice(index + 1).map((other) => [one, other] as const));
}
