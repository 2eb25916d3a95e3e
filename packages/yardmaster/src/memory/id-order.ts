import type { TaskId } from "../protocol/task.ts";

/** Ids in order, kept from when somebody first asks for it. Those that are gone may be among them. */
export class IdOrder {
  readonly #among: ReadonlyMap<TaskId, unknown>;
  #ids: TaskId[] | null = null;

  /** `among` has all that are not gone. */
  constructor(among: ReadonlyMap<TaskId, unknown>) {
    this.#among = among;
  }

  /** How many it holds, those that are gone too. */
  get size(): number {
    return this.#ids?.length ?? 0;
  }

  /** Hot. Hardly ever is an id not the highest, or nearly so. */
  add(id: TaskId): void {
    if (this.#ids === null) return;
    if (this.#isStale()) {
      this.#ids = null;
      return;
    }
    const at = placeOf(this.#ids, id);
    if (this.#ids[at] !== id) this.#ids.splice(at, 0, id);
  }

  forget(): void {
    this.#ids = null;
  }

  /** Highest first. */
  *below(before: string): Generator<TaskId> {
    if (this.#ids === null || this.#isStale()) this.#ids = [...this.#among.keys()].sort();
    const ids = this.#ids;
    for (let at = placeOf(ids, before) - 1; at >= 0; at--) {
      const id = ids[at];
      if (id !== undefined) yield id;
    }
  }

  #isStale(): boolean {
    return this.size > 2 * this.#among.size + SOME;
  }
}

/** That many may be gone before it is worth while to put the rest in order anew. */
const SOME = 1_000;

/** How many are lower. */
function placeOf(ids: readonly TaskId[], id: string): number {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ids[middle] ?? "") < id) low = middle + 1;
    else high = middle;
  }
  return low;
}
