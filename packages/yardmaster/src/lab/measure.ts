import type { Arrival } from "./arrivals.ts";
import type { Policy, Scenario } from "./scenario.ts";

/** What came of a scenario under one policy. Times are milliseconds. */
export interface Figures {
  readonly policy: string;
  readonly tasks: number;
  /** How long all of it took. */
  readonly tookMs: number;
  /** The share of the slots' time in which they did what counted. */
  readonly utilisation: number;
  /** From a task's arrival to its first start. */
  readonly waitMs: Percentiles;
  /** From a task's arrival to its end. */
  readonly endMs: Percentiles;
  /** How many times its service time, or 100 ms, a task took until its end: D. Feitelson's bounded slowdown (1998). */
  readonly slowdown: Percentiles;
  /**
   * R. Jain's index (1984) of the service that tenants got, over stretches of 10 s in which at least two of them had
   * tasks waiting all the time: 1 where they got the same; null where there was no such time.
   */
  readonly fairness: number | null;
  /** The share of tasks with a deadline that ended after it; null where none had one. */
  readonly deadlineMisses: number | null;
  /** How many expired or were refused before they started; they are not among `tasks`. */
  readonly dropped: number;
  /** Slot time of attempts that died with their workers, failed, or were overtaken by another one. */
  readonly lostMs: number;
  /** The same as a share of the slots' time. */
  readonly lost: number;
}

interface Percentiles {
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** A list of numbers that may be very long. */
class Sample {
  #values = new Float64Array(1024);
  size = 0;
  sum = 0;

  add(value: number): void {
    if (this.size === this.#values.length) {
      const larger = new Float64Array(2 * this.size);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.size++] = value;
    this.sum += value;
  }

  get mean(): number {
    return this.size === 0 ? 0 : this.sum / this.size;
  }

  sorted(): Float64Array {
    return this.#values.slice(0, this.size).sort();
  }
}

interface Tenant {
  waiting: number;
  /** In this stretch: whether tasks have waited all the time, and what was served. */
  isBacklogged: boolean;
  servedMs: number;
}

const STRETCH_MS = 10_000;
const LEAST_SERVICE_MS = 100;

export class Measure {
  readonly scenario: Scenario;
  readonly policy: Policy;
  readonly #waits = new Sample();
  readonly #ends = new Sample();
  readonly #slowdowns = new Sample();
  readonly #tenants = new Map<number, Tenant>();
  readonly #begun = new Set<number>();
  #stretchEnd = STRETCH_MS;
  #fairness = 0;
  #stretches = 0;
  #withDeadline = 0;
  #missed = 0;
  #dropped = 0;
  #usefulMs = 0;
  #lostMs = 0;
  #slots = 0;
  #slotMs = 0;
  #changedAt = 0;
  #tookMs = 0;
  #sortedWaits: Float64Array | null = null;
  #sortedEnds: Float64Array | null = null;

  constructor(scenario: Scenario, policy: Policy) {
    this.scenario = scenario;
    this.policy = policy;
  }

  arrived({ tenant }: Arrival, now: number): void {
    if (tenant !== -1) this.#tenantAt(tenant, now).waiting++;
  }

  started({ number, at, tenant, serviceMs }: Arrival, now: number): void {
    if (this.#begun.has(number)) return;
    this.#begun.add(number);
    this.#waits.add(now - at);
    if (tenant === -1) return;
    const known = this.#tenantAt(tenant, now);
    known.servedMs += serviceMs;
    known.waiting--;
    if (known.waiting === 0) known.isBacklogged = false;
  }

  /** What ends at `endedAt` is known to have ended now. */
  ended(
    { number, at, serviceMs, deadlineAt }: Arrival,
    startedAt: number,
    endedAt: number,
    now: number,
  ): void {
    this.#begun.delete(number);
    this.#usefulMs += endedAt - startedAt;
    this.#ends.add(now - at);
    this.#slowdowns.add(Math.max(1, (now - at) / Math.max(serviceMs, LEAST_SERVICE_MS)));
    if (deadlineAt > 0) {
      this.#withDeadline++;
      if (now > deadlineAt) this.#missed++;
    }
  }

  /** `isDue` where it had arrived. */
  dropped({ number, tenant, deadlineAt }: Arrival, isDue: boolean): void {
    const hasBegun = this.#begun.delete(number);
    this.#dropped++;
    if (deadlineAt > 0) {
      this.#withDeadline++;
      this.#missed++;
    }
    const known = this.#tenants.get(tenant);
    if (known === undefined || !isDue || hasBegun) return;
    known.waiting--;
    if (known.waiting === 0) known.isBacklogged = false;
  }

  #tenantAt(tenant: number, now: number): Tenant {
    while (now >= this.#stretchEnd) this.#endStretch();
    let known = this.#tenants.get(tenant);
    if (known === undefined) {
      known = { waiting: 0, isBacklogged: false, servedMs: 0 };
      this.#tenants.set(tenant, known);
    }
    return known;
  }

  #endStretch(): void {
    this.#stretchEnd += STRETCH_MS;
    const served: number[] = [];
    for (const tenant of this.#tenants.values()) {
      if (tenant.isBacklogged) served.push(tenant.servedMs);
      tenant.isBacklogged = tenant.waiting > 0;
      tenant.servedMs = 0;
    }
    if (served.length < 2) return;
    this.#stretches++;
    this.#fairness += jain(served);
  }

  lost(startedAt: number, now: number): void {
    this.#lostMs += now - startedAt;
  }

  slotsChanged(now: number, by: number): void {
    this.#slotMs += this.#slots * (now - this.#changedAt);
    this.#slots += by;
    this.#changedAt = now;
  }

  endedAt(now: number): void {
    this.slotsChanged(now, 0);
    this.#tookMs = now;
  }

  get figures(): Figures {
    const shareOf = (ms: number): number => (this.#slotMs === 0 ? 0 : ms / this.#slotMs);
    return {
      policy: this.policy.name,
      tasks: this.#slowdowns.size,
      tookMs: this.#tookMs,
      utilisation: shareOf(this.#usefulMs),
      waitMs: percentiles(this.#waits, this.sortedWaits()),
      endMs: percentiles(this.#ends, this.sortedEnds()),
      slowdown: percentiles(this.#slowdowns, this.#slowdowns.sorted()),
      fairness: this.#stretches === 0 ? null : this.#fairness / this.#stretches,
      deadlineMisses: this.#withDeadline === 0 ? null : this.#missed / this.#withDeadline,
      dropped: this.#dropped,
      lostMs: this.#lostMs,
      lost: shareOf(this.#lostMs),
    };
  }

  sortedWaits(): Float64Array {
    this.#sortedWaits ??= this.#waits.sorted();
    return this.#sortedWaits;
  }

  sortedEnds(): Float64Array {
    this.#sortedEnds ??= this.#ends.sorted();
    return this.#sortedEnds;
  }
}

function percentiles(sample: Sample, sorted: Float64Array): Percentiles {
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return { mean: sample.mean, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}

function jain(shares: readonly number[]): number {
  let [sum, squares] = [0, 0];
  for (const share of shares) {
    sum += share;
    squares += share * share;
  }
  return squares === 0 ? 1 : (sum * sum) / (shares.length * squares);
}
