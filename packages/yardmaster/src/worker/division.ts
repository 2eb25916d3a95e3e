import type { Cancel, Host } from "../host.ts";
import type { HeartbeatAnswer } from "../protocol/envelope.ts";
import type { Heartbeats } from "./heartbeats.ts";
import type { ShardLink } from "./shard-link.ts";

/** While a shard wants more than it has, the division is looked at again this often. */
const LOOK_MS = 50;
/** How fast a shard's demand of a moment ago is forgotten: a queue that is empty for a tick gives nothing up. */
const HALF_LIFE_MS = 100;
/** Where there are fewer slots than shards with work, the slots go on to the next shards after this long. */
const QUANTUM_MS = 250;
/** A shard that has never answered counts with what it was offered for this long. */
const FIRST_ANSWER_MS = 7_000;

interface Share {
  /** What the shard was offered last. */
  credit: number;
  /** What it may have been offered, by whatever it has not answered yet. */
  ceiling: number;
  /** What its dispatcher says waits for more credit. */
  ready: number;
  /** What it could use, now or a moment ago. */
  demand: number;
  /** What it gets as soon as there is room. */
  target: number;
}

export interface DivisionParts {
  readonly host: Host;
  readonly slots: number;
  readonly links: readonly ShardLink[];
  readonly heartbeats: Heartbeats;
  /** Whether a shard's dispatcher has not been heard for so long that nothing of it would be started. */
  readonly isLost: (shard: number) => boolean;
}

/**
 * Divides a worker's slots among the shards by what each could use (max-min fair), as credit.
 *
 * What is taken from one shard is given to another only when the first one's dispatcher has answered that it counts
 * with less and what it had assigned before has ended: credit and unfinished attempts together never exceed the slots.
 * Nothing moves while no shard wants more than it has, and with one shard nothing is ever done.
 */
export class Division {
  readonly #parts: DivisionParts;
  readonly #shares: readonly Share[];
  readonly #startedAt: number;
  #slots: number;
  /** The shard that odd slots go to first. */
  #turn: number;
  #turnedAt: number;
  #lookedAt: number;
  #cancelLook: Cancel | null = null;
  #isClosed = false;

  constructor(parts: DivisionParts) {
    const { host, slots, links } = parts;
    this.#parts = parts;
    this.#slots = slots;
    // Workers with fewer slots than there are shards begin with different ones.
    this.#turn = links.length === 1 ? 0 : host.random() % links.length;
    this.#startedAt = host.monotonic();
    this.#turnedAt = this.#startedAt;
    this.#lookedAt = this.#startedAt;
    const none = links.map(() => 0);
    this.#shares = divide(slots, [none], this.#turn).map((credit) => ({
      credit,
      ceiling: credit,
      ready: 0,
      demand: 0,
      target: credit,
    }));
    for (const [shard, { credit }] of this.#shares.entries()) parts.heartbeats.pulse.setCredit(shard, credit);
  }

  credit(shard: number): number {
    return this.#shares[shard]?.credit ?? 0;
  }

  /** A dispatcher says what it counts with and what waits for more. */
  heard(shard: number, { number, known, credit, ready }: HeartbeatAnswer): void {
    const share = this.#shares[shard];
    if (share === undefined || !known) return;
    share.ready = ready;
    // Nothing that offers anything else is on its way any more.
    const isLast = number === this.#parts.heartbeats.pulse.sent(shard) && credit === share.credit;
    if (isLast) share.ceiling = credit;
  }

  /** A new owner says anew what waits. */
  forgetDemand(shard: number): void {
    const share = this.#shares[shard];
    if (share !== undefined) share.ready = 0;
  }

  /** Handlers fill slots beyond their attempts' ends, or have freed them. The caller registers anew. */
  resize(slots: number): void {
    this.#slots = slots;
    this.#measure();
    this.#aim();
    this.#move((shard, share, credit) => this.#note(shard, share, credit));
  }

  /** Moves credit to where it is wanted, as far as there is room now. */
  settle(): void {
    if (this.#shares.length === 1) return;
    const { heartbeats } = this.#parts;
    this.#measure();
    if (this.#shares.some((share) => this.#isHungry(share))) {
      this.#takeTurns();
      this.#aim();
      this.#lookAgain();
    }
    this.#move((shard, share, credit) => {
      this.#note(shard, share, credit);
      // Before the first heartbeat, the registration says it.
      if (heartbeats.pulse.sent(shard) > 0) heartbeats.beat(shard);
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelLook?.();
  }

  #isHungry({ ready, credit, target }: Share): boolean {
    return ready > 0 && Math.max(credit, target) < this.#slots;
  }

  #measure(): void {
    const now = this.#parts.host.monotonic();
    const keep = 0.5 ** ((now - this.#lookedAt) / HALF_LIFE_MS);
    this.#lookedAt = now;
    for (const [shard, share] of this.#shares.entries()) {
      share.demand = Math.max(Math.min(this.#wants(shard, share), this.#slots), share.demand * keep);
    }
  }

  /** New targets, if they give somebody more who wants it; otherwise those that are stay. */
  #aim(): void {
    const demands = this.#shares.map(({ demand }) => Math.floor(demand + 0.5));
    const urgent = this.#shares.map((share, shard) => Math.min(1, this.#wants(shard, share)));
    const targets = divide(this.#slots, [urgent, demands], this.#turn);
    const sum = this.#shares.reduce((total, { target }) => total + target, 0);
    const gains = this.#shares.some(
      ({ ready, target }, shard) => ready > 0 && (targets[shard] ?? 0) > target,
    );
    if (!gains && sum === this.#slots) return;
    for (const [shard, share] of this.#shares.entries()) share.target = targets[shard] ?? 0;
  }

  #move(offer: (shard: number, share: Share, credit: number) => void): void {
    let room = this.#slots;
    for (const [shard, share] of this.#shares.entries()) {
      if (share.credit > share.target) offer(shard, share, share.target);
      room -= this.#exposure(shard, share);
    }
    for (const [shard, share] of this.#shares.entries()) {
      const before = this.#exposure(shard, share);
      const credit = Math.min(share.target, before + room);
      if (credit <= share.credit) continue;
      offer(shard, share, credit);
      room -= this.#exposure(shard, share) - before;
    }
  }

  #note(shard: number, share: Share, credit: number): void {
    share.credit = credit;
    share.ceiling = Math.max(share.ceiling, credit);
    this.#parts.heartbeats.pulse.setCredit(shard, credit);
  }

  #wants(shard: number, { ready }: Share): number {
    return this.#used(shard) + (this.#parts.isLost(shard) ? 0 : ready);
  }

  /** How many slots a shard may fill, whatever it does. */
  #exposure(shard: number, { ceiling }: Share): number {
    const { host, isLost } = this.#parts;
    const isNew = host.monotonic() - this.#startedAt < FIRST_ANSWER_MS;
    const used = this.#used(shard);
    return isLost(shard) && !isNew ? used : Math.max(ceiling, used);
  }

  #used(shard: number): number {
    return this.#parts.links[shard]?.unfinished ?? 0;
  }

  /** Where some get nothing that want something, others are first now and then. */
  #takeTurns(): void {
    const now = this.#parts.host.monotonic();
    if (now - this.#turnedAt < QUANTUM_MS) return;
    this.#turnedAt = now;
    if (this.#shares.some(({ ready, target }) => ready > 0 && target === 0))
      this.#turn = (this.#turn + 1) % this.#shares.length;
  }

  #lookAgain(): void {
    if (this.#cancelLook !== null || this.#isClosed) return;
    this.#cancelLook = this.#parts.host.after(LOOK_MS, () => {
      this.#cancelLook = null;
      this.settle();
    });
  }
}

/**
 * Divides slots max-min fairly, by the first demands and, from what is left, by the next ones: nobody gets more by
 * less of somebody who has less. What nobody wants is spread evenly.
 */
export function divide(slots: number, demands: readonly (readonly number[])[], turn: number): number[] {
  const shares = demands[0]?.map(() => 0) ?? [];
  let left = slots;
  for (const wanted of demands) left = pour(left, wanted, shares, turn);
  const all = shares.map(() => Number.POSITIVE_INFINITY);
  pour(left, all, shares, turn);
  return shares;
}

/** Fills shares evenly up to their demands; answers what is left. Single slots go first to the shard whose turn it is. */
function pour(slots: number, demands: readonly number[], shares: number[], turn: number): number {
  let left = slots;
  while (left > 0) {
    const open = shares.map((_, index) => (index + turn) % shares.length);
    const wanting = open.filter((shard) => (shares[shard] ?? 0) < (demands[shard] ?? 0));
    if (wanting.length === 0) break;
    const each = Math.max(1, Math.floor(left / wanting.length));
    for (const shard of wanting.slice(0, left)) {
      const share = shares[shard] ?? 0;
      const more = Math.min(each, (demands[shard] ?? 0) - share, left);
      shares[shard] = share + more;
      left -= more;
    }
  }
  return left;
}
