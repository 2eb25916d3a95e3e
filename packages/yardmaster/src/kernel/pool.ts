import { Heap } from "./heap.ts";
import type { Requirement, Resources } from "./requirement.ts";

/** What placement knows of a worker. */
export interface Candidate {
  /** Its place among all workers that ever came, to settle ties. */
  readonly number: number;
  readonly credit: number;
  /** How much of its credit is in use. */
  readonly used: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly resources: Resources;
  /** For rendezvous hashing. */
  readonly hash: number;
  /** Takes work and has free credit. */
  readonly isFree: boolean;
  /** Its resources are kept for tasks of this requirement; null where they are for all. */
  readonly reservedFor: Requirement | null;
}

/** How the workers of a pool are ranked. */
export interface Ranking {
  /** The smallest goes first; null where a policy draws, so that no order has to be kept. */
  readonly rank: ((worker: Candidate, requirement: Requirement) => number) | null;
  /** Workers that do nothing go before all others. */
  readonly idleFirst: boolean;
}

/** A worker's place in a pool. */
export class Seat<W extends Candidate> {
  readonly worker: W;
  readonly pool: Pool<W>;
  /** How many of the preferred labels it has. */
  readonly preferred: number;
  /** Where it is while it has room for a task of the pool; -1 while it has not. */
  tier = -1;
  slot = -1;
  rank = 0;

  constructor(worker: W, pool: Pool<W>, preferred: number) {
    this.worker = worker;
    this.pool = pool;
    this.preferred = preferred;
  }
}

/**
 * The workers of a group that could run what asks for the same, and in tiers those of them that have room now: the
 * highest tier that is not empty goes first. Kept up to date with each change of a worker's load, so that a placement looks at
 * no worker that has no room.
 */
export class Pool<W extends Candidate> {
  readonly requirement: Requirement;
  readonly ranking: Ranking;
  /** Also those without room. */
  readonly seats: Set<Seat<W>> = new Set();
  readonly tiers: readonly Heap<Seat<W>>[];
  /** How many have room. */
  open = 0;

  constructor(requirement: Requirement, ranking: Ranking) {
    this.requirement = requirement;
    this.ranking = ranking;
    const tiers = (requirement.preferred.length + 1) * (ranking.idleFirst ? 2 : 1);
    const before = ranking.rank === null ? anyOrder : isBefore;
    this.tiers = Array.from({ length: tiers }, () => new Heap<Seat<W>>(before));
  }

  /** Null where the worker could never run what asks for this. */
  seat(worker: W): Seat<W> | null {
    if (!suits(worker, this.requirement)) return null;
    const seat = new Seat(worker, this, matching(worker, this.requirement.preferred));
    this.seats.add(seat);
    this.refresh(seat);
    return seat;
  }

  leave(seat: Seat<W>): void {
    this.#close(seat);
    this.seats.delete(seat);
  }

  /** To be called when a worker's load has changed. */
  refresh(seat: Seat<W>): void {
    const { worker } = seat;
    const tier = hasRoom(worker, this.requirement) ? this.#tierOf(seat) : -1;
    const { rank } = this.ranking;
    if (rank !== null && tier !== -1) seat.rank = rank(worker, this.requirement);
    if (tier === seat.tier) {
      if (rank !== null && tier !== -1) this.tiers[tier]?.moved(seat);
      return;
    }
    this.#close(seat);
    if (tier === -1) return;
    this.tiers[tier]?.push(seat);
    seat.tier = tier;
    this.open++;
  }

  #tierOf({ worker, preferred }: Seat<W>): number {
    if (!this.ranking.idleFirst) return preferred;
    return 2 * preferred + (worker.used === 0 ? 1 : 0);
  }

  #close(seat: Seat<W>): void {
    if (seat.tier === -1) return;
    this.tiers[seat.tier]?.remove(seat);
    seat.tier = -1;
    this.open--;
  }
}

function isBefore<W extends Candidate>(a: Seat<W>, b: Seat<W>): boolean {
  return a.rank === b.rank ? a.worker.number < b.worker.number : a.rank < b.rank;
}

/** A heap in which nobody comes before anybody costs next to nothing. */
function anyOrder(): boolean {
  return false;
}

/** Whether a worker could run what asks for this, if it had nothing else to do. */
export function suits({ labels, resources }: Candidate, requirement: Requirement): boolean {
  return (
    matching({ labels }, requirement.labels) === requirement.labels.length &&
    resources.canOffer(requirement.needs)
  );
}

/** Whether it can run one more of it now. */
export function hasRoom(worker: Candidate, requirement: Requirement): boolean {
  if (!worker.isFree) return false;
  const { needs } = requirement;
  return needs.length === 0 || (worker.resources.hasFree(needs) && !isKeptFrom(worker, requirement));
}

/** Whether what it needs is reserved for others there. */
function isKeptFrom({ reservedFor }: Candidate, requirement: Requirement): boolean {
  if (reservedFor === null || reservedFor === requirement) return false;
  const wanted = reservedFor.needs;
  return requirement.needs.some(({ resource }) => wanted.some((need) => need.resource === resource));
}

function matching(
  { labels }: Pick<Candidate, "labels">,
  asked: readonly (readonly [string, string])[],
): number {
  let count = 0;
  // An own field: what `Object` has is no label.
  for (const [name, text] of asked) if (Object.hasOwn(labels, name) && labels[name] === text) count++;
  return count;
}
