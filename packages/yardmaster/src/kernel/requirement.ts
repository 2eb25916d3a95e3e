import type { TaskRequirements } from "../protocol/task.ts";

/** Of a resource: whole thousandths, so that sums are exact. */
export type Amount = number;
const PARTS = 1000;

export interface Need {
  readonly resource: string;
  readonly amount: Amount;
}

/** What the tasks of a line ask of their worker. One object for equal ones. */
export class Requirement {
  readonly key: string;
  readonly needs: readonly Need[];
  /** What the worker must have, and should have: name and text. */
  readonly labels: readonly (readonly [string, string])[];
  readonly preferred: readonly (readonly [string, string])[];

  constructor(key: string, { needs, labels, preferred }: TaskRequirements) {
    this.key = key;
    this.needs = Object.entries(needs)
      .map(([resource, amount]) => ({ resource, amount: amountOf(amount) }))
      .filter(({ amount }) => amount > 0);
    this.labels = Object.entries(labels);
    this.preferred = Object.entries(preferred);
  }
}

/** What most tasks ask: nothing. */
export const ANY_WORKER: Requirement = new Requirement("", { needs: {}, labels: {}, preferred: {} });

/** The requirements that lines have. */
export class Requirements {
  readonly #known = new Map<string, Requirement>();

  of(asked: TaskRequirements | undefined): Requirement {
    if (asked === undefined) return ANY_WORKER;
    const key = JSON.stringify([asked.needs, asked.labels, asked.preferred].map(sortedEntries));
    let requirement = this.#known.get(key);
    if (requirement === undefined) {
      requirement = new Requirement(key, asked);
      this.#known.set(key, requirement);
    }
    return requirement;
  }

  keepOnly(used: ReadonlySet<Requirement>): void {
    for (const [key, requirement] of this.#known) if (!used.has(requirement)) this.#known.delete(key);
  }
}

function sortedEntries(record: Readonly<Record<string, unknown>>): [string, unknown][] {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** What a worker offers, and how much of it the attempts that it may run have taken. */
export class Resources {
  readonly #offered = new Map<string, Amount>();
  readonly #used = new Map<string, Amount>();

  /** Takes the place of what was offered before; what is in use stays in use. */
  offer(resources: Readonly<Record<string, number>>): void {
    this.#offered.clear();
    for (const [resource, amount] of Object.entries(resources))
      if (amount > 0) this.#offered.set(resource, amountOf(amount));
  }

  take(needs: readonly Need[]): void {
    for (const { resource, amount } of needs) this.#used.set(resource, this.used(resource) + amount);
  }

  giveBack(needs: readonly Need[]): void {
    for (const { resource, amount } of needs) {
      const left = this.used(resource) - amount;
      if (left === 0) this.#used.delete(resource);
      else this.#used.set(resource, left);
    }
  }

  /** How many resources it offers. */
  get kinds(): number {
    return this.#offered.size;
  }

  offered(resource: string): Amount {
    return this.#offered.get(resource) ?? 0;
  }

  used(resource: string): Amount {
    return this.#used.get(resource) ?? 0;
  }

  /** Less than nothing where attempts of an earlier registration are left. */
  free(resource: string): Amount {
    return this.offered(resource) - this.used(resource);
  }

  /** Whether it would do if nothing were in use. */
  canOffer(needs: readonly Need[]): boolean {
    for (const { resource, amount } of needs) if (this.offered(resource) < amount) return false;
    return true;
  }

  hasFree(needs: readonly Need[]): boolean {
    for (const { resource, amount } of needs) if (this.free(resource) < amount) return false;
    return true;
  }

  /** By resource, in the unit that people gave. */
  view(): { readonly offered: Record<string, number>; readonly used: Record<string, number> } {
    return { offered: shownAmounts(this.#offered), used: shownAmounts(this.#used) };
  }
}

/** An amount in the unit that people gave. */
export function shownAmount(amount: Amount): number {
  return amount / PARTS;
}

function shownAmounts(amounts: ReadonlyMap<string, Amount>): Record<string, number> {
  return Object.fromEntries(Array.from(amounts, ([resource, amount]) => [resource, shownAmount(amount)]));
}

function amountOf(amount: number): Amount {
  return Math.round(amount * PARTS);
}
