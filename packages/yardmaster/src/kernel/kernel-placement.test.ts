import { describe, expect, it } from "vitest";
import { KernelYard, type TestWorker, type Wish, type WorkerWish } from "../../test/kernel-yard.ts";
import fc from "../../test/property.ts";
import type { PlacementName, TaskRequirements, TaskTerms } from "../protocol/task.ts";

function declared(placement: PlacementName, order: "fifo" | "priority" = "fifo"): KernelYard {
  const yard = new KernelYard();
  const queue = { name: "default", order, placement, paused: false, revision: 1 } as const;
  yard.order({ type: "apply", queues: [queue] });
  return yard;
}

function asking(requirements: Partial<TaskRequirements>, wish: Wish = {}): Wish {
  const all = { needs: {}, labels: {}, preferred: {}, ...requirements };
  return { ...wish, spec: { ...wish.spec, requirements: all } };
}

function sticking(affinityKey: string): Wish {
  const terms: TaskTerms = {
    deadline: 0,
    deadlineInMs: 0,
    fairnessKey: "",
    weight: 1,
    concurrencyKey: "",
    rateKey: "",
    affinityKey,
  };
  return { terms };
}

function workers(yard: KernelYard, wishes: Readonly<Record<string, WorkerWish>>): Map<string, TestWorker> {
  return new Map(Object.entries(wishes).map(([id, wish]) => [id, yard.worker(id, wish)]));
}

/** How many tasks each worker holds, in the order of their coming. */
function loads(yard: KernelYard): number[] {
  return [...yard.workers.values()].map(({ held }) => held.length);
}

function submitMany(yard: KernelYard, count: number, wish: Wish = {}): void {
  for (let index = 0; index < count; index++) yard.submit(wish);
}

function whereIs(yard: KernelYard, id: string): string | undefined {
  return [...yard.workers.values()].find(({ held }) => held.some(({ assign }) => assign.id === id))?.id;
}

describe("placement", () => {
  it("least-loaded fills all workers by the same part of their credit", () => {
    const yard = declared("least-loaded");
    workers(yard, { small: { credit: 2 }, large: { credit: 8 } });
    submitMany(yard, 5);
    yard.tick();
    expect(loads(yard)).toEqual([1, 4]);
  });

  it("two-choices takes the less loaded one where there are two", () => {
    const yard = declared("two-choices");
    workers(yard, { a: { credit: 50 }, b: { credit: 50 } });
    submitMany(yard, 40);
    yard.tick();
    expect(loads(yard)).toEqual([20, 20]);
  });

  it("idle-first finds the one worker that does nothing", () => {
    const yard = declared("idle-first");
    workers(yard, Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`w${n}`, { credit: 5 }])));
    submitMany(yard, 30);
    yard.tick();
    expect(loads(yard)).toEqual(Array.from({ length: 30 }, () => 1));
  });

  it("random takes whoever has room", () => {
    const yard = declared("random");
    workers(yard, { a: { credit: 100 }, b: { credit: 100 } });
    submitMany(yard, 100);
    yard.tick();
    const [a = 0, b = 0] = loads(yard);
    expect(a + b).toBe(100);
    expect(Math.min(a, b)).toBeGreaterThan(25);
  });

  it("pack leaves whole workers free, and those with more than is asked for", () => {
    const yard = declared("pack");
    workers(yard, {
      gpu: { credit: 9, resources: { cpu: 4, gpu: 1 } },
      a: { credit: 9, resources: { cpu: 4 } },
      b: { credit: 9, resources: { cpu: 4 } },
    });
    submitMany(yard, 4, asking({ needs: { cpu: 1 } }));
    yard.tick();
    expect(loads(yard)).toEqual([0, 4, 0]);
    const large = yard.submit(asking({ needs: { cpu: 4 } }));
    yard.tick();
    expect(whereIs(yard, large)).toBe("b");
  });

  it("pack without needs fills one worker's slots after the other", () => {
    const yard = declared("pack");
    workers(yard, { a: { credit: 3 }, b: { credit: 3 } });
    submitMany(yard, 3);
    yard.tick();
    expect(loads(yard)).toEqual([3, 0]);
  });

  it("spread keeps the fullest resource of any worker as low as it can", () => {
    const yard = declared("spread");
    workers(yard, {
      a: { credit: 100, resources: { cpu: 4, memoryMb: 1_000 } },
      b: { credit: 100, resources: { cpu: 4, memoryMb: 4_000 } },
    });
    submitMany(yard, 4, asking({ needs: { cpu: 0.5, memoryMb: 400 } }));
    yard.tick();
    expect(loads(yard)).toEqual([1, 3]);
  });

  it("sticky sends a key where it went before, and only the keys of a lost worker elsewhere", () => {
    const yard = declared("sticky");
    const wishes = Array.from({ length: 8 }, (_, n) => [`w${n}`, { credit: 1_000 }] as const);
    workers(yard, Object.fromEntries(wishes));
    const keys = Array.from({ length: 60 }, (_, n) => `key-${n}`);
    const place = (): (string | undefined)[] => {
      const homes = keys.map((key) => {
        const id = yard.submit(sticking(key));
        yard.tick();
        const home = whereIs(yard, id);
        yard.workers.get(home ?? "")?.finish();
        yard.tick();
        return home;
      });
      return homes;
    };
    const before = place();
    expect(new Set(before).size).toBe(8);
    expect(place()).toEqual(before);
    yard.workers.get("w3")?.die();
    const after = place();
    for (const [index, home] of before.entries())
      if (home !== "w3") expect(after[index]).toBe(home);
      else expect(after[index]).not.toBe("w3");
  });

  it("sticky moves on where a worker has a quarter more than its part", () => {
    const yard = declared("sticky");
    const wishes = Array.from({ length: 5 }, (_, n) => [`w${n}`, { credit: 100 + 10 * n }] as const);
    workers(yard, Object.fromEntries(wishes));
    const credit = 5 * 100 + 10 * 10;
    for (let placed = 1; placed <= 400; placed++) {
      const before = loads(yard);
      // One hot key, and some others.
      yard.submit(sticking(placed % 3 === 0 ? `key-${placed % 7}` : "hot"));
      yard.tick();
      const grown = loads(yard).findIndex((load, index) => load > (before[index] ?? 0));
      const bound = Math.ceil((1.25 * placed * (100 + 10 * grown)) / credit);
      expect(loads(yard)[grown]).toBeLessThanOrEqual(bound);
    }
  });

  it("makes a queue that nobody declared sticky as soon as a task brings a key", () => {
    const yard = new KernelYard();
    workers(yard, { a: { credit: 50 }, b: { credit: 50 } });
    submitMany(yard, 2, sticking("k"));
    yard.tick();
    expect(yard.kernel.answer({ type: "queues" }, yard.now)).toMatchObject([{ placement: "sticky" }]);
  });
});

describe("sticky placement", () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ act: fc.constant("submit"), pick: fc.nat(6) }) },
    { weight: 3, arbitrary: fc.record({ act: fc.constantFrom("end", "end", "end", "die"), pick: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ act: fc.constant("hire"), pick: fc.integer({ min: 1, max: 12 }) }) },
    { weight: 1, arbitrary: fc.record({ act: fc.constant("takeover"), pick: fc.constant(0) }) },
  );

  /** What a worker may have: its part of all that is in use and a quarter more, rounded up. */
  function boundOf(yard: KernelYard, { credit }: TestWorker): number {
    const all = [...yard.workers.values()];
    const total = all.reduce((sum, { held }) => sum + held.length, 0);
    return Math.ceil((1.25 * total * credit) / all.reduce((sum, worker) => sum + worker.credit, 0));
  }

  function checkPlaced(yard: KernelYard, home: TestWorker): boolean {
    if (home.held.length <= boundOf(yard, home)) return true;
    // All slots of those within their bounds are in use.
    for (const worker of yard.workers.values()) {
      const isFree = worker !== home && worker.held.length < worker.credit;
      if (isFree) expect(worker.held.length + 1).toBeGreaterThan(boundOf(yard, worker));
    }
    return false;
  }

  it("gives nobody more than a quarter beyond its part, whoever comes, ends, dies or takes over", () => {
    let placed = 0;
    let bounded = 0;
    fc.assert(
      fc.property(fc.nat(), fc.array(step, { maxLength: 120, size: "max" }), (seed, steps) => {
        const yard = new KernelYard({ seed, workerLossMs: 1e9 });
        const queue = {
          name: "default",
          order: "fifo",
          placement: "sticky",
          paused: false,
          revision: 1,
        } as const;
        yard.order({ type: "apply", queues: [queue] });
        let hired = 0;
        const hire = (credit: number): unknown => yard.worker(`w${seed % 97}-${hired++}`, { credit });
        for (const credit of [2, 5, 9]) hire(credit);
        yard.tick();
        for (const { act, pick } of steps) {
          const all = [...yard.workers.values()];
          const worker = all[pick % Math.max(1, all.length)];
          const hasRoom = all.some(({ held, credit }) => held.length < credit);
          if (act === "submit" && hasRoom) {
            const before = new Map(all.map((one) => [one, one.held.length]));
            yard.submit({ ...sticking(`key-${pick}`), spec: { attempts: 1, timeoutMs: 0 } });
            yard.tick();
            const home = all.find((one) => one.held.length > (before.get(one) ?? 0));
            if (home === undefined) throw new Error("There was room, and the task waits.");
            placed++;
            if (checkPlaced(yard, home)) bounded++;
          } else if (act === "end" && (worker?.held.length ?? 0) > 0) worker?.finish();
          else if (act === "die" && all.length > 1) worker?.die();
          else if (act === "hire") hire(pick);
          else if (act === "takeover") {
            yard.takeover();
            for (const one of all) one.beat();
          }
          yard.tick();
          yard.tick();
        }
      }),
      { numRuns: 60 },
    );
    expect(placed).toBeGreaterThan(1_000);
    expect(bounded / placed).toBeGreaterThan(0.9);
  });
});

describe("labels", () => {
  it("rule out workers without them, and keep nobody else waiting", () => {
    const yard = declared("two-choices");
    workers(yard, {
      eu: { credit: 2, labels: { zone: "eu" } },
      us: { credit: 2, labels: { zone: "us" } },
    });
    submitMany(yard, 3, asking({ labels: { zone: "eu" } }));
    submitMany(yard, 2);
    yard.tick();
    expect(loads(yard)).toEqual([2, 2]);
    yard.workers.get("eu")?.finish();
    yard.tick();
    expect(loads(yard)).toEqual([2, 2]);
  });

  it("that are preferred decide among those with room, and no task waits for them", () => {
    const yard = declared("least-loaded");
    workers(yard, {
      none: { credit: 3 },
      one: { credit: 2, labels: { disk: "ssd" } },
      both: { credit: 2, labels: { disk: "ssd", zone: "eu" } },
    });
    submitMany(yard, 3, asking({ preferred: { disk: "ssd", zone: "eu" } }));
    yard.tick();
    expect(loads(yard)).toEqual([0, 1, 2]);
    submitMany(yard, 3, asking({ preferred: { disk: "ssd", zone: "eu" } }));
    yard.tick();
    expect(loads(yard)).toEqual([2, 2, 2]);
  });

  it("are those of the last registration", () => {
    const yard = declared("two-choices");
    const worker = yard.worker("w", { credit: 2 });
    const id = yard.submit(asking({ labels: { zone: "eu" } }));
    yard.tick();
    expect(yard.state(id)).toBe("ready");
    worker.labels = { zone: "eu" };
    worker.register();
    yard.tick();
    expect(yard.state(id)).toBe("assigned");
  });
});

describe("resources", () => {
  it("are a task's alone until it has ended", () => {
    const yard = declared("two-choices");
    const worker = yard.worker("w", { credit: 10, resources: { gpu: 1, cpu: 2 } });
    submitMany(yard, 3, asking({ needs: { gpu: 0.5 } }));
    yard.tick();
    expect(worker.held).toHaveLength(2);
    worker.finish();
    yard.tick();
    expect(worker.held).toHaveLength(2);
  });

  it("stay in use while a worker does not let go of an attempt", () => {
    const yard = declared("two-choices");
    const worker = yard.worker("w", { credit: 10, resources: { gpu: 1 } });
    worker.isStubborn = true;
    const [first, next] = [{}, {}].map(() =>
      yard.submit(asking({ needs: { gpu: 1 } }, { spec: { timeoutMs: 10, attempts: 1 } })),
    );
    yard.tick();
    worker.start();
    for (let beats = 0; beats < 5; beats++) {
      worker.beat();
      yard.tick(2_000);
    }
    expect([first, next].map((id) => yard.state(id ?? ""))).toEqual(["failed", "ready"]);
    worker.finish("cancelled");
    yard.tick();
    expect(yard.state(next ?? "")).toBe("assigned");
  });

  it("are counted anew by the next owner", () => {
    const yard = declared("two-choices");
    const worker = yard.worker("w", { credit: 10, resources: { gpu: 2 } });
    submitMany(yard, 3, asking({ needs: { gpu: 1 } }));
    yard.tick();
    yard.takeover();
    yard.tick();
    yard.tick();
    expect(worker.held).toHaveLength(2);
    expect(yard.kernel.answer({ type: "workers" }, yard.now)).toMatchObject([
      { resources: { gpu: 2 }, resourcesUsed: { gpu: 2 } },
    ]);
    worker.finish();
    yard.tick();
    expect(worker.held).toHaveLength(2);
  });

  it("that nobody has keep no other task waiting", () => {
    const yard = declared("two-choices");
    yard.worker("w", { credit: 2, resources: { cpu: 4 } });
    const impossible = yard.submit(asking({ needs: { gpu: 1 } }));
    const others = [yard.submit(asking({ needs: { cpu: 3 } })), yard.submit()];
    yard.tick();
    expect(others.map((id) => yard.state(id))).toEqual(["assigned", "assigned"]);
    expect(yard.kernel.answer({ type: "explain", id: impossible }, yard.now)).toMatchObject({
      reason: "no-such-resource",
      sentence: "No connected worker offers gpu: 1.",
    });
  });
});

describe("a task that needs much", () => {
  /** Four tasks that need one each, always, beside one that needs all four. */
  function crowded(order: "fifo" | "priority" = "fifo"): {
    yard: KernelYard;
    worker: TestWorker;
    step: () => void;
  } {
    const yard = declared("two-choices", order);
    const worker = yard.worker("w", { credit: 10, resources: { cpu: 4 } });
    submitMany(yard, 4, asking({ needs: { cpu: 1 } }));
    yard.tick();
    const step = (): void => {
      worker.finish();
      yard.submit(asking({ needs: { cpu: 1 } }));
      worker.beat();
      yard.tick(500);
    };
    return { yard, worker, step };
  }

  it("has a worker kept for it when it was passed over for 5 s", () => {
    const { yard, worker, step } = crowded();
    const large = yard.submit(asking({ needs: { cpu: 4 } }, { priority: 9 }));
    for (let steps = 0; steps < 9; steps++) step();
    expect(yard.state(large)).toBe("ready");
    expect(worker.held).toHaveLength(4);
    for (let steps = 0; steps < 5; steps++) step();
    expect(whereIs(yard, large)).toBe("w");
    worker.finish(
      "succeeded",
      {},
      worker.held.findIndex(({ assign }) => assign.id === large),
    );
    yard.tick();
    expect(worker.held).toHaveLength(4);
  });

  it("keeps what needs nothing of it from nowhere", () => {
    const { yard, worker, step } = crowded();
    const large = yard.submit(asking({ needs: { cpu: 4 } }));
    for (let steps = 0; steps < 13; steps++) step();
    const small = yard.submit();
    yard.tick();
    expect(yard.kernel.answer({ type: "explain", id: large }, yard.now)).toMatchObject({
      reason: "resources",
      sentence: "No worker has cpu: 4 free. Worker w is kept free for it.",
      data: { needs: { cpu: 4 }, reserved: "w" },
    });
    expect(whereIs(yard, small)).toBe("w");
    expect(worker.held.length).toBeLessThan(5);
  });

  it("gives its worker up when it is cancelled", () => {
    const { yard, worker, step } = crowded();
    const large = yard.submit(asking({ needs: { cpu: 4 } }));
    for (let steps = 0; steps < 12; steps++) step();
    yard.cancel(large);
    yard.tick();
    yard.tick();
    expect(worker.held).toHaveLength(4);
  });
});
