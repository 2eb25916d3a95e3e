import type { TaskId } from "../protocol/task.ts";

/** Ids in order, kept from when somebody first asks for it. Those that are gone may be among them. */
export class IdOrder {
  #ids: TaskId[] | null = null;

  /** Hot. Hardly ever is an id not the highest, or nearly so. */
  add(id: TaskId): void {
    if (this.#ids === null) return;
    const at = placeOf(this.#ids, id);
    if (this.#ids[at] !== id) this.#ids.splice(at, 0, id);
  }

  forget(): void {
    this.#ids = null;
  }

  /** Highest first; `among` has all that are not gone. */
  *below(before: string, among: ReadonlyMap<TaskId, unknown>): Generator<TaskId> {
    if (this.#ids === null || this.#ids.length > 2 * among.size + SOME) this.#ids = [...among.keys()].sort();
    const ids = this.#ids;
    for (let at = placeOf(ids, before) - 1; at >= 0; at--) {
      const id = ids[at];
      if (id !== undefined) yield id;
    }
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
