import { Random } from "../kernel/random.ts";

/** The laboratory's chance: everything of a run follows from its seed, and streams of other names are independent. */
export class Chance {
  readonly #random: Random;

  constructor(seed: number, stream: string) {
    let hash = seed | 0;
    for (let index = 0; index < stream.length; index++)
      hash = Math.imul(hash ^ stream.charCodeAt(index), 0x01000193);
    this.#random = new Random(hash >>> 0);
  }

  /** From 0 up to and without 1, of 2^53 equal steps: 32 bits would cut off long tails. */
  fraction(): number {
    return ((this.#random.next() >>> 5) * 2 ** 26 + (this.#random.next() >>> 6)) / 2 ** 53;
  }

  below(limit: number): number {
    return Math.floor(this.fraction() * limit);
  }

  exponential(mean: number): number {
    return -mean * Math.log(1 - this.fraction());
  }

  /** G. Box, M. Muller, 1958. */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.fraction())) * Math.cos(2 * Math.PI * this.fraction());
  }
}
