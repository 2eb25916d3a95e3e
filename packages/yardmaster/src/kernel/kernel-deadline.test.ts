import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CLIENT, KernelYard } from "../../test/kernel-yard.ts";
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
  const none = {
    deadline: 0,
    deadlineInMs: 0,
    fairnessKey: "",
    weight: 1,
    concurrencyKey: "",
    rateKey: "",
    affinityKey: "",
  };
  return { ...none, ...terms };
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

describe("a queue that runs the shortest first", () => {
  it("ends tasks earlier on average than first come, first served, and starves nobody", () => {
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
