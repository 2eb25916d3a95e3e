/**
 * A seeded generator: sfc32 of the PractRand suite (Chris Doty-Humphrey), seeded through SplitMix32.
 * The same seed gives the same draws on every machine.
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number) {
    this.#a = mix(seed);
    this.#b = mix(seed + 1);
    this.#c = mix(seed + 2);
    // The first draws still show the seed.
    for (let round = 0; round < 12; round++) this.next();
  }

  /** A uniformly distributed unsigned 32-bit integer. */
  next(): number {
    const draw = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + draw) | 0;
    return draw >>> 0;
  }

  /** An integer from 0 to `limit` - 1, for limits far below 2^32. */
  below(limit: number): number {
    return Math.floor((this.next() / 2 ** 32) * limit);
  }
}

function mix(value: number): number {
  let mixed = (value + 0x9e3779b9) | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return mixed ^ (mixed >>> 15);
}
