import { describe, expect, it } from "vitest";
import { KernelYard, type TestWorker } from "../../test/kernel-yard.ts";
import fc from "../../test/property.ts";
import { ORDERS, PLACEMENTS, type TaskRequirements, type TaskSpec } from "../protocol/task.ts";

/*
 * What holds for every placement, whatever is asked for: nothing is given away twice, labels are kept to, and no slot
 * is idle while a task waits that it could take, but for a worker that is kept for a task that was passed over for 5 s.
 */

const amount = fc.constantFrom(0, 0.5, 1, 2, 4);
const labels = fc.record({ zone: fc.constantFrom("eu", "us") }, { requiredKeys: [] });
const requirements: fc.Arbitrary<TaskRequirements> = fc.record({
  needs: fc.record({ cpu: amount, gpu: amount }, { requiredKeys: [] }),
  labels,
  preferred: fc.record(
    { disk: fc.constantFrom("ssd", "hdd"), zone: fc.constant("eu") },
    { requiredKeys: [] },
  ),
});
const task = fc.record({
  name: fc.constantFrom("work", "work", "play"),
  affinityKey: fc.constantFrom("", "a", "b"),
  priority: fc.nat(3),
  requirements: fc.option(requirements, { nil: undefined }),
});
const hire = fc.record({
  credit: fc.integer({ min: 1, max: 4 }),
  tasks: fc.constantFrom(["work"], ["work", "play"], ["play"]),
  labels: fc.record(
    { zone: fc.constantFrom("eu", "us"), disk: fc.constantFrom("ssd", "hdd") },
    { requiredKeys: [] },
  ),
  resources: fc.record({ cpu: amount, gpu: amount }, { requiredKeys: [] }),
});
const step = fc.oneof(
  { weight: 5, arbitrary: task.map((wish) => ({ act: "submit", wish }) as const) },
  { weight: 2, arbitrary: hire.map((wish) => ({ act: "hire", wish }) as const) },
  {
    weight: 4,
    arbitrary: fc.record({ act: fc.constantFrom("finish", "finish", "leave", "die"), pick: fc.nat() }),
  },
);
const scenario = fc.record({
  placement: fc.constantFrom(...PLACEMENTS),
  order: fc.constantFrom(...ORDERS),
  steps: fc.array(fc.record({ next: step, ms: fc.constantFrom(1, 1, 1_000, 6_000) }), {
    maxLength: 60,
    size: "max",
  }),
});
type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

class Play {
  readonly yard = new KernelYard();
  readonly ids: string[] = [];
  /** How often a slot was idle on purpose. */
  kept = 0;
  #hired = 0;
  /** Since when each of the tasks waits that a worker may be kept for. */
  readonly #readySince = new Map<string, number>();

  constructor({ placement, order }: Scenario) {
    const queue = { name: "default", order, placement, paused: false, revision: 1 };
    this.yard.order({ type: "apply", queues: [queue] });
    // Both names were known, so that no stranger is given what nobody knows.
    this.yard.worker("w0", { tasks: ["work", "play"] }).leave();
  }

  step({ next, ms }: Scenario["steps"][number]): void {
    const { yard } = this;
    if (next.act === "submit") this.#submit(next.wish);
    else if (next.act === "hire") yard.worker(`w${++this.#hired}`, next.wish);
    else {
      const workers = [...yard.workers.values()];
      const worker = workers[next.pick % Math.max(1, workers.length)];
      if (worker === undefined) return;
      if (next.act === "leave") worker.leave();
      else if (next.act === "die") worker.die();
      else if (worker.held.length > 0) worker.finish("succeeded", {}, next.pick % worker.held.length);
    }
    for (const worker of yard.workers.values()) worker.beat();
    yard.tick(ms);
    for (const id of this.ids) {
      if (yard.state(id) !== "ready") this.#readySince.delete(id);
      else if (!this.#readySince.has(id)) this.#readySince.set(id, yard.now);
    }
  }

  #submit({
    requirements: asked,
    affinityKey,
    name,
    priority,
  }: typeof task extends fc.Arbitrary<infer T> ? T : never): void {
    const plain = {
      deadline: 0,
      deadlineInMs: 0,
      fairnessKey: "",
      weight: 1,
      concurrencyKey: "",
      rateKey: "",
    };
    const spec = {
      name,
      attempts: 100,
      timeoutMs: 0,
      ...(asked === undefined ? {} : { requirements: asked }),
    };
    this.ids.push(this.yard.submit({ spec, priority, terms: { ...plain, affinityKey } }));
  }

  check(): void {
    for (const worker of this.yard.workers.values()) {
      for (const resource of ["cpu", "gpu"])
        expect(this.#used(worker, resource)).toBeLessThanOrEqual(worker.resources[resource] ?? 0);
      for (const { assign } of worker.held)
        expect(worker.labels).toMatchObject(this.#asked(assign.id)?.labels ?? {});
    }
    for (const id of this.ids) {
      if (this.yard.state(id) !== "ready") continue;
      for (const worker of this.yard.workers.values())
        if (this.#could(worker, id)) this.#checkKept(worker, id);
    }
  }

  /** It is idle for a task that has waited long enough, of which this one would use something up. */
  #checkKept(worker: TestWorker, id: string): void {
    const kept = this.ids.filter((one) => this.#readySince.has(one) && this.#keptFor(one) === worker.id);
    expect(kept, `${id} is ready, and ${worker.id} idle`).not.toEqual([]);
    const lines = new Set(
      kept.map((one) => JSON.stringify([this.yard.record(one).spec.name, this.#asked(one)])),
    );
    expect(lines.size, `kinds of tasks that ${worker.id} is kept for`).toBe(1);
    const waited = kept.map((one) => this.yard.now - (this.#readySince.get(one) ?? this.yard.now));
    expect(Math.max(...waited)).toBeGreaterThanOrEqual(5_000);
    const needs = this.#asked(kept[0] ?? "")?.needs ?? {};
    expect(Object.keys(this.#asked(id)?.needs ?? {}).some((resource) => (needs[resource] ?? 0) > 0)).toBe(
      true,
    );
    this.kept++;
  }

  /** Which worker the task is told to be waiting for. */
  #keptFor(id: string): unknown {
    const why = this.yard.kernel.answer({ type: "explain", id }, this.yard.now);
    return why !== null && "data" in why && "reserved" in why.data ? why.data["reserved"] : null;
  }

  #could(worker: TestWorker, id: string): boolean {
    const { spec } = this.yard.record(id);
    if (worker.held.length >= worker.credit || !worker.tasks.some(({ name }) => name === spec.name))
      return false;
    const { needs = {}, labels: asked = {} } = spec.requirements ?? {};
    return (
      Object.entries(asked).every(([name, text]) => worker.labels[name] === text) &&
      Object.entries(needs).every(
        ([resource, need]) => this.#used(worker, resource) + need <= (worker.resources[resource] ?? 0),
      )
    );
  }

  #used(worker: TestWorker, resource: string): number {
    return worker.held.reduce((sum, { assign }) => sum + (this.#asked(assign.id)?.needs[resource] ?? 0), 0);
  }

  #asked(id: string): TaskSpec["requirements"] {
    return this.yard.record(id).spec.requirements;
  }

  /** A worker for everything comes, and all others end what they have. */
  heal(): void {
    const resources = { cpu: 4, gpu: 4 };
    for (const zone of ["eu", "us"])
      this.yard.worker(`healer-${zone}`, { credit: 3, tasks: ["work", "play"], resources, labels: { zone } });
    for (let round = 0; round < 300 && this.yard.kernel.live > 0; round++) {
      for (const worker of this.yard.workers.values()) {
        if (worker.held.length > 0) worker.finish();
        worker.beat();
      }
      this.yard.tick(1_000);
    }
  }
}

describe("every placement", () => {
  it("gives nothing away twice, keeps to labels, and leaves no slot idle but one that is kept for a task", () => {
    let kept = 0;
    fc.assert(
      fc.property(scenario, (drawn) => {
        const play = new Play(drawn);
        for (const next of drawn.steps) {
          play.step(next);
          play.check();
        }
        kept += play.kept;
        play.heal();
        expect(play.yard.kernel.live).toBe(0);
      }),
      { numRuns: 300 },
    );
    expect(kept).toBeGreaterThan(0);
  });

  it("lets a task that needs much start however many others go on coming", () => {
    const crowd = fc.record({
      placement: fc.constantFrom(...PLACEMENTS),
      order: fc.constantFrom("fifo", "priority", "fair", "deadline", "shortest"),
      cpus: fc.array(fc.integer({ min: 2, max: 6 }), { minLength: 1, maxLength: 4 }),
      seed: fc.nat(),
    });
    fc.assert(
      fc.property(crowd, ({ placement, order, cpus, seed }) => {
        const yard = new KernelYard({ seed });
        const queue = { name: "default", order, placement, paused: false, revision: 1 } as const;
        yard.order({ type: "apply", queues: [queue] });
        for (const [index, cpu] of cpus.entries())
          yard.worker(`w${index}`, { credit: 8, tasks: ["small", "large"], resources: { cpu } });
        const asking = (cpu: number): TaskRequirements => ({ needs: { cpu }, labels: {}, preferred: {} });
        const most = Math.max(...cpus);
        const others = (): void => {
          for (const cpu of cpus)
            for (let n = 0; n < cpu; n++) yard.submit({ spec: { name: "small", requirements: asking(1) } });
        };
        others();
        yard.tick();
        const large = yard.submit({ priority: 1, spec: { name: "large", requirements: asking(most) } });
        let seconds = 0;
        // Each second a small task ends on each worker, and more than that come.
        for (; yard.state(large) === "ready" && seconds < 200; seconds++) {
          others();
          for (const worker of yard.workers.values()) {
            worker.finish();
            worker.beat();
          }
          yard.tick(1_000);
        }
        // Passed over for 5 s, then until as many small ones have ended as are in its way.
        expect(seconds).toBeLessThanOrEqual(order === "priority" ? 60 : 5 + 2 * most);
      }),
      { numRuns: 60 },
    );
  });
});
