/**
 * The numbers that a worker's main thread shares with whatever sends its heartbeats, which may be another thread.
 *
 * Times are milliseconds of the main thread's monotonic clock. Every field has one writer, and an aligned eight-byte
 * store is not torn on any platform that Node supports, so that no locks are needed.
 */
export class Pulse {
  readonly shards: number;
  readonly slots: number;
  readonly buffer: ArrayBufferLike;
  readonly #cells: Float64Array;

  constructor(shards: number, slots: number, buffer: ArrayBufferLike) {
    this.shards = shards;
    this.slots = slots;
    this.buffer = buffer;
    this.#cells = new Float64Array(buffer);
  }

  static bytes(shards: number, slots: number): number {
    return 8 * (SHARDS_AT + shards * SHARD_CELLS + slots);
  }

  /** When the main thread last moved. */
  get touchedAt(): number {
    return this.#get(0);
  }

  touch(now: number): void {
    this.#cells[0] = now;
  }

  /** The most unfinished tasks that the worker takes from a shard. */
  credit(shard: number): number {
    return this.#get(cellOf(shard) + CREDIT);
  }

  setCredit(shard: number, credit: number): void {
    this.#cells[cellOf(shard) + CREDIT] = credit;
  }

  /** The highest epoch seen of a shard. */
  epoch(shard: number): number {
    return this.#get(cellOf(shard) + EPOCH);
  }

  setEpoch(shard: number, epoch: number): void {
    this.#cells[cellOf(shard) + EPOCH] = epoch;
  }

  /** The number of the last heartbeat that was answered, or 0. */
  answered(shard: number): number {
    return this.#get(cellOf(shard) + ANSWERED);
  }

  setAnswered(shard: number, number: number): void {
    if (number > this.answered(shard)) this.#cells[cellOf(shard) + ANSWERED] = number;
  }

  /** The number of the last heartbeat that was sent, or 0. */
  sent(shard: number): number {
    return this.#get(cellOf(shard) + SENT);
  }

  setSent(shard: number, number: number, at: number): void {
    this.#cells[cellOf(shard) + TIMES + (number % REMEMBERED)] = at;
    this.#cells[cellOf(shard) + SENT] = number;
  }

  /** When a heartbeat was sent; long ago for one that is not remembered. */
  sentAt(shard: number, number: number): number {
    const last = this.sent(shard);
    const isRemembered = number >= 1 && number <= last && number > last - REMEMBERED + 1;
    return isRemembered ? this.#get(cellOf(shard) + TIMES + (number % REMEMBERED)) : Number.NEGATIVE_INFINITY;
  }

  /** When the attempt in a slot is past its timeout and grace; 0 for never. */
  deadline(slot: number): number {
    return this.#get(SHARDS_AT + this.shards * SHARD_CELLS + slot);
  }

  guard(slot: number, deadline: number): void {
    this.#cells[SHARDS_AT + this.shards * SHARD_CELLS + slot] = deadline;
  }

  /** The earliest deadline of all slots, or infinity. */
  get earliestDeadline(): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (let slot = 0; slot < this.slots; slot += 1) {
      const deadline = this.deadline(slot);
      if (deadline > 0 && deadline < earliest) earliest = deadline;
    }
    return earliest;
  }

  #get(cell: number): number {
    return this.#cells[cell] ?? 0;
  }
}

const REMEMBERED = 32;
const EPOCH = 0;
const ANSWERED = 1;
const SENT = 2;
const CREDIT = 3;
const TIMES = 4;
const SHARD_CELLS = TIMES + REMEMBERED;
const SHARDS_AT = 1;

function cellOf(shard: number): number {
  return SHARDS_AT + shard * SHARD_CELLS;
}
