import { YardmasterError } from "../protocol/errors.ts";

/** Whether one instance, which stands for a process, still lives, and what must happen when it does not. */
export class Life {
  readonly #endings = new Set<(how: Ending) => void>();
  #ended = false;

  get ended(): boolean {
    return this.#ended;
  }

  /** Throws CLOSED once the instance has ended. */
  check(): void {
    if (this.#ended) throw new YardmasterError("CLOSED", "The yard was closed.");
  }

  onEnd(run: (how: Ending) => void): () => void {
    this.#endings.add(run);
    return () => this.#endings.delete(run);
  }

  end(how: Ending): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const run of this.#endings) run(how);
    this.#endings.clear();
  }
}

/** A closed instance answers what is open; a crashed one falls silent. */
export type Ending = "closed" | "crashed";
