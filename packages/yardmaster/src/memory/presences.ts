/** Who is present in a yard in memory. A holder is any object that stands for a process. */
export class Presences {
  /** Null once the holder is gone. */
  readonly #holders = new Map<string, object | null>();

  hold(name: string, holder: object): void {
    this.#holders.delete(name);
    this.#holders.set(name, holder);
    this.#forgetOld();
  }

  release(name: string, holder: object): void {
    if (this.#holders.get(name) === holder) this.#holders.set(name, null);
  }

  releaseAll(holder: object): void {
    for (const name of this.#holders.keys()) this.release(name, holder);
  }

  absent(names: readonly string[]): string[] {
    return names.filter((name) => this.#holders.get(name) === null);
  }

  #forgetOld(): void {
    if (this.#holders.size <= MAX_NAMES) return;
    for (const [name, holder] of this.#holders) {
      if (holder === null) this.#holders.delete(name);
      if (this.#holders.size <= MAX_NAMES / 2) return;
    }
  }
}

/** Names beyond this many make the oldest absent ones forgotten: nobody asks for a process that died so long ago. */
const MAX_NAMES = 10_000;
