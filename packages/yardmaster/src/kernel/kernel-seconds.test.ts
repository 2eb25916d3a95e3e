import { describe, expect, it } from "vitest";
import { KernelYard, type TestWorker } from "../../test/kernel-yard.ts";
import fc from "../../test/property.ts";
import type { Outcome } from "../protocol/envelope.ts";
import { isTerminal } from "../protocol/task.ts";

const ACTS = [
  ...["submit", "tick", "late", "late", "late", "start", "finish", "finish", "hire", "held"],
  ...["die", "vanish", "loseFrame", "stubborn", "repeat", "cancel", "takeover", "forget"],
] as const;
const ENDS = ["succeeded", "failed", "failed", "final", "retryIn", "returned", "cancelled"] as const;

const acts = fc.array(fc.record({ act: fc.constantFrom(...ACTS), pick: fc.nat(), other: fc.nat() }), {
  minLength: 20,
  maxLength: 120,
  size: "max",
});
type Act = { readonly act: string; readonly pick: number; readonly other: number };

/** One random history of tasks that may all have second attempts. */
class Course {
  readonly yard = new KernelYard({ workerLossMs: 60_000 });
  readonly ids: string[] = [];
  readonly joined = new Set<string>();
  readonly #ended: { readonly worker: TestWorker; readonly outcome: Outcome }[] = [];
  #hired = 0;

  constructor() {
    const worker = this.hire();
    for (let done = 0; done < 3; done++) {
      this.submit();
      this.tick(0);
      worker.finish();
    }
    this.hire();
    this.hire();
  }

  run({ act, pick, other }: Act): void {
    const { yard } = this;
    const worker = [...yard.workers.values()][pick % Math.max(1, yard.workers.size)];
    const id = this.ids[other % this.ids.length];
    if (act === "submit") this.submit(1 + (other % 3));
    else if (act === "tick") this.tick([0, 1, 200, 1_100, 3_000][other % 5] ?? 0);
    else if (act === "late") this.#late();
    else if (act === "hire" && yard.workers.size < 5) this.hire();
    else if (act === "cancel" && pick % 3 === 0 && id !== undefined) yard.cancel(id, pick);
    else if (act === "takeover" && pick % 2 === 0) {
      this.tick(0);
      yard.takeover();
    } else if (act === "repeat") {
      const old = this.#ended[other % Math.max(1, this.#ended.length)];
      old?.worker.report(old.outcome);
    } else if (worker !== undefined) this.#actOn(worker, act, other);
  }

  /** All that runs takes long. */
  #late(): void {
    for (const worker of this.yard.workers.values())
      for (const index of worker.held.keys()) worker.start(index);
    this.tick(3_000);
    this.tick(3_000);
  }

  #actOn(worker: TestWorker, act: string, other: number): void {
    const index = other % Math.max(1, worker.held.length);
    const holds = worker.held.length > 0;
    if (act === "start" && holds) worker.start(index);
    else if (act === "finish" && holds) this.finish(worker, ENDS[other % ENDS.length] ?? "failed", index);
    else if (act === "die") worker.die();
    else if (act === "vanish") worker.die(other % 2 === 0 ? "absent" : "silent");
    else if (act === "held") worker.reportHeld();
    else if (act === "loseFrame") worker.losesFrame = true;
    else if (act === "stubborn") worker.isStubborn = !worker.isStubborn;
    else if (act === "forget" && other % 4 === 0) worker.held = [];
  }

  finish(worker: TestWorker, kind: Outcome["kind"], index: number): void {
    const result = kind === "succeeded" ? `"${worker.id}"` : "";
    this.#ended.push({ worker, outcome: worker.finish(kind, { result, delayMs: 200 }, index) });
  }

  submit(attempts = 3): void {
    this.ids.push(
      this.yard.submit({ spec: { attempts, speculation: { afterFactor: 1, afterMs: 0 }, limits: LIMIT } }),
    );
  }

  hire(): TestWorker {
    return this.yard.worker(`w${++this.#hired}`, { credit: 2 });
  }

  tick(ms: number): void {
    for (const worker of this.yard.workers.values()) worker.beat();
    this.yard.tick(ms);
    for (const { kind, key, value } of this.yard.side.values())
      if (kind === "second" && value.includes(" ")) this.joined.add(`${key} ${value}`);
  }

  heal(): void {
    for (const worker of this.yard.workers.values()) worker.isStubborn = false;
    this.yard.worker("healer", { credit: 4 });
    for (let round = 0; round < 200 && this.yard.kernel.live > 0; round++) {
      for (const worker of [...this.yard.workers.values()]) {
        worker.reportHeld();
        while (worker.held.length > 0) this.finish(worker, "succeeded", 0);
      }
      this.tick(1_000);
    }
    this.tick(0);
    // What was on its way in a frame that was lost.
    for (const worker of this.yard.workers.values()) {
      worker.losesFrame = false;
      worker.reportHeld();
    }
    this.tick(0);
  }
}

const LIMIT = { concurrency: 4, rate: null };

describe("tasks with second attempts, whatever happens", () => {
  it("come to one end, use up no try for them, and leave nothing behind", () => {
    let joined = 0;
    fc.assert(
      fc.property(acts, (steps) => {
        const course = new Course();
        for (const one of steps) course.run(one);
        course.heal();
        const { yard } = course;
        const left = course.ids.filter((id) => yard.kernel.has(id));
        expect(left.map((id) => yard.kernel.answer({ type: "explain", id }, yard.now))).toEqual([]);
        expect(yard.kernel.oddities.impossible).toBe(0);
        for (const id of course.ids) {
          const { task, result } = yard.rows.get(id) ?? fail(id);
          expect(isTerminal(task.state)).toBe(true);
          expect(task.attempt - (task.skipped ?? 0)).toBeLessThanOrEqual(task.spec.attempts);
          // The result is that of the attempt that the record names.
          if (task.state === "succeeded") expect(result).toMatch(/^"(done|w\d+|healer)"$/);
        }
        expect([...yard.side.values()].filter(({ kind }) => kind === "second")).toEqual([]);
        for (const worker of yard.kernel.answer({ type: "workers" }, yard.now) as readonly object[])
          expect(worker).toMatchObject({ used: 0 });
        joined += course.joined.size;
      }),
      { numRuns: 400 },
    );
    expect(joined).toBeGreaterThan(200);
  });
});

function fail(id: string): never {
  throw new Error(`Task ${id} has no record.`);
}
