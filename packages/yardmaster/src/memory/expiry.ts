import type { Millis } from "../protocol/task.ts";

/** Which keys are over when, in buckets of a minute, so that finding those that are does not walk over the rest. */
export class Expiry {
  readonly #buckets = new Map<number, Map<string, Millis>>();
  readonly #until = new Map<string, Millis>();

  set(key: string, until: Millis): void {
    this.delete(key);
    const minute = Math.floor(until / BUCKET_MS);
    const bucket = this.#buckets.get(minute) ?? new Map<string, Millis>();
    this.#buckets.set(minute, bucket.set(key, until));
    this.#until.set(key, until);
  }

  snapshot(): () => void {
    const until = new Map(this.#until);
    return () => {
      for (const key of [...this.#until.keys()]) this.delete(key);
      for (const [key, time] of until) this.set(key, time);
    };
  }

  delete(key: string): void {
    const until = this.#until.get(key);
    if (until === undefined) return;
    const minute = Math.floor(until / BUCKET_MS);
    const bucket = this.#buckets.get(minute);
    bucket?.delete(key);
    if (bucket?.size === 0) this.#buckets.delete(minute);
    this.#until.delete(key);
  }

  /** Up to `limit` keys whose time was over before `before`. */
  due(before: Millis, limit: number): string[] {
    const keys: string[] = [];
    for (const [minute, bucket] of this.#buckets) {
      if (minute * BUCKET_MS >= before) continue;
      for (const [key, until] of bucket) {
        if (keys.length === limit) return keys;
        if (until < before) keys.push(key);
      }
    }
    return keys;
  }
}

const BUCKET_MS = 60_000;
