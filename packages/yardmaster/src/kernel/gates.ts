import type { Millis, Rate } from "../protocol/task.ts";
import { type Gate, Pace, Places } from "./live.ts";

/** When the next start is allowed. A pace never owes more than its burst, whatever an earlier owner's clock said. */
export function opensAt(pace: Pace, { limit, perMs, burst }: Rate, now: Millis): Millis {
  const intervalMs = perMs / limit;
  const nextAt = Math.min(pace.nextAt, now + burst * intervalMs);
  return nextAt - (burst - 1) * intervalMs;
}

/** A start uses up what a rate allows. */
export function take(pace: Pace, { limit, perMs, burst }: Rate, now: Millis): void {
  const intervalMs = perMs / limit;
  pace.nextAt = Math.max(now, Math.min(pace.nextAt, now + burst * intervalMs)) + intervalMs;
}

/** All gates of a shard, by definition and key. */
export class Gates {
  readonly #places = new Map<string, Map<string, Places>>();
  readonly #paces = new Map<string, Map<string, Pace>>();

  places(name: string, key: string): Places {
    return inner(this.#places, name, key, () => new Places(name, key));
  }

  pace(name: string, key: string): Pace {
    return inner(this.#paces, name, key, () => new Pace(name, key, null));
  }

  *all(): Iterable<Gate> {
    for (const keys of this.#places.values()) yield* keys.values();
    for (const keys of this.#paces.values()) yield* keys.values();
  }

  /** Forgets whom nothing waits for; answers the paces among them. */
  forgetUnused(now: Millis): Pace[] {
    forget(this.#places, ({ waiting, holders }) => waiting === null && holders.size === 0);
    return forget(this.#paces, ({ waiting, nextAt }) => waiting === null && nextAt <= now);
  }
}

function inner<T>(outer: Map<string, Map<string, T>>, name: string, key: string, create: () => T): T {
  let keys = outer.get(name);
  if (keys === undefined) {
    keys = new Map();
    outer.set(name, keys);
  }
  let found = keys.get(key);
  if (found === undefined) {
    found = create();
    keys.set(key, found);
  }
  return found;
}

function forget<T>(outer: Map<string, Map<string, T>>, isUnused: (one: T) => boolean): T[] {
  const gone: T[] = [];
  for (const [name, keys] of outer) {
    for (const [key, one] of keys) {
      if (!isUnused(one)) continue;
      keys.delete(key);
      gone.push(one);
    }
    if (keys.size === 0) outer.delete(name);
  }
  return gone;
}
