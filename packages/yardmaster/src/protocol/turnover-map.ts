/**
 * A map for what comes and goes all the time, in the order of a `Map`. Hot.
 *
 * V8 gives a `Map` a new table whenever deleted entries fill its old one, and once a table has grown old, each that
 * follows is made in the old generation too. There each leaves what was in it behind, alive until the next full
 * collection, and minor collections take several times as long. Here the tables hold places alone, and the values stand
 * in an array whose places are used again.
 */
export class TurnoverMap<Key extends string | number, Value extends object> {
  readonly #places = new Map<Key, number>();
  readonly #values: (Value | undefined)[] = [];
  readonly #free: number[] = [];

  get size(): number {
    return this.#places.size;
  }

  has(key: Key): boolean {
    return this.#places.has(key);
  }

  get(key: Key): Value | undefined {
    const place = this.#places.get(key);
    return place === undefined ? undefined : this.#values[place];
  }

  set(key: Key, value: Value): void {
    const place = this.#places.get(key) ?? this.#take(key);
    this.#values[place] = value;
  }

  delete(key: Key): boolean {
    const place = this.#places.get(key);
    if (place === undefined) return false;
    this.#places.delete(key);
    this.#values[place] = undefined;
    this.#free.push(place);
    return true;
  }

  keys(): MapIterator<Key> {
    return this.#places.keys();
  }

  *values(): Generator<Value, undefined> {
    for (const [, value] of this) yield value;
  }

  /** As that of a `Map`: what is deleted meanwhile is left out, and what is added comes at the end. */
  *[Symbol.iterator](): Generator<[Key, Value], undefined> {
    for (const [key, place] of this.#places) {
      const value = this.#values[place];
      if (value !== undefined) yield [key, value];
    }
  }

  #take(key: Key): number {
    const place = this.#free.pop() ?? this.#values.length;
    this.#places.set(key, place);
    return place;
  }
}
