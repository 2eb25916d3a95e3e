import { describe, expect, it } from "vitest";
import { Worker } from "../kernel/live.ts";
import { PLACEMENTS, pick } from "../kernel/placement.ts";
import { Pool } from "../kernel/pool.ts";
import { Random } from "../kernel/random.ts";
import { ANY_WORKER } from "../kernel/requirement.ts";
import { Chance } from "./chance.ts";

/*
 * The supermarket model: customers come to many servers and queue at the one that they are sent to. Tasks of a yard wait
 * in the dispatcher until a slot is free, so that a worker of one slot never has a queue. What queues at workers is what
 * their slots hold beyond what they can run: here each worker has slots for everybody and does one thing at a time, as a
 * process of one thread does. The placement is the kernel's own; only events and service are modelled.
 */

type Compared = "two-choices" | "random";
const PLENTY = 1_000_000;
const TASK = { affinityKey: "" } as const;

/**
 * One run, after a warm-up: the mean time that a task spends with its worker, in service times. It is J. Little's law
 * over the mean number of tasks, of which each state counts for as long as it is expected to last.
 */
class Market {
  readonly #workers: Worker[] = [];
  readonly #pools: Pool<Worker>[];
  readonly #placement: Compared;
  readonly #load: number;
  readonly #chance: Chance;
  readonly #random: Random;
  /** The workers that have something to do. */
  readonly #busy: Worker[] = [];
  readonly #placeAmongBusy: Int32Array;
  #tasks = 0;

  constructor(placement: Compared, load: number, workers: number, seed: number) {
    const pool = new Pool<Worker>(ANY_WORKER, PLACEMENTS[placement]);
    this.#pools = [pool];
    this.#placement = placement;
    this.#load = load;
    this.#chance = new Chance(seed, "market");
    this.#random = new Random(seed);
    this.#placeAmongBusy = new Int32Array(workers);
    for (let number = 0; number < workers; number++) {
      const worker = new Worker(`w${number}`, "", number);
      worker.credit = PLENTY;
      worker.isFree = true;
      this.#workers.push(worker);
      pool.seat(worker);
    }
  }

  /** As a server under random placement is at any time: so many tasks or more with this probability to that power. */
  fillAtRandom(): void {
    for (const worker of this.#workers) {
      const count = Math.floor(Math.log(1 - this.#chance.fraction()) / Math.log(this.#load));
      for (let task = 0; task < count; task++) this.#add(worker);
    }
  }

  meanTime(warmUp: number, time: number): number {
    let [now, area] = [0, 0];
    const arrivals = this.#load * this.#workers.length;
    while (now < warmUp + time) {
      const rate = arrivals + this.#busy.length;
      if (now >= warmUp) area += this.#tasks / rate;
      now += 1 / rate;
      if (this.#chance.fraction() * rate < arrivals) this.#arrive();
      else this.#remove(this.#busy[this.#chance.below(this.#busy.length)]);
    }
    return area / time / arrivals;
  }

  #arrive(): void {
    const worker = pick(PLACEMENTS[this.#placement], this.#pools, TASK, this.#random);
    if (worker !== undefined) this.#add(worker);
  }

  #add(worker: Worker): void {
    this.#tasks++;
    // What is in use of a worker's credit is how many attempts it holds.
    if (worker.held.length++ > 0) return;
    this.#placeAmongBusy[worker.number] = this.#busy.length;
    this.#busy.push(worker);
  }

  #remove(worker: Worker | undefined): void {
    if (worker === undefined) return;
    this.#tasks--;
    if (--worker.held.length > 0) return;
    const place = this.#placeAmongBusy[worker.number] ?? 0;
    const last = this.#busy.pop();
    if (last === undefined || last === worker) return;
    this.#busy[place] = last;
    this.#placeAmongBusy[last.number] = place;
  }
}

/** The mean time with infinitely many servers (N. Vvedenskaya, R. Dobrushin, F. Karpelevich, 1996; M. Mitzenmacher, 2001). */
function limitOfTwoChoices(load: number): number {
  let sum = 0;
  for (let more = 1; more < 40; more++) sum += load ** (2 ** more - 2);
  return sum;
}

/** 95 % of intervals like this one have the true mean in them. */
function confidence(means: readonly number[]): { readonly mean: number; readonly halfWidth: number } {
  const mean = means.reduce((sum, one) => sum + one) / means.length;
  const variance = means.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (means.length - 1);
  // Student's t for 19 degrees of freedom.
  return { mean, halfWidth: 2.093 * Math.sqrt(variance / means.length) };
}

const RUNS = 20;
/** On a busy machine; a quiet one takes half a minute. */
const SLOW_MS = 600_000;

describe("the supermarket model", () => {
  it("expects what the paper says", () => {
    expect(limitOfTwoChoices(0.9)).toBeCloseTo(2.61, 2);
    expect(limitOfTwoChoices(0.99)).toBeCloseTo(5.43, 2);
  });

  it.each([
    ["two-choices", 0.9, 2_000, 40, 40, limitOfTwoChoices(0.9)],
    ["two-choices", 0.99, 2_000, 400, 100, limitOfTwoChoices(0.99)],
    ["random", 0.9, 50, 2_000, 4_000, 1 / (1 - 0.9)],
    ["random", 0.99, 50, 0, 10_000, 1 / (1 - 0.99)],
  ] as const)(
    "%s at load %f among %i workers takes as long as theory says, within 95 %%",
    { timeout: SLOW_MS },
    (...row) => {
      const [placement, load, workers, warmUp, time, expected] = row;
      const means = Array.from({ length: RUNS }, (_, run) => {
        const market = new Market(placement, load, workers, 100 + run);
        // Chance alone would take longer to fill the queues at this load than a test may.
        if (warmUp === 0) market.fillAtRandom();
        return market.meanTime(warmUp, time);
      });
      const { mean, halfWidth } = confidence(means);
      expect(Math.abs(mean - expected)).toBeLessThan(halfWidth);
      expect(halfWidth / expected).toBeLessThan(placement === "random" ? 0.25 : 0.02);
    },
  );
});
