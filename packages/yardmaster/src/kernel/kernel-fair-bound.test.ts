import { describe, expect, it } from "vitest";
import { KernelYard, type TestWorker } from "../../test/kernel-yard.ts";
import fc from "../../test/property.ts";
import type { QueueRecord, TaskId } from "../protocol/task.ts";

/*
 * The bound of start-time fair queueing, held to on the whole kernel: tasks are cancelled, fail and are tried again, are
 * handed back, wait for a limit of their own, and owners change.
 */

const WEIGHTS = { a: 1, b: 2, limited: 0.5 } as const;
type Key = keyof typeof WEIGHTS;
/** No attempt takes longer, and nothing longer is expected: it is also the first guess. */
const LONGEST_MS = 100;
const BACKOFF_MS = 150;
const FAIR: QueueRecord = {
  name: "default",
  order: "fair",
  placement: "least-loaded",
  paused: false,
  revision: 1,
};

const keys = fc.constantFrom<Key>("a", "b", "limited");
const step = fc.record({
  what: fc.oneof(
    { weight: 5, arbitrary: fc.record({ act: fc.constant("burst" as const), key: keys, count: fc.nat(25) }) },
    { weight: 3, arbitrary: fc.record({ act: fc.constant("cancel" as const), pick: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ act: fc.constant("takeover" as const) }) },
  ),
  gapMs: fc.nat(400),
});
const drawn = fc.record({
  steps: fc.array(step, { minLength: 3, maxLength: 30, size: "max" }),
  credits: fc.array(fc.integer({ min: 1, max: 2 }), { minLength: 1, maxLength: 2 }),
  /** One in so many attempts fails, and one in so many is handed back. */
  failsEach: fc.integer({ min: 3, max: 20 }),
  returnsEach: fc.integer({ min: 3, max: 20 }),
  seed: fc.nat(),
});
type Drawn = typeof drawn extends fc.Arbitrary<infer T> ? T : never;

interface Start {
  readonly key: Key;
  readonly at: number;
  readonly endsAt: number;
  readonly fate: "succeeded" | "failed" | "returned";
  /** What it has really taken; a start that was handed back has taken nothing. */
  costMs: number;
}

interface Look {
  /** How many attempts had started by then. */
  readonly starts: number;
  /** Both keys had something waiting, and no other owner has come since the look before. */
  readonly goesOn: boolean;
}

class Play {
  readonly yard: KernelYard;
  readonly starts: Start[] = [];
  readonly looks: Look[] = [];
  readonly counts = { cancelled: 0, failed: 0, returned: 0, limited: 0, takeovers: 0 };
  readonly #drawn: Drawn;
  readonly #keys = new Map<TaskId, Key>();
  readonly #running = new Map<TestWorker["held"][number], Start>();
  #isNew = true;

  constructor(drawn: Drawn, order: QueueRecord["order"]) {
    this.#drawn = drawn;
    this.yard = new KernelYard({ seed: drawn.seed, workerLossMs: 1e9, validate: false });
    this.yard.order({ type: "apply", queues: [{ ...FAIR, order }] });
    for (const [index, credit] of drawn.credits.entries()) this.yard.worker(`w${index}`, { credit });
    this.#tick(0);
  }

  get slots(): number {
    return this.#drawn.credits.reduce((sum, credit) => sum + credit, 0);
  }

  run(): void {
    for (const { what, gapMs } of this.#drawn.steps) {
      this.#passTo(this.yard.now + gapMs);
      if (what.act === "burst") this.#submit(what.key, what.count);
      else if (what.act === "cancel") this.#cancel(what.pick);
      else this.#takeover();
      this.#tick(0);
    }
    for (let round = 0; this.yard.kernel.live > 0 && round < 2_000; round++)
      this.#passTo(this.yard.now + 200);
    expect(this.yard.kernel.live).toBe(0);
  }

  #submit(key: Key, count: number): void {
    const limits = key === "limited" ? { limits: { concurrency: 1, rate: null } } : {};
    const none = { deadline: 0, deadlineInMs: 0, concurrencyKey: "", rateKey: "", affinityKey: "" };
    for (let task = 0; task < count; task++) {
      const id = this.yard.submit({
        terms: { ...none, fairnessKey: key, weight: WEIGHTS[key] },
        spec: { timeoutMs: 0, backoff: { type: "fixed", baseMs: BACKOFF_MS, jitter: "none" }, ...limits },
      });
      this.#keys.set(id, key);
    }
  }

  #cancel(pick: number): void {
    const ids = [...this.#keys.keys()].filter((id) => this.yard.kernel.has(id));
    const id = ids[pick % Math.max(1, ids.length)];
    if (id === undefined) return;
    this.yard.cancel(id);
    this.counts.cancelled++;
  }

  #takeover(): void {
    this.yard.takeover();
    for (const worker of this.yard.workers.values()) worker.beat();
    this.#isNew = true;
    this.counts.takeovers++;
  }

  /** Ends attempts at their times, one after the other, and lets happen what is due between. */
  #passTo(time: number): void {
    for (;;) {
      const [held, start] = [...this.#running].sort(([, a], [, b]) => a.endsAt - b.endsAt)[0] ?? [];
      const at = Math.min(start?.endsAt ?? Number.POSITIVE_INFINITY, this.yard.kernel.nextWakeAt());
      if (at > time) break;
      this.#tick(Math.max(0, at - this.yard.now));
      if (held === undefined || start === undefined || start.endsAt > this.yard.now) continue;
      const worker = [...this.yard.workers.values()].find((one) => one.held.includes(held));
      if (worker === undefined) continue;
      worker.finish(start.fate, {}, worker.held.indexOf(held));
      if (start.fate !== "succeeded") this.counts[start.fate]++;
      this.#tick(0);
    }
    this.#tick(time - this.yard.now);
  }

  #tick(ms: number): void {
    const { yard } = this;
    yard.tick(ms);
    const held = [...yard.workers.values()].flatMap((worker) => worker.held);
    for (const [one, start] of this.#running) {
      if (held.includes(one)) continue;
      this.#running.delete(one);
      start.costMs =
        start.fate === "returned" && yard.now >= start.endsAt ? 0 : Math.max(1, yard.now - start.at);
    }
    for (const one of held) if (!this.#running.has(one)) this.#running.set(one, this.#start(one.assign.id));
    const waiting = new Set<Key>();
    for (const [id, key] of this.#keys) {
      if (!yard.kernel.has(id)) this.#keys.delete(id);
      else if (yard.state(id) === "ready") waiting.add(key);
    }
    if (waiting.has("limited")) this.counts.limited++;
    this.looks.push({
      starts: this.starts.length,
      goesOn: waiting.has("a") && waiting.has("b") && !this.#isNew,
    });
    this.#isNew = false;
  }

  #start(id: TaskId): Start {
    const number = this.starts.length;
    const { failsEach, returnsEach, seed } = this.#drawn;
    const { now } = this.yard;
    const costMs = 1 + ((number * 37 + seed) % LONGEST_MS);
    const isReturned = (number + seed) % returnsEach === 0;
    const fate = isReturned ? "returned" : (number + seed) % failsEach === 1 ? "failed" : "succeeded";
    const start: Start = {
      key: this.#keys.get(id) ?? "limited",
      at: now,
      endsAt: now + costMs,
      fate,
      costMs: 0,
    };
    this.starts.push(start);
    return start;
  }

  /** The largest difference of what the two keys were given, by weight, over any interval in which both waited. */
  largestGap(): number {
    let [difference, seen, gap] = [0, 0, 0];
    let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const { starts, goesOn } of this.looks) {
      for (const { key, costMs } of this.starts.slice(seen, starts)) {
        if (key === "a") difference += costMs / WEIGHTS.a;
        if (key === "b") difference -= costMs / WEIGHTS.b;
      }
      seen = starts;
      if (!goesOn) [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
      else {
        least = Math.min(least, difference);
        most = Math.max(most, difference);
        gap = Math.max(gap, most - least);
      }
    }
    return gap;
  }

  get bound(): number {
    return (4 * this.slots + 2) * (LONGEST_MS / WEIGHTS.a + LONGEST_MS / WEIGHTS.b);
  }
}

describe("the kernel's fair queue", () => {
  it("stays within the bound over every interval, whatever is cancelled, tried again, handed back or taken over", () => {
    const seen = { cancelled: 0, failed: 0, returned: 0, limited: 0, takeovers: 0 };
    fc.assert(
      fc.property(drawn, (case_) => {
        const play = new Play(case_, "fair");
        play.run();
        for (const name of Object.keys(seen) as (keyof typeof seen)[]) seen[name] += play.counts[name];
        expect(play.largestGap()).toBeLessThanOrEqual(play.bound + 1e-6);
      }),
      { numRuns: 100 },
    );
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(100);
  });

  it("is held to something: first come, first served does not stay within it", () => {
    const burst = (key: Key): Drawn["steps"][number] => ({
      what: { act: "burst", key, count: 25 },
      gapMs: 0,
    });
    const steps = [burst("a"), burst("a"), burst("b"), burst("b")];
    const case_: Drawn = { steps, credits: [1], failsEach: 20, returnsEach: 20, seed: 5 };
    const [fair, fifo] = (["fair", "fifo"] as const).map((order) => {
      const play = new Play(case_, order);
      play.run();
      return play.largestGap() / play.bound;
    });
    expect(fair).toBeLessThan(0.5);
    expect(fifo).toBeGreaterThan(1);
  });
});
