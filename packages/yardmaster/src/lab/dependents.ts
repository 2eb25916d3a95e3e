/** Which tasks wait for others to end. */
export class Dependents {
  /** By who waits, for how many. */
  readonly #open = new Map<string, number>();
  /** By whom is waited for. */
  readonly #waiting = new Map<string, string[]>();

  add(id: string, after: readonly string[]): void {
    this.#open.set(id, after.length);
    for (const one of after) {
      const others = this.#waiting.get(one);
      if (others === undefined) this.#waiting.set(one, [id]);
      else others.push(id);
    }
  }

  waits(id: string): boolean {
    return this.#open.has(id);
  }

  /** Who waits for nobody any more, now that this one has ended. */
  ended(id: string): string[] {
    const freed: string[] = [];
    this.#open.delete(id);
    for (const other of this.#waiting.get(id) ?? []) {
      const open = this.#open.get(other);
      if (open === undefined) continue;
      if (open === 1) freed.push(other);
      if (open === 1) this.#open.delete(other);
      else this.#open.set(other, open - 1);
    }
    this.#waiting.delete(id);
    return freed;
  }
}
