import type { StoredAnswer, StoredSearch } from "../protocol/envelope.ts";
import { LAST_ID } from "../protocol/ids.ts";
import { type Millis, STATES, type State, type TaskId, type TaskSpec } from "../protocol/task.ts";
import { IdWords, LEAF_SIZE, Leaf, NEVER } from "./catalogue-leaf.ts";

/** At most so many leaves a shard: about two million tasks, and 55 MB. */
const MAX_LEAVES = 4_000;
/** After this long without a question it is let go. */
const IDLE_MS = 900_000;
/** So many leaves are freed of expired entries at a time. */
const EXPIRED_AT_ONCE = 64;
/** Pairs of queue and name that are told apart; the last number stands for all others. */
const MAX_LABELS = 0xffff;

/** What the index says of a task. */
export interface Entry {
  readonly id: TaskId;
  readonly spec: Pick<TaskSpec, "name" | "queue">;
  readonly state: State;
  readonly submittedAt: Millis;
}

/**
 * An index of the tasks that only the store has: those that have ended, and parked ones. Newest first in leaves of
 * typed arrays, as in a B+ tree of two levels; each leaf says what may be in it, so that whatever is rare is found, or
 * found to be absent, without a look at most of them.
 *
 * It is closed until somebody asks. Then what ends is added, and the store is walked once from the newest id down: from
 * `horizon` on upwards all is known.
 */
export class Catalogue {
  isOpen = false;
  #leaves: Leaf[] = [];
  #labels = new Map<string, number>();
  #horizon: TaskId = LAST_ID;
  /** Below this id some have been forgotten for want of room. */
  #floor: TaskId = "";
  /** Nothing below the horizon is of interest: the store has no more, or there is no room. */
  #isWalked = false;
  #askedAt: Millis = 0;
  readonly #key = new IdWords();
  readonly #maxLeaves: number;

  constructor(maxLeaves: number = MAX_LEAVES) {
    this.#maxLeaves = maxLeaves;
  }

  /** From below which id on the store is to be walked; null where that is not wanted. */
  get unwalked(): TaskId | null {
    return this.isOpen && !this.#isWalked ? this.#horizon : null;
  }

  get size(): number {
    return this.#leaves.reduce((sum, { count }) => sum + count, 0);
  }

  /** The store was walked down to this id; to its end where that is null. */
  walkedTo(id: TaskId | null): void {
    if (this.#isWalked) return;
    const down = id ?? "";
    this.#isWalked = down <= this.#floor;
    this.#horizon = this.#isWalked ? this.#floor : down;
  }

  /** `keepUntil` is 0 where that is for ever. Hot while it is open. */
  add({ id, spec, state, submittedAt }: Entry, keepUntil: Millis): void {
    if (!this.isOpen || id < this.#floor) return;
    this.#key.set(id);
    const label = this.#labelOf(spec);
    const at = seconds(submittedAt);
    const until = keepUntil === 0 ? NEVER : seconds(keepUntil) + 1;
    this.#place().put(this.#key, label, STATES.indexOf(state), at, until);
    if (this.#leaves.length > this.#maxLeaves) this.#forgetOldest();
  }

  /** As `add`, for what a look at the store has found: what is known by now is newer than that look. */
  addFound(found: Entry, keepUntil: Millis): void {
    this.#key.set(found.id);
    if (this.#leaves[this.#leafOf()]?.has(this.#key) !== true) this.add(found, keepUntil);
  }

  /** It is in memory again. */
  remove(id: TaskId): void {
    if (!this.isOpen) return;
    this.#key.set(id);
    const index = this.#leafOf();
    const leaf = this.#leaves[index];
    if (leaf === undefined || !leaf.remove(this.#key)) return;
    if (leaf.count === 0) this.#leaves.splice(index, 1);
  }

  /** The newest that may fit; who asks looks at their records. Opens the catalogue. */
  find(search: StoredSearch, now: Millis): StoredAnswer {
    this.isOpen = true;
    this.#askedAt = now;
    const ids: TaskId[] = [];
    const { states, limit, from = 0, to = Number.MAX_SAFE_INTEGER } = search;
    const bits = states.reduce((sum, state) => sum | (1 << STATES.indexOf(state)), 0);
    const wanted = {
      states: bits,
      ...this.#wantedLabels(search),
      from: seconds(from),
      to: seconds(to),
      now: seconds(now),
      limit,
    };
    const start = this.#startOf(search.before);
    for (
      let index = start.leaf, slot = start.slot;
      index < this.#leaves.length && ids.length < limit;
      index++
    ) {
      const isLast = this.#leaves[index]?.collect(slot, wanted, this.#horizon, ids) ?? true;
      if (isLast) break;
      slot = 0;
    }
    return { ids, horizon: this.#horizon };
  }

  /** Lets go of what is kept no longer, and of everything where nobody has asked for long. */
  rest(now: Millis): void {
    if (!this.isOpen) return;
    if (now - this.#askedAt >= IDLE_MS) {
      this.#close();
      return;
    }
    // A look at the store that is under way may have been taken before that ended, and would bring it back as parked.
    if (this.#isWalked) this.#expire(now, EXPIRED_AT_ONCE);
  }

  #close(): void {
    this.isOpen = false;
    this.#leaves = [];
    this.#labels = new Map();
    this.#horizon = LAST_ID;
    this.#floor = "";
    this.#isWalked = false;
  }

  #expire(now: Millis, most: number): void {
    let left = most;
    for (const leaf of this.#leaves) {
      if (leaf.firstEnd > seconds(now)) continue;
      leaf.expire(seconds(now));
      left--;
      if (left === 0) break;
    }
    if (left < most) this.#leaves = this.#leaves.filter(({ count }) => count > 0);
  }

  /** The leaf that has the key or has room for it. */
  #place(): Leaf {
    const index = this.#leafOf();
    const leaf = this.#leaves[index];
    if (leaf === undefined) return this.#insert(0);
    if (leaf.count < LEAF_SIZE || leaf.has(this.#key)) return leaf;
    if (leaf.isBelow(this.#key)) return this.#insert(index + 1);
    if (index === 0 && leaf.isAbove(this.#key)) return this.#insert(0);
    const lower = leaf.split();
    this.#insert(index + 1, lower);
    return leaf.isBelow(this.#key) ? lower : leaf;
  }

  #insert(index: number, leaf: Leaf = new Leaf()): Leaf {
    this.#leaves.splice(index, 0, leaf);
    return leaf;
  }

  /** What is older is from here on looked for in the store. */
  #forgetOldest(): void {
    this.#leaves.pop();
    this.#floor = this.#leaves.at(-1)?.lowest ?? "";
    if (this.#floor <= this.#horizon) return;
    this.#horizon = this.#floor;
    this.#isWalked = true;
  }

  /** The last leaf whose newest is not older than the key; the first where all are. */
  #leafOf(): number {
    let low = 0;
    let high = this.#leaves.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#leaves[middle]?.isAbove(this.#key) === true) high = middle - 1;
      else low = middle;
    }
    return low;
  }

  #startOf(before: TaskId | undefined): { readonly leaf: number; readonly slot: number } {
    if (before === undefined) return { leaf: 0, slot: 0 };
    this.#key.set(before);
    const leaf = this.#leafOf();
    return { leaf, slot: this.#leaves[leaf]?.slotBelow(this.#key) ?? 0 };
  }

  #labelOf({ queue, name }: Entry["spec"]): number {
    const text = `${queue}\n${name}`;
    let label = this.#labels.get(text);
    if (label === undefined) {
      if (this.#labels.size >= MAX_LABELS) return MAX_LABELS;
      label = this.#labels.size;
      this.#labels.set(text, label);
    }
    return label;
  }

  #wantedLabels({ queue, name }: StoredSearch): { labels: Uint8Array | null; labelBits: number } {
    if (queue === undefined && name === undefined) return { labels: null, labelBits: -1 };
    const labels = new Uint8Array(MAX_LABELS + 1);
    const isOverfull = this.#labels.size === MAX_LABELS;
    labels[MAX_LABELS] = Number(isOverfull);
    let labelBits = isOverfull ? 1 << (MAX_LABELS & 31) : 0;
    for (const [text, label] of this.#labels) {
      const [ofQueue, ofName] = text.split("\n");
      if ((queue !== undefined && queue !== ofQueue) || (name !== undefined && name !== ofName)) continue;
      labels[label] = 1;
      labelBits |= 1 << (label & 31);
    }
    return { labels, labelBits };
  }
}

function seconds(at: Millis): number {
  return Math.min(Math.max(0, Math.floor(at / 1_000)), NEVER - 2);
}
