/**
 * A seeded stream of chance: sfc32 (Chris Doty-Humphrey's Small Fast Counter), seeded through a string hash
 * so that every named stream of one seed is independent of the draws of the others.
 */
export class Random {
  readonly #seed: number;
  #a = 0;
  #b = 0;
  #c = 0;
  #counter = 1;

  constructor(seed: number, stream: string) {
    this.#seed = seed;
    this.#a = seed | 0;
    this.#b = hashText(stream);
    this.#c = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b);
    for (let i = 0; i < 12; i++) this.next();
  }

  /** A uniformly distributed unsigned 32-bit integer. */
  next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** From 0 up to and without `limit`, with fractions. */
  below(limit: number): number {
    return (this.next() / 2 ** 32) * limit;
  }

  between(low: number, high: number): number {
    return low + this.below(high - low);
  }

  /** An integer from `low` to `high`, both included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.below(high - low + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability * 2 ** 32;
  }

  pick<T>(items: readonly [T, ...T[]]): T {
    return items[Math.floor(this.below(items.length))] ?? items[0];
  }

  /** Another stream of the same seed. */
  fork(stream: string): Random {
    return new Random(this.#seed, stream);
  }
}

/** FNV-1a over UTF-16 code units. */
export function hashText(text: string, start = 0x811c9dc5): number {
  let hash = start;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}
