/**
 * A bounded cache that gives equal values one object.
 *
 * Two generations stand in for an exact least-recently-used order: what was not asked for while the young one
 * filled is dropped with the old one, and a hit in the young one is a single look-up.
 */
export class Interner<T> {
  private readonly limit: number;
  private young = new Map<string, T>();
  private old = new Map<string, T>();

  /** Holds between `limit` and twice as many values. */
  constructor(limit: number) {
    this.limit = limit;
  }

  get(key: string): T | undefined {
    const found = this.young.get(key);
    if (found !== undefined) return found;
    const survivor = this.old.get(key);
    if (survivor !== undefined) this.set(key, survivor);
    return survivor;
  }

  set(key: string, value: T): void {
    if (this.young.size >= this.limit) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(key, value);
  }

  get size(): number {
    return this.young.size + this.old.size;
  }
}

const texts = new Interner<string>(4096);

/** The same string object for equal texts, so that a mailbox named by many tasks is held in memory once. */
export function internText(text: string): string {
  if (text === "") return text;
  const known = texts.get(text);
  if (known !== undefined) return known;
  texts.set(text, text);
  return text;
}
