import type { TaskId } from "../protocol/task.ts";

/** How many entries a leaf has room for. */
export const LEAF_SIZE = 512;
/** The second at which what is kept for ever ends. */
export const NEVER = 0xffff_ffff;

const WORDS = 4;

/** What is looked for. Times are seconds. */
interface Wanted {
  /** A bit for each state's number, and for each label's number modulo 32. */
  readonly states: number;
  readonly labelBits: number;
  /** By label, 1 for those that are wanted. Null for any. */
  readonly labels: Uint8Array | null;
  readonly from: number;
  readonly to: number;
  readonly now: number;
  readonly limit: number;
}

/** An id as numbers that are compared one after the other. */
export class IdWords {
  readonly words: Uint32Array = new Uint32Array(WORDS);

  set(id: TaskId): void {
    const { words } = this;
    words[0] = Number.parseInt(id.slice(0, 8), 16);
    words[1] = Number.parseInt(id.slice(9, 13) + id.slice(14, 18), 16);
    words[2] = Number.parseInt(id.slice(19, 23) + id.slice(24, 28), 16);
    words[3] = Number.parseInt(id.slice(28), 16);
  }
}

/** Entries in a row of ids, newest first. What it says of all may be true of some that are gone. */
export class Leaf {
  count = 0;
  /** The earliest second at which one is kept no longer. */
  firstEnd: number = NEVER;
  #states = 0;
  #labels = 0;
  #oldest: number = NEVER;
  #newest = 0;
  readonly #ids = new Uint32Array(LEAF_SIZE * WORDS);
  readonly #labelOf = new Uint16Array(LEAF_SIZE);
  readonly #stateOf = new Uint8Array(LEAF_SIZE);
  readonly #submittedAt = new Uint32Array(LEAF_SIZE);
  readonly #keptUntil = new Uint32Array(LEAF_SIZE);

  get lowest(): TaskId {
    return this.#idAt(this.count - 1);
  }

  /** Whether all are newer than the key. */
  isBelow(key: IdWords): boolean {
    return this.count > 0 && this.#compare(this.count - 1, key) > 0;
  }

  /** Whether all are older than the key. */
  isAbove(key: IdWords): boolean {
    return this.count > 0 && this.#compare(0, key) < 0;
  }

  has(key: IdWords): boolean {
    const slot = this.#slotOf(key);
    return slot < this.count && this.#compare(slot, key) === 0;
  }

  /** The first slot of an older one. */
  slotBelow(key: IdWords): number {
    const slot = this.#slotOf(key);
    return slot < this.count && this.#compare(slot, key) === 0 ? slot + 1 : slot;
  }

  /** Adds an entry, or takes the place of the one with the same id. The leaf has room. */
  put(key: IdWords, label: number, state: number, submittedAt: number, keptUntil: number): void {
    const slot = this.#slotOf(key);
    if (slot === this.count || this.#compare(slot, key) !== 0) {
      this.#move(slot, slot + 1);
      this.count++;
      this.#ids.set(key.words, slot * WORDS);
    }
    this.#labelOf[slot] = label;
    this.#stateOf[slot] = state;
    this.#submittedAt[slot] = submittedAt;
    this.#keptUntil[slot] = keptUntil;
    this.#sum(slot);
  }

  remove(key: IdWords): boolean {
    const slot = this.#slotOf(key);
    if (slot === this.count || this.#compare(slot, key) !== 0) return false;
    this.#move(slot + 1, slot);
    this.count--;
    return true;
  }

  /** The older half becomes a leaf of its own. */
  split(): Leaf {
    const lower = new Leaf();
    const half = this.count >> 1;
    lower.#ids.set(this.#ids.subarray(half * WORDS, this.count * WORDS));
    lower.#labelOf.set(this.#labelOf.subarray(half, this.count));
    lower.#stateOf.set(this.#stateOf.subarray(half, this.count));
    lower.#submittedAt.set(this.#submittedAt.subarray(half, this.count));
    lower.#keptUntil.set(this.#keptUntil.subarray(half, this.count));
    lower.count = this.count - half;
    this.count = half;
    lower.#sumAll();
    this.#sumAll();
    return lower;
  }

  /** Drops what was kept until now. */
  expire(now: number): void {
    let kept = 0;
    for (let slot = 0; slot < this.count; slot++) {
      if ((this.#keptUntil[slot] ?? 0) <= now) continue;
      if (kept < slot) this.#copy(slot, kept);
      kept++;
    }
    this.count = kept;
    this.#sumAll();
  }

  /** Adds what is wanted, from a slot on down to the horizon. True when that is reached. */
  collect(from: number, wanted: Wanted, horizon: TaskId, into: TaskId[]): boolean {
    if (this.count === 0) return false;
    const reaches = horizon !== "" && this.lowest < horizon;
    if (this.#mayHave(wanted)) {
      for (let slot = from; slot < this.count && into.length < wanted.limit; slot++) {
        if (!this.#fits(slot, wanted)) continue;
        const id = this.#idAt(slot);
        if (reaches && id < horizon) return true;
        into.push(id);
      }
    }
    return reaches;
  }

  #mayHave({ states, labelBits, from, to }: Wanted): boolean {
    const isLabelled = (this.#labels & labelBits) !== 0;
    return (this.#states & states) !== 0 && isLabelled && this.#newest >= from && this.#oldest <= to;
  }

  #fits(slot: number, { states, labels, from, to, now }: Wanted): boolean {
    const at = this.#submittedAt[slot] ?? 0;
    return (
      ((1 << (this.#stateOf[slot] ?? 0)) & states) !== 0 &&
      (labels === null || labels[this.#labelOf[slot] ?? 0] === 1) &&
      at >= from &&
      at <= to &&
      (this.#keptUntil[slot] ?? 0) > now
    );
  }

  #compare(slot: number, { words }: IdWords): number {
    const ids = this.#ids;
    for (let word = 0, at = slot * WORDS; word < WORDS; word++, at++) {
      const difference = (ids[at] ?? 0) - (words[word] ?? 0);
      if (difference !== 0) return difference;
    }
    return 0;
  }

  /** The first slot whose id is not newer than the key. */
  #slotOf(key: IdWords): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#compare(middle, key) > 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Moves all from a slot on by one. */
  #move(from: number, to: number): void {
    const end = this.count;
    if (from === end) return;
    this.#ids.copyWithin(to * WORDS, from * WORDS, end * WORDS);
    this.#labelOf.copyWithin(to, from, end);
    this.#stateOf.copyWithin(to, from, end);
    this.#submittedAt.copyWithin(to, from, end);
    this.#keptUntil.copyWithin(to, from, end);
  }

  #copy(from: number, to: number): void {
    this.#ids.copyWithin(to * WORDS, from * WORDS, (from + 1) * WORDS);
    this.#labelOf[to] = this.#labelOf[from] ?? 0;
    this.#stateOf[to] = this.#stateOf[from] ?? 0;
    this.#submittedAt[to] = this.#submittedAt[from] ?? 0;
    this.#keptUntil[to] = this.#keptUntil[from] ?? 0;
  }

  #sum(slot: number): void {
    const at = this.#submittedAt[slot] ?? 0;
    this.#states |= 1 << (this.#stateOf[slot] ?? 0);
    this.#labels |= 1 << ((this.#labelOf[slot] ?? 0) & 31);
    if (at < this.#oldest) this.#oldest = at;
    if (at > this.#newest) this.#newest = at;
    const until = this.#keptUntil[slot] ?? 0;
    if (until < this.firstEnd) this.firstEnd = until;
  }

  #sumAll(): void {
    this.firstEnd = NEVER;
    this.#states = 0;
    this.#labels = 0;
    this.#oldest = NEVER;
    this.#newest = 0;
    for (let slot = 0; slot < this.count; slot++) this.#sum(slot);
  }

  #idAt(slot: number): TaskId {
    const ids = this.#ids;
    const at = slot * WORDS;
    const text = hex(ids[at]) + hex(ids[at + 1]) + hex(ids[at + 2]) + hex(ids[at + 3]);
    return `${text.slice(0, 8)}-${text.slice(8, 12)}-${text.slice(12, 16)}-${text.slice(16, 20)}-${text.slice(20)}`;
  }
}

function hex(word = 0): string {
  return word.toString(16).padStart(8, "0");
}
