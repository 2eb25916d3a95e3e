import { describe, expect, it } from "vitest";
import { CLIENT, KernelYard, type TestWorker, type WorkerWish } from "../../test/kernel-yard.ts";
import fc from "../../test/property.ts";
import { NO_TERMS } from "../definition/terms.ts";
import type { Outcome } from "../protocol/envelope.ts";
import {
  DEFAULT_SETTINGS,
  isTerminal,
  ORDERS,
  PLACEMENTS,
  type QueueSettings,
  type TaskLimits,
  type TaskRequirements,
  type TaskTerms,
} from "../protocol/task.ts";

const QUEUES = ["default", "other"] as const;
const ends: readonly Outcome["kind"][] = [
  "succeeded",
  "succeeded",
  "failed",
  "final",
  "retryIn",
  "returned",
  "cancelled",
];

const LIMITS: readonly (TaskLimits | undefined)[] = [
  undefined,
  undefined,
  { concurrency: 1, rate: null },
  { concurrency: 2, rate: { limit: 2, perMs: 1_000, burst: 1 } },
  { concurrency: 0, rate: { limit: 1, perMs: 2_000, burst: 2 } },
];
const TERMS: readonly (TaskTerms | null)[] = [
  null,
  null,
  { ...NO_TERMS, deadlineInMs: 2_000 },
  { ...NO_TERMS, fairnessKey: "a" },
  { ...NO_TERMS, fairnessKey: "b", weight: 3, concurrencyKey: "b" },
  { ...NO_TERMS, concurrencyKey: "c", rateKey: "r", deadline: 1_002_000 },
  { ...NO_TERMS, affinityKey: "model" },
];
const NONE = { needs: {}, labels: {}, preferred: {} };
const REQUIREMENTS: readonly (TaskRequirements | undefined)[] = [
  undefined,
  undefined,
  { ...NONE, needs: { cpu: 1 } },
  { ...NONE, needs: { cpu: 2, gpu: 0.5 } },
  { ...NONE, labels: { zone: "eu" }, preferred: { disk: "ssd", rack: "1" } },
];
const SETTINGS: readonly (QueueSettings | undefined)[] = [
  undefined,
  { ...DEFAULT_SETTINGS, weight: 3, precedence: 1, agingMs: 100 },
  { ...DEFAULT_SETTINGS, concurrency: 1 },
  { ...DEFAULT_SETTINGS, concurrency: 2, rate: { limit: 3, perMs: 1_000, burst: 2 } },
];

/** What some workers offer and have. */
const WORKERS: readonly Pick<WorkerWish, "resources" | "labels">[] = [
  {},
  { resources: { cpu: 1 } },
  { resources: { cpu: 3, gpu: 1 }, labels: { zone: "eu", disk: "ssd" } },
  { labels: { zone: "us", rack: "1" } },
];

const submission = fc.record({
  name: fc.constantFrom("work", "work", "play", "unheard"),
  queue: fc.constantFrom(...QUEUES),
  attempts: fc.integer({ min: 1, max: 3 }),
  delivery: fc.constantFrom("at-least-once", "at-least-once", "at-most-once"),
  timeoutMs: fc.constantFrom(0, 1_000, 60_000),
  priority: fc.integer({ min: 0, max: 2 }),
  delayMs: fc.constantFrom(0, 0, 0, 500, 90_000),
  expiresInMs: fc.constantFrom(0, 0, 0, 700, 5_000),
  key: fc.constantFrom(null, null, null, "one", "two"),
  inputHash: fc.constantFrom("a", "a", "b"),
  payload: fc.constantFrom("1", "1", "x".repeat(5_000)),
  limits: fc.constantFrom(...LIMITS),
  terms: fc.constantFrom(...TERMS),
  requirements: fc.constantFrom(...REQUIREMENTS),
  isJoinable: fc.boolean(),
});

type Step =
  | { readonly act: "submit"; readonly wish: typeof submission extends fc.Arbitrary<infer T> ? T : never }
  | { readonly act: "tick"; readonly ms: number }
  | { readonly act: (typeof ACTS)[number]; readonly pick: number; readonly other: number };

const ACTS = [
  "copy",
  "cancel",
  "cancel",
  "cancelEarly",
  "submitEarly",
  "watch",
  "hire",
  "hire",
  "finish",
  "finish",
  "finish",
  "finish",
  "start",
  "start",
  "beat",
  "held",
  "die",
  "vanish",
  "outOfSight",
  "cutOff",
  "leave",
  "fallSilent",
  "loseFrame",
  "stubborn",
  "repeatOutcome",
  "pause",
  "resume",
  "reorder",
  "drain",
  "clientGone",
  "credit",
  "deaf",
  "takeover",
] as const;

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: submission.map((wish) => ({ act: "submit", wish }) as const) },
  {
    weight: 6,
    arbitrary: fc.constantFrom(0, 0, 1, 400, 1_100, 9_000).map((ms) => ({ act: "tick", ms }) as const),
  },
  { weight: 12, arbitrary: fc.record({ act: fc.constantFrom(...ACTS), pick: fc.nat(), other: fc.nat() }) },
);

function settingsOf(other: number): { readonly settings?: QueueSettings } {
  const settings = SETTINGS[(other >> 3) % SETTINGS.length];
  return settings === undefined ? {} : { settings };
}

/** One random history, and what happened in it. */
class History {
  readonly yard: KernelYard;
  readonly statesSeen: Set<string>;
  readonly ids: string[] = [];
  readonly #outcomes: { readonly worker: TestWorker; readonly outcome: Outcome }[] = [];
  #hired = 0;

  constructor(maxLive: number, statesSeen: Set<string>) {
    this.yard = new KernelYard({ maxLive });
    this.statesSeen = statesSeen;
  }

  run(next: Step): void {
    if (next.act === "submit") this.#submit(next.wish);
    else if (next.act === "tick") this.tick(next.ms);
    else this.#act(next.act, next.pick, next.other);
  }

  /** Time passes; only those who are silent on purpose do not beat. */
  tick(ms: number): void {
    const { yard } = this;
    for (const worker of yard.workers.values()) if (!this.silent.has(worker.id)) worker.beat();
    const { wantParked } = yard.tick(ms);
    if (wantParked > 0) yard.page(wantParked);
    for (const row of yard.rows.values()) this.statesSeen.add(row.task.state);
    for (const id of this.ids) {
      if (!yard.kernel.has(id)) continue;
      this.statesSeen.add(yard.state(id));
      expect(yard.kernel.answer({ type: "explain", id }, yard.now)).toHaveProperty("sentence");
    }
  }

  readonly silent = new Set<string>();

  #submit({
    name,
    queue,
    attempts,
    delivery,
    timeoutMs,
    key,
    inputHash,
    limits,
    requirements,
    isJoinable,
    ...wish
  }: Extract<Step, { act: "submit" }>["wish"]): void {
    const plain = { name, queue, attempts, delivery, timeoutMs } as const;
    const spec = {
      ...plain,
      ...(limits === undefined ? {} : { limits }),
      ...(requirements === undefined ? {} : { requirements }),
      ...(isJoinable && delivery !== "at-most-once" ? { speculation: { afterFactor: 1, afterMs: 0 } } : {}),
    };
    this.ids.push(
      this.yard.submit({ ...wish, spec, key: key === null ? null : { key, inputHash, windowMs: 3_000 } }),
    );
  }

  #act(act: (typeof ACTS)[number], pick: number, other: number): void {
    const { yard } = this;
    const id = this.ids[pick % Math.max(1, this.ids.length)];
    const workers = [...yard.workers.values()];
    const worker = workers[pick % Math.max(1, workers.length)];
    const queue = QUEUES[pick % 2] ?? "default";
    if (act === "hire") this.#hire(pick, other);
    else if (act === "takeover" && other % 4 === 0) this.#takeover();
    else if (act === "cancelEarly") yard.cancel(`early${pick % 3}`);
    else if (act === "submitEarly") this.#submitEarly(`early${pick % 3}`);
    else if (act === "deaf") yard.kernel.apply({ type: "deadlinesRestarted" }, yard.now);
    else if (act === "clientGone") yard.kernel.mailboxGone(CLIENT);
    else if (act === "pause" || act === "resume") this.#order({ type: act, queue });
    else if (act === "reorder")
      this.#order({
        type: "apply",
        queues: [
          {
            name: queue,
            order: ORDERS[other % ORDERS.length] ?? "fifo",
            placement: PLACEMENTS[pick % PLACEMENTS.length] ?? "random",
            paused: false,
            revision: 0,
            ...settingsOf(other),
          },
        ],
      });
    else if (id !== undefined && act === "copy") yard.submit({ id, copy: true });
    else if (id !== undefined && act === "cancel") yard.cancel(id, other);
    else if (id !== undefined && act === "watch") yard.watch(id, `client:${other % 3}`);
    else if (worker !== undefined) this.#actOn(worker, act, other);
  }

  #actOn(worker: TestWorker, act: (typeof ACTS)[number], other: number): void {
    const index = other % Math.max(1, worker.held.length);
    const holds = worker.held.length > 0;
    if (act === "finish" && holds) this.#finish(worker, ends[other % ends.length] ?? "failed", index);
    else if (act === "start" && holds) worker.start(index);
    else if (act === "beat") worker.beat();
    else if (act === "held") worker.reportHeld();
    else if (act === "die") worker.die();
    else if (act === "vanish") worker.die("absent");
    else if (act === "outOfSight") this.#lookAway(worker, other);
    else if (act === "cutOff") this.#cutOff(worker);
    else if (act === "leave") worker.leave();
    else if (act === "fallSilent") this.silent.add(worker.id);
    else if (act === "loseFrame") worker.losesFrame = true;
    else if (act === "stubborn") worker.isStubborn = !worker.isStubborn;
    else if (act === "drain") this.#order({ type: "drain", worker: worker.id });
    else if (act === "credit") this.#changeCredit(worker, other % 4);
    else if (act === "repeatOutcome") this.#repeat(other);
  }

  #lookAway({ id: worker }: TestWorker, other: number): void {
    const { kernel, now } = this.yard;
    if (other % 3 > 0) kernel.apply({ type: "presenceChanged", worker, isAbsent: other % 3 === 1 }, now);
    else kernel.apply({ type: "workerLost", worker, cause: "absent" }, now);
  }

  /** The next frame that arrives leaves a gap. */
  #cutOff(worker: TestWorker): void {
    this.yard.kernel.mailboxGone(worker.mailbox);
    worker.losesFrame = true;
  }

  #finish(worker: TestWorker, kind: Outcome["kind"], index: number): void {
    this.#outcomes.push({
      worker,
      outcome: worker.finish(kind, { delayMs: kind === "retryIn" ? 300 : 0 }, index),
    });
  }

  /** A worker says at once that it takes less; until that is heard it might get more. */
  #changeCredit(worker: TestWorker, credit: number): void {
    worker.credit = Math.max(worker.held.length, credit);
    worker.beat();
  }

  #repeat(other: number): void {
    const old = this.#outcomes[other % Math.max(1, this.#outcomes.length)];
    if (old !== undefined) old.worker.report(old.outcome);
  }

  #submitEarly(id: string): void {
    if (!this.ids.includes(id)) this.ids.push(id);
    this.yard.submit({ id });
  }

  #hire(pick: number, other: number): void {
    const tasks = [["work"], ["work", "play"], ["play"]][pick % 3];
    if (this.yard.workers.size < 5 && tasks !== undefined)
      this.yard.worker(`w${++this.#hired}`, { credit: 1 + (other % 3), tasks, ...WORKERS[other % 4] });
  }

  #order(command: Parameters<KernelYard["order"]>[0]): void {
    this.yard.order(command);
  }

  #takeover(): void {
    this.tick(0);
    this.yard.takeover();
  }

  /** Everybody wakes up and does what there is to do. */
  heal(): void {
    const { yard } = this;
    this.silent.clear();
    for (const queue of QUEUES) yard.order({ type: "resume", queue });
    for (const worker of yard.workers.values()) {
      worker.isStubborn = false;
      yard.kernel.apply({ type: "presenceChanged", worker: worker.id, isAbsent: false }, yard.now);
    }
    const labels = { zone: "eu" };
    yard.worker("healer", {
      credit: 4,
      tasks: ["work", "play", "unheard"],
      resources: { cpu: 2, gpu: 1 },
      labels,
    });
    for (let round = 0; round < 400 && !this.#isOver(); round++) {
      this.tick(1_000);
      for (const worker of [...yard.workers.values()])
        while (worker.held.length > 0) this.#finish(worker, "succeeded", 0);
    }
    this.tick(0);
  }

  #isOver(): boolean {
    return this.yard.kernel.live === 0 && this.ids.every((id) => isOverRow(this.yard, id));
  }
}

function isOverRow(yard: KernelYard, id: string): boolean {
  const row = yard.rows.get(id);
  return row !== undefined && (row.task.aliasOf !== "" || isTerminal(row.task.state));
}

describe("the kernel", () => {
  it("brings every task to one end through every state, whatever happens in between", () => {
    const statesSeen = new Set<string>();
    const history = fc.record({
      maxLive: fc.constantFrom(3, 8, 1_000),
      steps: fc.array(step, { minLength: 1, maxLength: 150, size: "max" }),
    });
    fc.assert(
      fc.property(history, ({ maxLive, steps }) => {
        const played = new History(maxLive, statesSeen);
        for (const next of steps) played.run(next);
        played.heal();
        const { yard } = played;
        for (const id of played.ids) expect([id, isOverRow(yard, id)]).toEqual([id, true]);
        for (const { task } of yard.rows.values()) {
          expect(task.deaths).toBeLessThanOrEqual(3);
          expect(task.attempt - (task.skipped ?? 0)).toBeLessThanOrEqual(task.spec.attempts);
        }
        expect([...yard.side.values()].filter(({ kind }) => kind === "second")).toEqual([]);
        expect(yard.kernel.oddities.impossible).toBe(0);
        expect(yard.kernel.live).toBe(0);
      }),
      { numRuns: 400 },
    );
    expect([...statesSeen].sort()).toEqual(
      [
        "submitted",
        "scheduled",
        "ready",
        "assigned",
        "running",
        "succeeded",
        "failed",
        "cancelled",
        "expired",
      ].sort(),
    );
  });

  it("gives the same effects for the same facts", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
        const [one, two] = [0, 1].map(() => {
          const played = new History(8, new Set());
          for (const next of steps) played.run(next);
          played.heal();
          return { rows: [...played.yard.rows], mail: [...played.yard.mail] };
        });
        expect(one).toEqual(two);
      }),
      { numRuns: 50 },
    );
  });
});
