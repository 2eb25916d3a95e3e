import type { Change } from "../protocol/change.ts";
import { isWorkerMailbox } from "../protocol/mailbox.ts";
import type { Role } from "./crash-points.ts";
import type { FaultPlan } from "./fault-plan.ts";
import type { Random } from "./random.ts";
import type { Timeline } from "./timeline.ts";

/** What becomes of a call: `refused` was not applied, nor was `out`, as its whole service does not answer; `lost` was but nobody is told, `late` is applied after its failure. */
export type CallFate = "fine" | "refused" | "out" | "lost" | "late";
export type FrameFate = "deliver" | "drop" | "duplicate";

/** Of those whose clocks only drift: what else sets clocks wrong does so by far more than they drift. */
const LONGEST_RUN_MS = 2_000_000;
/** Longer than a lease: so long a shard may be without an owner. */
const TAKEOVER_MS = 20_000;

/** Decides what goes wrong, until the run heals. */
export class Faults {
  readonly plan: FaultPlan;
  readonly #timeline: Timeline;
  readonly #passages = new Map<string, number>();
  /** The names that were held as present since the broker was started. */
  readonly present: Set<string> = new Set();
  /** By mailbox and tag: until when a consumer keeps a frame from all others. */
  readonly withheld: Map<string, number> = new Map();
  /** How often the engine has started again and broken every connection. */
  starts = 0;
  /** So that a run makes progress between crashes. */
  #randomCrashesLeft = 4;

  constructor(plan: FaultPlan, timeline: Timeline) {
    this.plan = plan;
    this.#timeline = timeline;
  }

  get healed(): boolean {
    return this.#timeline.now >= this.plan.healAt;
  }

  crashesAt(point: string, random: Random): boolean {
    if (this.healed) return false;
    const passage = (this.#passages.get(point) ?? 0) + 1;
    this.#passages.set(point, passage);
    if (this.plan.crashes.some((target) => target.point === point && target.nth === passage)) return true;
    if (this.#randomCrashesLeft === 0 || !random.chance(this.plan.crashChance)) return false;
    this.#randomCrashesLeft--;
    return true;
  }

  call(service: "broker" | "store", random: Random): CallFate {
    if (this.healed) return "fine";
    if (this.#isOut(service)) return "out";
    if (random.chance(this.plan.errorChance)) return random.chance(0.5) ? "refused" : "lost";
    return random.chance(this.plan.lateChance) ? "late" : "fine";
  }

  frame(mailbox: string, random: Random): FrameFate {
    if (this.healed) return "deliver";
    if (!isDurable(mailbox) && random.chance(this.plan.dropChance)) return "drop";
    return random.chance(this.plan.duplicateChance) ? "duplicate" : "deliver";
  }

  /** Whether the store has no room for what a commit brings. */
  isFullFor(changes: readonly Change[]): boolean {
    const { now } = this.#timeline;
    const isFull = !this.healed && this.plan.full.some(({ from, to }) => now >= from && now < to);
    return isFull && changes.some(({ type }) => type === "insert" || type === "adopt");
  }

  /** Whether the store answers a commit and forgets it: one without changes, for which nobody else would suffer. */
  forgets(changes: readonly Change[], random: Random): boolean {
    return !this.healed && changes.length === 0 && random.chance(this.plan.forgetChance);
  }

  /** Whether only the first part of a batch arrives. One engine that is both commits whole. */
  cutsBatch(random: Random): boolean {
    return !this.healed && this.plan.split && random.chance(this.plan.errorChance);
  }

  /** How long a consumer keeps a frame that it has fetched; 0 for not at all. */
  withholdMs(random: Random): number {
    const { withholdChance } = this.plan;
    if (this.healed || withholdChance === 0 || !random.chance(withholdChance)) return 0;
    return random.pick([5_000, 30_000, 180_000]);
  }

  /** Whether an owner may know nothing of what was confirmed. */
  get mayDeny(): boolean {
    return this.starts > 0 || this.withheld.size > 0;
  }

  /** Whether somebody keeps a frame, or has given one back that the next owner, which may stand still, has not read yet. */
  get keepsFrames(): boolean {
    const { pauses, healAt } = this.plan;
    const goesOnAt = pauses.length === 0 ? 0 : healAt;
    return [...this.withheld.values()].some(
      (until) => Math.max(until, goesOnAt) + TAKEOVER_MS > this.#timeline.now,
    );
  }

  losesChannel(random: Random): boolean {
    return !this.healed && random.chance(this.plan.reopenChance);
  }

  /** Not about workers: that one is gone is taken for the proof that it starts nothing any more. */
  liesAboutAbsence(name: string, random: Random): boolean {
    return !this.healed && !isWorkerMailbox(name) && random.chance(this.plan.absentLieChance);
  }

  /** How long all that a sender has in a mailbox comes after what others send; 0 for not at all. */
  overtakenMs(mailbox: string, random: Random): number {
    const { reorderChance } = this.plan;
    if (this.healed || isDurable(mailbox) || !random.chance(reorderChance)) return 0;
    return random.pick([2, 50, 1_000]);
  }

  /** One way of a call. */
  latency(random: Random): number {
    const usual = random.between(0.2, 1.8) * this.plan.latencyMs;
    if (this.healed || !random.chance(this.plan.spikeChance)) return usual;
    return usual + random.below(this.plan.spikeMs);
  }

  /** How far any two wall clocks can be apart from the true time at the most. */
  get mostWallErrorMs(): number {
    const { wallSkewMs, workersAheadMs } = this.plan;
    return wallSkewMs + Math.abs(workersAheadMs) + this.mostWallStepMs;
  }

  /** How far one wall clock can stray from the true course of time at the most. */
  get mostWallStepMs(): number {
    const { driftRate, clockJumps } = this.plan;
    return clockJumps.reduce((sum, { byMs }) => sum + Math.abs(byMs), driftRate * LONGEST_RUN_MS);
  }

  driftRate(random: Random): number {
    return random.between(-1, 1) * this.plan.driftRate;
  }

  /** How long the engine takes a crashed process for a living one, and keeps what it had fetched. */
  noticeMs(random: Random): number {
    if (!this.healed && random.chance(this.plan.lateNoticeChance))
      return random.pick([15_000, 60_000, 150_000]);
    return random.pick([1, 10, 300, 5_000]);
  }

  /** Whether the broker says of a frame that it has it, although nobody will read it. */
  liesAboutGone(random: Random): boolean {
    return !this.healed && random.chance(this.plan.goneLieChance);
  }

  wallSkewMs(role: Role, random: Random): number {
    const own = random.between(-1, 1) * this.plan.wallSkewMs;
    return role === "worker" ? own + this.plan.workersAheadMs : own;
  }

  #isOut(service: "broker" | "store"): boolean {
    const { now } = this.#timeline;
    // One engine that is both goes away as a whole.
    return this.plan.outages.some(
      ({ of, from, to }) => (of === service || !this.plan.split) && now >= from && now < to,
    );
  }
}

/** Only the submit lane must keep what it confirmed; all else is repeated by whoever misses an answer. */
export function isDurable(mailbox: string): boolean {
  return mailbox.startsWith("lane:") && mailbox.endsWith(":submit");
}
