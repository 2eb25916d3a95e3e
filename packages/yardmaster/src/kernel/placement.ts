import type { PlacementName } from "../protocol/task.ts";
import type { LiveTask, Worker } from "./live.ts";
import type { Candidate, Pool, Ranking, Seat } from "./pool.ts";
import type { Random } from "./random.ts";
import { hashOf, scoreOf } from "./rendezvous.ts";
import type { Requirement } from "./requirement.ts";

/** Workers that have room for a task, of the best tier that has any. */
interface Choice {
  readonly pools: readonly Pool<Worker>[];
  readonly tier: number;
}

/** What a placement asks of a task. */
type Placed = Pick<LiveTask, "affinityKey">;

interface Placement extends Ranking {
  /** One of them; there is at least one. */
  choose(choice: Choice, task: Placed, random: Random): Worker | undefined;
}

/** Who has room is known at any time, so that a choice looks at two workers, at the first of a heap, or, for `sticky`, at all. */
export const PLACEMENTS: Readonly<Record<PlacementName, Placement>> = {
  "two-choices": { rank: null, idleFirst: false, choose: chooseOfTwo },
  "least-loaded": { rank: loadOf, idleFirst: false, choose: chooseFirst },
  "idle-first": { rank: null, idleFirst: true, choose: chooseAny },
  random: { rank: null, idleFirst: false, choose: chooseAny },
  sticky: { rank: null, idleFirst: false, choose: chooseSticky },
  spread: { rank: fullness, idleFirst: false, choose: chooseFirst },
  pack: { rank: leftover, idleFirst: false, choose: chooseFirst },
};

/** The worker that a task goes to; undefined where none has room. */
export function pick(
  { choose }: Placement,
  pools: readonly Pool<Worker>[],
  task: Placed,
  random: Random,
): Worker | undefined {
  const tier = bestTier(pools);
  return tier === -1 ? undefined : choose({ pools, tier }, task, random);
}

export function hasOpen(pools: readonly Pool<Worker>[]): boolean {
  for (const pool of pools) if (pool.open > 0) return true;
  return false;
}

/** All pools of a line have as many tiers. */
function bestTier(pools: readonly Pool<Worker>[]): number {
  for (let tier = (pools[0]?.tiers.length ?? 0) - 1; tier >= 0; tier--)
    for (const { tiers } of pools) if ((tiers[tier]?.size ?? 0) > 0) return tier;
  return -1;
}

/**
 * Any worker that has room, each as likely. Under `idle-first`, where a tier of those that do nothing goes first, this
 * is Join-Idle-Queue: Y. Lu, Q. Xie, G. Kliot, A. Geller, J. Larus, A. Greenberg, "Join-Idle-Queue", Performance
 * Evaluation 68 (2011).
 */
function chooseAny(choice: Choice, _task: Placed, random: Random): Worker | undefined {
  return seatAt(choice, random.below(countOf(choice)))?.worker;
}

/**
 * The less loaded of two workers that are drawn: M. Mitzenmacher, "The Power of Two Choices in Randomized Load
 * Balancing", IEEE Transactions on Parallel and Distributed Systems 12 (2001); N. Vvedenskaya, R. Dobrushin, F.
 * Karpelevich (1996).
 */
function chooseOfTwo(choice: Choice, _task: Placed, random: Random): Worker | undefined {
  const count = countOf(choice);
  if (count === 1) return seatAt(choice, 0)?.worker;
  const index = random.below(count);
  const other = random.below(count - 1);
  const first = seatAt(choice, index)?.worker;
  const second = seatAt(choice, other < index ? other : other + 1)?.worker;
  return first !== undefined && second !== undefined && isLessLoaded(second, first) ? second : first;
}

/** The first by rank, of all pools. */
function chooseFirst({ pools, tier }: Choice): Worker | undefined {
  let best: Seat<Worker> | undefined;
  for (const { tiers } of pools) {
    const seat = tiers[tier]?.peek();
    if (seat !== undefined && (best === undefined || goesBefore(seat, best))) best = seat;
  }
  return best?.worker;
}

function goesBefore(a: Seat<Worker>, b: Seat<Worker>): boolean {
  return a.rank === b.rank ? a.worker.number < b.worker.number : a.rank < b.rank;
}

/** What a worker may have of the mean load before a key's tasks go to the next one. */
const STICKY_SLACK = 1.25;

/**
 * Rendezvous hashing with bounded loads: each key has an order of all workers of its own (D. Thaler, C. Ravishankar,
 * "Using Name-Based Mappings to Increase Hit Rates", IEEE/ACM Transactions on Networking 6 (1998)), and a task goes to
 * the first of them that has room and, with it, at most a quarter more than the mean load, rounded up (V. Mirrokni, M.
 * Thorup, M. Zadimoghaddam, "Consistent Hashing with Bounded Loads", SODA 2018). Loads are counted in parts of a
 * worker's credit. When a worker comes or goes, only the keys that it gets or had move.
 */
function chooseSticky(choice: Choice, task: Placed, random: Random): Worker | undefined {
  const { affinityKey } = task;
  if (affinityKey === "") return chooseOfTwo(choice, task, random);
  const key = hashOf(affinityKey);
  const all = totalsOf(choice);
  let best: Worker | undefined;
  let bestScore = -1;
  let bestIsBound = false;
  for (const { tiers } of choice.pools) {
    const tier = tiers[choice.tier];
    for (let slot = 0; tier !== undefined && slot < tier.size; slot++) {
      const worker = tier.at(slot)?.worker;
      if (worker === undefined) continue;
      const isBound = worker.used + 1 <= Math.ceil((STICKY_SLACK * all.used * worker.credit) / all.credit);
      if (bestIsBound && !isBound) continue;
      const score = scoreOf(key, worker.hash);
      if (isBound === bestIsBound && score <= bestScore) continue;
      [best, bestScore, bestIsBound] = [worker, score, isBound];
    }
  }
  return best;
}

/** The credit of all workers that could take it, and what is in use of that with the task that is to be placed. */
function totalsOf({ pools }: Choice): { readonly used: number; readonly credit: number } {
  let used = 1;
  let credit = 0;
  for (const { seats } of pools) {
    for (const { worker } of seats) {
      if (!worker.takesWork) continue;
      used += worker.used;
      credit += worker.credit;
    }
  }
  return { used, credit };
}

/**
 * Join the shortest queue (F. Haight, "Two Queues in Parallel", Biometrika 45 (1958); W. Winston, "Optimality of the
 * Shortest Line Discipline", Journal of Applied Probability 14 (1977)), by the part of a worker's credit that is in use.
 */
function loadOf({ used, credit }: Candidate): number {
  return used / credit;
}

/**
 * Worst fit: the largest part of anything that the task asks for, or of the slots, that is in use with it. It is the
 * dominant share of A. Ghodsi et al., "Dominant Resource Fairness", NSDI 2011, seen from the worker.
 */
function fullness({ used, credit, resources }: Candidate, { needs }: Requirement): number {
  let most = (used + 1) / credit;
  for (const { resource, amount } of needs)
    most = Math.max(most, (resources.used(resource) + amount) / resources.offered(resource));
  return most;
}

/**
 * Best fit (D. Johnson, A. Demers, J. Ullman, M. Garey, R. Graham, SIAM Journal on Computing 3 (1974)), over several
 * resources by the norm of what is left (R. Panigrahy, K. Talwar, L. Uyeda, U. Wieder, "Heuristics for Vector Bin
 * Packing", 2011), in units of the task. Before that: a worker goes last that offers what the task does not ask for.
 */
function leftover({ used, credit, resources }: Candidate, { needs }: Requirement): number {
  const isForSlots = needs.length === 0;
  let left = isForSlots ? (credit - used - 1) ** 2 : 0;
  let others = resources.kinds;
  for (const { resource, amount } of needs) {
    left += ((resources.free(resource) - amount) / amount) ** 2;
    others--;
  }
  return others + left / (left + 1);
}

function isLessLoaded(a: Worker, b: Worker): boolean {
  return a.used * b.credit < b.used * a.credit;
}

function countOf({ pools, tier }: Choice): number {
  let count = 0;
  for (const { tiers } of pools) count += tiers[tier]?.size ?? 0;
  return count;
}

function seatAt({ pools, tier }: Choice, index: number): Seat<Worker> | undefined {
  let at = index;
  for (const { tiers } of pools) {
    const heap = tiers[tier];
    if (heap === undefined) continue;
    if (at < heap.size) return heap.at(at);
    at -= heap.size;
  }
  return undefined;
}
