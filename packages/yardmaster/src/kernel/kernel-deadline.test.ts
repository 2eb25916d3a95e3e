import { describe, expect, it } from "vitest";
import { CLIENT, KernelYard } from "../../test/kernel-yard.ts";
import fc from "../../test/property.ts";
import { NO_TERMS } from "../definition/terms.ts";
import {
  type Admission,
  DEFAULT_SETTINGS,
  type Order,
  type QueueRecord,
  type TaskTerms,
} from "../protocol/task.ts";

function queueOf(order: Order, admission: Admission = "any"): QueueRecord {
  const settings = { ...DEFAULT_SETTINGS, admission };
  return { name: "default", order, placement: "least-loaded", paused: false, revision: 1, settings };
}

function yardWith(order: Order, admission?: Admission): KernelYard {
  const yard = new KernelYard();
  yard.order({ type: "apply", queues: [queueOf(order, admission)] });
  return yard;
}

function due(terms: Partial<TaskTerms>): TaskTerms {
  return { ...NO_TERMS, ...terms };
}

/** Runs everything on one slot; what a task takes is its payload. Answers when each one ended. */
function runAll(yard: KernelYard): Map<string, number> {
  const worker = yard.workers.get("w") ?? yard.worker("w", { tasks: ["work", "play"] });
  const ends = new Map<string, number>();
  for (yard.tick(); worker.held.length > 0; yard.tick()) {
    const [held] = worker.held;
    worker.beat();
    yard.tick(Number(held?.assign.payload));
    ends.set(worker.finish().id, yard.now);
  }
  return ends;
}

describe("a queue ordered by deadline", () => {
  it("runs what is due first, wherever the deadline was counted from, and the rest as it came", () => {
    const yard = yardWith("deadline");
    const [none, late, soon, none2] = [
      null,
      due({ deadline: yard.now + 500 }),
      due({ deadlineInMs: 400 }),
      null,
    ].map((terms) => yard.submit({ terms, payload: "1" }));
    expect([...runAll(yard).keys()]).toEqual([soon, late, none, none2]);
    expect(yard.record(soon ?? "").terms).toEqual(due({ deadline: 1_000_400 }));
  });

  it("misses nothing where all can be in time", () => {
    const task = fc.record({
      takesMs: fc.integer({ min: 1, max: 9_000 }),
      slackMs: fc.nat(3_000),
      place: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(task, { maxLength: 25, size: "max" }), fc.boolean(), (tasks, takeover) => {
        const yard = yardWith("deadline");
        let end = yard.now;
        const feasible = tasks.map(({ takesMs, slackMs, place }) => {
          end += takesMs;
          return { takesMs, deadline: end + slackMs, place };
        });
        feasible.sort((a, b) => a.place - b.place);
        const deadlines = new Map(
          feasible.map(({ takesMs, deadline }) => [
            yard.submit({ payload: String(takesMs), terms: due({ deadline }), spec: { timeoutMs: 0 } }),
            deadline,
          ]),
        );
        yard.tick();
        if (takeover) yard.takeover();
        const ends = runAll(yard);
        expect(ends.size).toBe(tasks.length);
        for (const [id, deadline] of deadlines) expect(ends.get(id)).toBeLessThanOrEqual(deadline);
      }),
      { numRuns: 100 },
    );
  });

  it.each([1, 3])(
    "misses nothing of equal tasks that come over time, on %i slots, where all can be in time",
    (slots) => {
      // Where all take one unit and come on whole units, earliest deadline first is optimal, also without interruption:
      // in any schedule that is in time, two tasks may change places until it is this one, and none becomes late.
      const unitMs = 1_000;
      const upTo = (most: number) => fc.noBias(fc.nat(most));
      const task = fc.record({ at: upTo(25), waits: upTo(6), slack: upTo(2) });
      let [waited, tight] = [0, 0];
      fc.assert(
        fc.property(
          fc.array(task, { minLength: 20, maxLength: 60, size: "max" }),
          fc.nat(25),
          (wishes, takeoverAt) => {
            const units = new Map<number, number>();
            // Each has a place in a schedule that is in time: it comes before that, and is due after it.
            const tasks = wishes.flatMap(({ at, waits, slack }) => {
              const used = units.get(at) ?? 0;
              units.set(at, used + 1);
              return used < slots ? [{ from: Math.max(0, at - waits), due: at + 1 + slack }] : [];
            });
            const yard = yardWith("deadline");
            const worker = yard.worker("w", { credit: slots });
            const start = yard.now;
            const deadlines = new Map<string, number>();
            let ended = 0;
            for (let unit = 0; ended < tasks.length; unit++) {
              worker.beat();
              for (const one of tasks) {
                if (one.from !== unit) continue;
                const deadline = start + one.due * unitMs;
                deadlines.set(yard.submit({ terms: due({ deadline }) }), deadline);
              }
              yard.tick();
              if (unit === takeoverAt) {
                yard.takeover();
                worker.beat();
                // The new owner asks the worker to register, and what it holds.
                yard.tick();
                yard.tick();
              }
              waited += Math.max(0, deadlines.size - ended - worker.held.length);
              yard.tick(unitMs);
              while (worker.held.length > 0) {
                const deadline = deadlines.get(worker.finish().id) ?? 0;
                expect(yard.now).toBeLessThanOrEqual(deadline);
                if (yard.now === deadline) tight++;
                ended++;
              }
            }
            expect(ended).toBe(deadlines.size);
          },
        ),
        { numRuns: 100 },
      );
      // Chance has made many wait, and many end at the last moment.
      expect(Math.min(waited, tight)).toBeGreaterThan(80);
    },
  );

  it("refuses what it cannot end in time, if it is asked to, and says so", () => {
    const yard = yardWith("deadline", "refuse");
    const worker = yard.worker("w");
    yard.submit({ payload: "1000" });
    runAll(yard);
    const wishes = [1_500, 2_500, 2_900, 3_500].map((deadlineInMs) =>
      yard.submit({ terms: due({ deadlineInMs }), payload: "1000" }),
    );
    yard.tick();
    expect(worker.held).toHaveLength(1);
    const states = wishes.map((id) => [yard.state(id), yard.record(id).code]);
    expect(states).toEqual([
      ["assigned", ""],
      ["ready", ""],
      ["failed", "TASK_REFUSED"],
      ["ready", ""],
    ]);
    expect(yard.mailOf(CLIENT, "accepted")).toMatchObject([
      { id: wishes[2], outcome: "refused", code: "TASK_REFUSED" },
    ]);
    const past = yard.submit({ terms: due({ deadline: yard.now }), payload: "1000" });
    yard.tick();
    expect(yard.state(past)).toBe("failed");
  });

  it("flags it instead where it is asked to, and knows after a failover what tasks take", () => {
    const yard = yardWith("deadline", "flag");
    yard.worker("w");
    yard.submit({ payload: "5000" });
    runAll(yard);
    yard.workers.get("w")?.beat();
    yard.tick(6_000);
    yard.takeover();
    yard.workers.get("w")?.beat();
    yard.tick();
    const id = yard.submit({ terms: due({ deadlineInMs: 4_000 }), payload: "1" });
    yard.tick();
    expect([yard.state(id), yard.record(id).code]).toEqual(["assigned", "DEADLINE_DOUBTFUL"]);
  });
});

interface Coming {
  readonly atMs: number;
  readonly name: string;
  readonly takesMs: number;
}

/** Runs on one slot what comes over time. Answers, in the order of their starts, what came when. */
function startsOf(order: Order, coming: readonly Coming[]): (Coming & { readonly startMs: number })[] {
  const yard = yardWith(order);
  const worker = yard.worker("w", { tasks: [...new Set(coming.map(({ name }) => name))] });
  const began = yard.now;
  const left = [...coming].sort((a, b) => a.atMs - b.atMs);
  const known = new Map<string, Coming>();
  const starts: (Coming & { readonly startMs: number })[] = [];
  const comeUntil = (ms: number): void => {
    for (let next = left[0]; next !== undefined && next.atMs <= ms; next = left[0]) {
      left.shift();
      const inMs = began + next.atMs - yard.now;
      if (inMs > 0) yard.tick(inMs);
      known.set(yard.submit({ spec: { name: next.name } }), next);
    }
  };
  for (;;) {
    comeUntil(yard.now - began);
    worker.beat();
    yard.tick();
    const [held] = worker.held;
    if (held === undefined) {
      const [next] = left;
      if (next === undefined) return starts;
      comeUntil(next.atMs);
      continue;
    }
    const task = known.get(held.assign.id);
    if (task === undefined) throw new Error(`Nobody submitted ${held.assign.id}.`);
    const startMs = yard.now - began;
    starts.push({ ...task, startMs });
    comeUntil(startMs + task.takesMs);
    yard.tick(Math.max(0, began + startMs + task.takesMs - yard.now));
    worker.finish();
  }
}

describe("a queue that runs the shortest first", () => {
  it("lets a long task start after ten times what it takes, however many short ones come", () => {
    const short = (atMs: number): Coming => ({ atMs, name: "short", takesMs: 10 });
    const long = (atMs: number): Coming => ({ atMs, name: "long", takesMs: 1_000 });
    // Both are known; then short ones come as fast as they can be done, for ever.
    const endless = Array.from({ length: 2_000 }, (_, index) => short(2_000 + 10 * index));
    const starts = startsOf("shortest", [long(0), short(0), long(2_000), ...endless]);
    const last = starts.filter(({ name }) => name === "long").at(-1);
    // It has the rank of a short one that comes 10 x (1,000 - 10) ms after it, and one may be running.
    expect(last?.startMs).toBeGreaterThanOrEqual(2_000 + 9_900);
    expect(last?.startMs).toBeLessThanOrEqual(2_000 + 9_900 + 2 * 10);
  });

  it("lets nobody be overtaken by what came more than ten times its duration after it", () => {
    const takes = fc.integer({ min: 1, max: 400 });
    const one = fc.record({ atMs: fc.nat(20_000), kind: fc.nat(2) });
    let overtaken = 0;
    fc.assert(
      fc.property(
        fc.tuple(takes, takes, takes),
        fc.array(one, { minLength: 40, maxLength: 150, size: "max" }),
        (durations, wishes) => {
          const taskOf = (atMs: number, kind: number): Coming => ({
            atMs,
            name: `kind-${kind}`,
            takesMs: durations[kind] ?? 1,
          });
          // One of each kind has ended before the others come, so that what they take is known.
          const first = durations.map((_, kind) => taskOf(0, kind));
          const starts = startsOf("shortest", [
            ...first,
            ...wishes.map(({ atMs, kind }) => taskOf(2_000 + atMs, kind)),
          ]);
          for (const [index, late] of starts.entries())
            for (const earlier of starts.slice(0, index)) {
              if (late.atMs < 2_000 || earlier.atMs <= late.atMs) continue;
              overtaken++;
              expect(earlier.atMs - late.atMs).toBeLessThanOrEqual(10 * late.takesMs);
            }
        },
      ),
      { numRuns: 50 },
    );
    expect(overtaken).toBeGreaterThan(500);
  });

  it("ends tasks earlier on average than first come, first served", () => {
    const meanWait = (order: Order): number => {
      const yard = yardWith(order);
      for (const [name, payload] of [
        ["work", "1000"],
        ["play", "10"],
      ] as const)
        yard.submit({ payload, spec: { name } });
      runAll(yard);
      const from = yard.now;
      for (let task = 0; task < 20; task++) {
        yard.submit({ payload: "1000" });
        yard.submit({ payload: "10", spec: { name: "play" } });
      }
      const ends = [...runAll(yard).values()];
      expect(ends).toHaveLength(40);
      return ends.reduce((sum, end) => sum + end - from, 0) / ends.length;
    };
    expect(meanWait("shortest")).toBeLessThan(0.6 * meanWait("fifo"));
  });
});
