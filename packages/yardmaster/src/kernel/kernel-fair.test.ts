import { describe, expect, it } from "vitest";
import { KernelYard } from "../../test/kernel-yard.ts";
import fc from "../../test/property.ts";
import type { QueueRecord, QueueSettings, TaskTerms } from "../protocol/task.ts";
import { DEFAULT_SETTINGS } from "../protocol/task.ts";
import { fair } from "./fair-ordering.ts";
import { type Flow, Flows } from "./flows.ts";
import type { InLine, Ordering } from "./ordering.ts";

const FAIR: QueueRecord = {
  name: "default",
  order: "fair",
  placement: "least-loaded",
  paused: false,
  revision: 1,
};

function termsOf(fairnessKey: string, weight = 1): TaskTerms {
  return {
    deadline: 0,
    deadlineInMs: 0,
    fairnessKey,
    weight,
    concurrencyKey: "",
    rateKey: "",
    affinityKey: "",
  };
}

const BY_DEFAULT: QueueRecord = { ...FAIR, order: "fifo", orderByDefault: true };

function declare(yard: KernelYard, wish: Partial<QueueRecord>): void {
  yard.order({ type: "apply", queues: [{ ...BY_DEFAULT, ...wish }] });
}

/** Submits so many tasks of a key, whose payloads say the key. */
function submitSome(yard: KernelYard, key: string, count: number, weight = 1): void {
  for (let task = 0; task < count; task++) yard.submit({ payload: key, terms: termsOf(key, weight) });
}

/** Runs so many tasks one at a time, each for so long, and says whose they were. */
function runSome(yard: KernelYard, count: number, durationMs: (key: string) => number): string[] {
  const worker = yard.workers.get("w") ?? yard.worker("w");
  const keys: string[] = [];
  yard.tick();
  while (keys.length < count && worker.held.length > 0) {
    const key = worker.held[0]?.assign.payload ?? "";
    keys.push(key);
    worker.beat();
    yard.tick(durationMs(key));
    worker.finish();
    yard.tick();
  }
  return keys;
}

function countOf(keys: readonly string[], key: string): number {
  return keys.filter((each) => each === key).length;
}

describe("a fair queue", () => {
  it("lets a small tenant pass a large one's backlog, also where nobody declared the queue", () => {
    const yard = new KernelYard();
    submitSome(yard, "large", 50);
    submitSome(yard, "small", 2);
    expect(runSome(yard, 4, () => 10).sort()).toEqual(["large", "large", "small", "small"]);
    expect(yard.queues.size).toBe(0);
  });

  it.each<[string, (yard: KernelYard) => void]>([
    ["where it was declared without an order", (yard: KernelYard) => declare(yard, {})],
    [
      "where it was declared by a worker",
      (yard: KernelYard) => yard.worker("v", { queues: [BY_DEFAULT] }).leave(),
    ],
    [
      "where it was only paused once",
      (yard: KernelYard) => {
        for (const type of ["pause", "resume"] as const) yard.order({ type, queue: "default" });
      },
    ],
  ])("is one that is given a fairness key %s, under later owners too", (_, prepare) => {
    const yard = new KernelYard();
    prepare(yard);
    yard.tick();
    yard.takeover();
    submitSome(yard, "large", 50);
    yard.tick();
    yard.takeover();
    declare(yard, { settings: { ...DEFAULT_SETTINGS, weight: 3 } });
    submitSome(yard, "small", 2);
    expect(runSome(yard, 4, () => 10).sort()).toEqual(["large", "large", "small", "small"]);
    expect(yard.kernel.answer({ type: "queues" }, yard.now)).toMatchObject([{ order: "fair" }]);
    yard.order({ type: "apply", queues: [{ ...FAIR, order: "fifo" }] });
    submitSome(yard, "tiny", 1);
    yard.tick();
    expect([...yard.side.keys()]).not.toContain("default-order\ndefault");
    expect(yard.kernel.answer({ type: "queues" }, yard.now)).toMatchObject([{ order: "fifo" }]);
  });

  it("gives time by weight, whatever a task was expected to take", () => {
    const yard = new KernelYard();
    yard.order({ type: "apply", queues: [FAIR] });
    submitSome(yard, "light", 400, 1);
    submitSome(yard, "heavy", 400, 3);
    const durations: Record<string, number> = { light: 400, heavy: 20 };
    const keys = runSome(yard, 200, (key) => durations[key] ?? 0);
    const usedMs = (key: string): number => countOf(keys, key) * (durations[key] ?? 0);
    expect(Math.abs(usedMs("heavy") / 3 - usedMs("light"))).toBeLessThanOrEqual(400 + 20 / 3);
  });

  it("starts level after a failover, and charges whoever has tasks running", () => {
    const yard = new KernelYard();
    yard.order({ type: "apply", queues: [FAIR] });
    submitSome(yard, "a", 20);
    submitSome(yard, "b", 20);
    runSome(yard, 9, () => 10);
    yard.takeover();
    const worker = yard.workers.get("w");
    yard.tick();
    const running = worker?.held[0]?.assign.payload;
    worker?.finish();
    yard.tick();
    expect(worker?.held[0]?.assign.payload).not.toBe(running);
    const keys = runSome(yard, 20, () => 10);
    expect(Math.abs(countOf(keys, "a") - countOf(keys, "b"))).toBeLessThanOrEqual(2);
  });

  it("knows only keys that have something", () => {
    const yard = new KernelYard();
    for (let key = 0; key < 100; key++) submitSome(yard, `tenant-${key}`, 1);
    expect(runSome(yard, 200, () => 1)).toHaveLength(100);
    yard.tick(10_000);
    expect(yard.kernel.live).toBe(0);
  });
});

describe("queues", () => {
  const settings = (changed: Partial<QueueSettings>): QueueSettings => ({ ...DEFAULT_SETTINGS, ...changed });

  function submitTo(yard: KernelYard, queue: string, count: number): void {
    for (let task = 0; task < count; task++) yard.submit({ payload: queue, spec: { queue } });
  }

  it("share the workers' time by their weights", () => {
    const yard = new KernelYard();
    const queues = [
      { ...FAIR, name: "one", order: "fifo" } as const,
      { ...FAIR, name: "three", order: "fifo", settings: settings({ weight: 3 }) } as const,
    ];
    yard.order({ type: "apply", queues });
    submitTo(yard, "one", 100);
    submitTo(yard, "three", 100);
    const keys = runSome(yard, 80, () => 50);
    expect(countOf(keys, "three")).toBeGreaterThanOrEqual(59);
    expect(countOf(keys, "three")).toBeLessThanOrEqual(61);
  });

  it("of larger precedence go first, always", () => {
    const yard = new KernelYard();
    const urgent = { ...FAIR, name: "urgent", order: "fifo", settings: settings({ precedence: 1 }) } as const;
    yard.order({ type: "apply", queues: [urgent] });
    submitTo(yard, "usual", 5);
    submitTo(yard, "urgent", 5);
    const keys = runSome(yard, 10, () => 50);
    expect(keys).toEqual([...Array(5).fill("urgent"), ...Array(5).fill("usual")]);
  });
});

interface Item extends InLine {
  readonly costMs: number;
}

const KEYS = ["a", "b", "c"] as const;
const WEIGHTS: Readonly<Record<string, number>> = { a: 1, b: 2, c: 0.5 };

const arrival = fc.record({
  key: fc.constantFrom(...KEYS),
  costMs: fc.integer({ min: 1, max: 100 }),
  at: fc.nat(1_500),
});
const run = fc.record({
  arrivals: fc.array(arrival, { minLength: 5, maxLength: 120, size: "max" }),
  slots: fc.integer({ min: 1, max: 4 }),
  lines: fc.integer({ min: 1, max: 2 }),
});
type Run = typeof run extends fc.Arbitrary<infer T> ? T : never;

/** Plays a run on so many slots. After each start: what each key's started tasks take, and which keys waited throughout. */
class Play {
  readonly flows = new Flows();
  readonly lines: Ordering<Item>[];
  readonly used: Record<string, number> = { a: 0, b: 0, c: 0 };
  readonly #running: { readonly endsAt: number; readonly item: Item; readonly flow: Flow }[] = [];
  readonly #guess: (item: Item) => number;
  #now = 0;

  constructor(lines: number, guess: (item: Item) => number) {
    const context = { agingMs: 1, flows: this.flows };
    this.lines = Array.from({ length: lines }, () => fair.create<Item>(context));
    this.#guess = guess;
  }

  play({ arrivals, slots }: Run, look: (waiting: ReadonlySet<string>) => void): void {
    const coming = arrivals
      .map(({ key, costMs, at }, order) => ({ at, item: itemOf(key, costMs, order) }))
      .sort((a, b) => a.at - b.at || a.item.order - b.item.order);
    while (coming.length > 0 || this.#running.length > 0) {
      this.#running.sort((a, b) => b.endsAt - a.endsAt);
      this.#now = Math.min(
        coming[0]?.at ?? Number.POSITIVE_INFINITY,
        this.#running.at(-1)?.endsAt ?? Number.POSITIVE_INFINITY,
      );
      for (let end = this.#running.at(-1); end?.endsAt === this.#now; end = this.#running.at(-1)) {
        this.#running.pop();
        this.flows.end(end.flow, end.item.costMs - this.#guess(end.item));
      }
      for (let next = coming[0]; next?.at === this.#now; next = coming[0]) {
        coming.shift();
        this.lines[next.item.order % this.lines.length]?.push(next.item);
      }
      look(this.#waiting());
      while (this.#running.length < slots && this.#start()) look(this.#waiting());
    }
  }

  #start(): boolean {
    let best: Ordering<Item> | undefined;
    for (const line of this.lines) {
      const [head, other] = [line.peek(), best?.peek()];
      if (
        head !== undefined &&
        (other === undefined || fair.before(head, other, { agingMs: 1, flows: this.flows }))
      )
        best = line;
    }
    const item = best?.pop();
    if (item === undefined) return false;
    const flow = this.flows.of(item.fairnessKey);
    this.flows.start(flow, this.#guess(item));
    this.#running.push({ endsAt: this.#now + item.costMs, item, flow });
    this.used[item.fairnessKey] = (this.used[item.fairnessKey] ?? 0) + item.costMs / item.weight;
    return true;
  }

  #waiting(): ReadonlySet<string> {
    return new Set(KEYS.filter((key) => this.flows.of(key).places.length > 0));
  }
}

function itemOf(fairnessKey: string, costMs: number, order: number): Item {
  const weight = WEIGHTS[fairnessKey] ?? 1;
  const none = {
    slot: -1,
    priority: 0,
    since: 0,
    deadline: Number.POSITIVE_INFINITY,
    expectedMs: 0,
    pathMs: 0,
  };
  return { ...none, order, costMs, fairnessKey, weight };
}

/** The largest difference of two keys' work by weight over any interval in which both waited all the time. */
function largestGap(played: Run, guess: (item: Item) => number, one: string, other: string): number {
  const play = new Play(played.lines, guess);
  let [least, most, gap] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
  play.play(played, (waiting) => {
    const difference = (play.used[one] ?? 0) - (play.used[other] ?? 0);
    least = Math.min(least, difference);
    most = Math.max(most, difference);
    gap = Math.max(gap, most - least);
    if (!waiting.has(one) || !waiting.has(other))
      [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  });
  return gap;
}

const PAIRS = [
  ["a", "b"],
  ["b", "c"],
  ["a", "c"],
] as const;

/** The largest task of a key, by its weight. */
function largest({ arrivals }: Run, key: string, guessMs: number): number {
  const costs = arrivals.filter((each) => each.key === key).map(({ costMs }) => costMs);
  return Math.max(guessMs, ...costs) / (WEIGHTS[key] ?? 1);
}

/** Serves so many tasks of two keys beside so many that have used something and want nothing more. */
function serveTwo(usedUp: number, tasks: number): { looks: number; strange: number; flows: Flows } {
  const flows = new Flows();
  const line = fair.create<Item>({ agingMs: 1, flows });
  const looks = { own: 0, strange: 0 };
  const serve = (): void => {
    const item = line.pop();
    const flow = flows.of(item?.fairnessKey ?? "");
    flows.start(flow, 10);
    flows.end(flow, 5);
  };
  let order = 0;
  for (let key = 0; key < usedUp; key++) {
    line.push(itemOf(`used-${key}`, 15, order++));
    serve();
    watch(flows.of(`used-${key}`), () => looks.strange++);
  }
  for (let task = 0; task < tasks; task++)
    for (const key of ["one", "other"]) line.push(itemOf(key, 15, order++));
  for (const key of ["one", "other"]) watch(flows.of(key), () => looks.own++);
  for (let task = 0; task < 2 * tasks; task++) serve();
  expect(line.size).toBe(0);
  return { looks: looks.own, strange: looks.strange, flows };
}

/** Whoever compares shares reads their tags. */
function watch(flow: Flow, look: () => void): void {
  let { tag } = flow;
  Object.defineProperty(flow, "tag", {
    get: () => {
      look();
      return tag;
    },
    set: (changed: number) => {
      tag = changed;
    },
  });
}

describe("start-time fair queueing", () => {
  it("looks at no key that has nothing waiting, however many have used something", () => {
    const [few, many] = [serveTwo(2, 1_000), serveTwo(100_000, 1_000)];
    expect(few.strange + many.strange).toBe(0);
    expect(many.looks).toBe(few.looks);
    expect(many.looks).toBeLessThanOrEqual(2_000 * 12);
    expect(many.flows.size).toBe(100_002);
    // What is paid for is forgotten.
    many.flows.forgetUnused(false);
    expect(many.flows.size).toBeLessThanOrEqual(2);
    many.flows.forgetUnused(true);
    expect(many.flows.size).toBe(0);
  });

  it("keeps the paper's bound in every interval where costs are known: a task of each", () => {
    fc.assert(
      fc.property(run, (played) => {
        for (const [one, other] of PAIRS) {
          const bound = largest(played, one, 0) + largest(played, other, 0);
          expect(largestGap(played, ({ costMs }) => costMs, one, other)).toBeLessThanOrEqual(bound + 1e-6);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("stays bounded where costs are guessed and corrected: by what the tasks in the slots may be wrong", () => {
    fc.assert(
      fc.property(run, fc.integer({ min: 1, max: 100 }), (played, guessMs) => {
        for (const [one, other] of PAIRS) {
          const bound =
            (4 * played.slots + 2) * (largest(played, one, guessMs) + largest(played, other, guessMs));
          expect(largestGap(played, () => guessMs, one, other)).toBeLessThanOrEqual(bound + 1e-6);
        }
      }),
      { numRuns: 300 },
    );
  });
});
