import { describe, expect, it } from "vitest";
import { CLIENT, KernelYard, type TestWorker, type Wish } from "../../test/kernel-yard.ts";
import { DEFAULT_SETTINGS } from "../protocol/task.ts";

const SPECULATION = { afterFactor: 3, afterMs: 1_000 };
const FAST_MS = 100;
/** Nobody beats a heart here. */
const PATIENT = { workerLossMs: 10_000_000 };

function wish(spec: Wish["spec"] = {}): Wish {
  return { spec: { speculation: SPECULATION, ...spec } };
}

interface Late {
  readonly yard: KernelYard;
  readonly first: TestWorker;
  readonly second: TestWorker;
  readonly id: string;
}

/** A task that has run so long that a second attempt has joined it; expected are 100 ms. */
function late(
  spec: Wish["spec"] = {},
  options: ConstructorParameters<typeof KernelYard>[0] = {},
  more: Omit<Wish, "spec"> = {},
): Late {
  const yard = new KernelYard(options);
  const first = yard.worker("w1");
  for (let done = 0; done < 3; done++) {
    yard.submit(wish(spec));
    yard.tick();
    yard.now += FAST_MS;
    first.finish();
    yard.tick();
  }
  const id = yard.submit({ ...wish(spec), ...more });
  yard.tick();
  first.start();
  const second = yard.worker("w2");
  yard.tick(999);
  expect(second.held).toEqual([]);
  yard.tick(1);
  expect(second.held).toMatchObject([{ assign: { id, attempt: 2 } }]);
  return { yard, first, second, id };
}

describe("a second attempt", () => {
  it("starts on another worker once the first is late, and its success is the task's", () => {
    const { yard, first, second, id } = late();
    second.start();
    yard.tick(50);
    second.finish("succeeded", { result: '"second"' });
    yard.tick();
    expect(yard.record(id)).toMatchObject({ state: "succeeded", attempt: 2, worker: "w2", skipped: 1 });
    expect(yard.rows.get(id)?.result).toBe('"second"');
    // The first was told to end, and its answer is the end of it.
    expect(yard.mailOf(first.mailbox, "abort")).toMatchObject([{ id, attempt: 1, reason: "cancelled" }]);
    expect(first.held).toEqual([]);
    yard.tick();
    expect(yard.side.size).toBe(0);
    expect(yard.mailOf(CLIENT, "settled").filter((one) => one.id === id)).toMatchObject([{ attempt: 2 }]);
    const next = [yard.submit(wish()), yard.submit(wish())];
    yard.tick();
    expect(next.map((one) => yard.state(one))).toEqual(["assigned", "assigned"]);
  });

  it("gives way to the first one's success, and its own late one is answered and changes nothing", () => {
    const { yard, first, second, id } = late();
    second.isStubborn = true;
    first.finish("succeeded", { result: '"first"' });
    yard.tick();
    expect(yard.record(id)).toMatchObject({ state: "succeeded", attempt: 1, worker: "w1" });
    expect(yard.mailOf(second.mailbox, "abort")).toMatchObject([{ id, attempt: 2, reason: "cancelled" }]);
    // Until its worker says so, its slot is not free.
    const next = [yard.submit(), yard.submit()];
    yard.tick();
    expect(next.map((one) => yard.state(one))).toEqual(["assigned", "ready"]);
    second.finish("succeeded", { result: '"second"' });
    yard.tick();
    expect(yard.rows.get(id)?.result).toBe('"first"');
    expect(next.map((one) => yard.state(one))).toEqual(["assigned", "assigned"]);
  });

  it("takes the place of a first one that fails, costs no try, and fails the task only with it", () => {
    const { yard, first, second, id } = late({ attempts: 2 });
    first.finish("failed");
    yard.tick();
    expect(yard.record(id)).toMatchObject({ state: "running", attempt: 2, worker: "w2", skipped: 1 });
    second.finish("failed");
    yard.tick();
    expect(yard.record(id)).toMatchObject({ state: "scheduled", attempt: 2 });
    yard.tick(1_000);
    expect(yard.record(id)).toMatchObject({ state: "assigned", attempt: 3 });
    [first, second].find(({ held }) => held.length > 0)?.finish("failed");
    yard.tick();
    // Two tries, each of which has failed.
    expect(yard.record(id)).toMatchObject({ state: "failed", code: "HANDLER_FAILED", attempt: 3 });
  });

  it("fails alone, and leaves its number to nobody", () => {
    const { yard, first, second, id } = late({ attempts: 2 }, PATIENT);
    second.finish("failed");
    yard.tick();
    expect(yard.record(id)).toMatchObject({ attempt: 1, worker: "w1" });
    yard.takeover();
    yard.tick();
    // It has had its second one.
    yard.tick(30_000);
    expect(second.held).toEqual([]);
    first.finish("failed");
    yard.tick();
    yard.tick(1_000);
    expect(yard.record(id)).toMatchObject({ state: "assigned", attempt: 3, skipped: 1 });
    expect(yard.side.has(`second\n${id}`)).toBe(false);
  });

  it("ends with the task where its handler rules out any more attempts", () => {
    const { yard, first, second, id } = late();
    first.finish("final");
    yard.tick();
    expect(yard.record(id).state).toBe("failed");
    expect(second.held).toEqual([]);
    yard.tick();
    expect(yard.side.size).toBe(0);
  });

  it("is known to the next owner, who counts both", () => {
    const { yard, first, second, id } = late({ limits: { concurrency: 2, rate: null } });
    yard.takeover();
    expect(yard.kernel.answer({ type: "workers" }, yard.now)).toMatchObject([{ used: 1 }, { used: 1 }]);
    yard.tick();
    const third = yard.worker("w3");
    const other = yard.submit(wish({ limits: { concurrency: 2, rate: null } }));
    yard.tick();
    expect(yard.state(other)).toBe("ready");
    expect(third.held).toEqual([]);
    second.finish("succeeded", { result: '"second"' });
    yard.tick();
    expect(yard.record(id)).toMatchObject({ state: "succeeded", attempt: 2 });
    expect(first.held).toEqual([]);
    yard.tick();
    expect(yard.state(other)).toBe("assigned");
  });

  it.each([false, true])("that its worker never saw is none (to the next owner: %s)", (isTakenOver) => {
    const { yard, first, second, id } = late();
    // Its process has begun anew under the same name, or the frame was lost.
    second.held = [];
    if (isTakenOver) {
      yard.takeover();
      yard.tick();
    } else second.reportHeld();
    yard.tick();
    expect(yard.kernel.answer({ type: "explain", id }, yard.now)).toMatchObject({ data: { attempt: 1 } });
    const other = yard.submit();
    yard.tick();
    expect(second.held).toMatchObject([{ assign: { id: other } }]);
    first.finish();
    yard.tick();
    expect(yard.record(id)).toMatchObject({ state: "succeeded", attempt: 1 });
  });

  it("is not guessed from a row that is damaged", () => {
    const { yard, id } = late();
    yard.side.set(`second\n${id}`, { type: "row", kind: "second", key: id, value: "2 x 1000 w2" });
    expect(() => yard.takeover()).toThrow(expect.objectContaining({ code: "INVALID_FRAME" }));
  });

  it("holds the limits like any other, and waits until they let it", () => {
    const { yard, id } = late({ limits: { concurrency: 2, rate: null } });
    const other = yard.submit(wish({ limits: { concurrency: 2, rate: null } }));
    yard.worker("w3");
    yard.tick();
    expect(yard.kernel.answer({ type: "explain", id: other }, yard.now)).toMatchObject({
      reason: "concurrency",
      data: { held: 2, holders: [id, id] },
    });
  });

  it.each([
    ["the definition's concurrency", { limits: { concurrency: 1, rate: null } }, {}],
    ["its rate", { limits: { concurrency: 0, rate: { limit: 1, perMs: 100_000, burst: 4 } } }, {}],
    ["the queue's concurrency", {}, { concurrency: 1 }],
  ])("does not start against %s", (_, spec, settings) => {
    const yard = new KernelYard();
    const queue = {
      name: "default",
      order: "fifo",
      placement: "least-loaded",
      paused: false,
      revision: 1,
    } as const;
    yard.order({ type: "apply", queues: [{ ...queue, settings: { ...DEFAULT_SETTINGS, ...settings } }] });
    const [first, second] = [yard.worker("w1"), yard.worker("w2")];
    for (let done = 0; done < 3; done++) {
      yard.submit(wish(spec));
      yard.tick();
      yard.now += FAST_MS;
      [first, second].find(({ held }) => held.length > 0)?.finish();
    }
    yard.submit(wish(spec));
    yard.tick();
    [first, second].find(({ held }) => held.length > 0)?.start();
    for (let tick = 0; tick < 10; tick++) yard.tick(1_000);
    expect(first.held.length + second.held.length).toBe(1);
  });

  it("starts in no slot that a waiting task could use, and in none of a paused queue", () => {
    const yard = new KernelYard();
    const first = yard.worker("w1");
    for (let done = 0; done < 3; done++) {
      yard.submit(wish());
      yard.tick();
      yard.now += FAST_MS;
      first.finish();
    }
    const id = yard.submit(wish());
    yard.tick();
    first.start();
    const waiting = yard.submit();
    yard.tick(5_000);
    yard.order({ type: "pause", queue: "default" });
    const second = yard.worker("w2");
    yard.tick();
    expect(second.held).toEqual([]);
    yard.order({ type: "resume", queue: "default" });
    yard.tick();
    expect(second.held).toMatchObject([{ assign: { id: waiting } }]);
    second.finish();
    yard.tick();
    expect(second.held).toMatchObject([{ assign: { id, attempt: 2 } }]);
  });

  it("is for definitions that ask for it, whose durations are known, and for attempts that run", () => {
    for (const [speculation, runs, starts] of [
      [undefined, 3, true],
      [SPECULATION, 1, true],
      [SPECULATION, 3, false],
    ] as const) {
      const yard = new KernelYard();
      const first = yard.worker("w1");
      const spec = speculation === undefined ? {} : { speculation };
      for (let done = 0; done < runs; done++) {
        yard.submit({ spec });
        yard.tick();
        yard.now += FAST_MS;
        first.finish();
      }
      yard.submit({ spec });
      yard.tick();
      if (starts) first.start();
      const second = yard.worker("w2");
      for (let tick = 0; tick < 10; tick++) yard.tick(1_000);
      expect(second.held).toEqual([]);
    }
  });
});

it("never joins a task that runs at most once, whatever its definition says", () => {
  const yard = new KernelYard();
  const spec = { speculation: SPECULATION, delivery: "at-most-once" } as const;
  const first = yard.worker("w1");
  for (let done = 0; done < 3; done++) {
    yard.submit({ spec });
    yard.tick();
    yard.now += FAST_MS;
    first.finish();
  }
  yard.submit({ spec });
  yard.tick();
  first.start();
  const second = yard.worker("w2");
  for (let tick = 0; tick < 5; tick++) yard.tick(1_000);
  expect(first.held).toHaveLength(1);
  expect(second.held).toEqual([]);
});

describe("a cancel of a task with two attempts", () => {
  it("ends it when both are gone", () => {
    const { yard, first, second, id } = late();
    first.isStubborn = true;
    second.isStubborn = true;
    yard.cancel(id);
    yard.tick();
    expect(yard.mailOf(first.mailbox, "abort")).toHaveLength(1);
    expect(yard.mailOf(second.mailbox, "abort")).toHaveLength(1);
    first.finish("cancelled");
    yard.tick();
    expect(yard.mailOf(CLIENT, "cancelDone")).toEqual([]);
    expect(yard.state(id)).toBe("running");
    second.finish("succeeded");
    yard.tick();
    expect(yard.record(id).state).toBe("cancelled");
    expect(yard.mailOf(CLIENT, "cancelDone")).toMatchObject([{ id, state: "cancelled" }]);
  });
});

describe("the loss of a worker of two", () => {
  it.each(["died", "silent"] as const)("(%s) leaves the other attempt, whichever it was", (cause) => {
    const one = late();
    one.first.die(cause);
    one.yard.tick();
    expect(one.yard.record(one.id)).toMatchObject({ state: "running", attempt: 2, worker: "w2" });
    one.second.finish();
    one.yard.tick();
    expect(one.yard.record(one.id)).toMatchObject({
      state: "succeeded",
      attempt: 2,
      deaths: cause === "died" ? 1 : 0,
    });
    const other = late();
    other.second.die(cause);
    other.yard.tick();
    expect(other.yard.record(other.id)).toMatchObject({ worker: "w1", deaths: cause === "died" ? 1 : 0 });
    other.first.finish();
    other.yard.tick();
    expect(other.yard.record(other.id)).toMatchObject({ state: "succeeded", attempt: 1 });
  });

  it("takes the success of the first one that comes too late for it", () => {
    const { yard, first, second, id } = late();
    const [held] = first.held;
    first.die("silent");
    yard.tick();
    first.held = held === undefined ? [] : [held];
    first.finish("succeeded", { result: '"first"' });
    yard.tick();
    expect(yard.record(id)).toMatchObject({ state: "succeeded", attempt: 1, worker: "w1" });
    expect(second.held).toEqual([]);
  });
});

describe("a stand-in that is handed back", () => {
  it("does not let a task expire that has started in time", () => {
    const { yard, first, second, id } = late({ attempts: 3 }, PATIENT, { expiresInMs: 10_000 });
    yard.tick(12_000);
    first.die();
    yard.tick();
    second.finish("returned");
    yard.tick();
    expect(yard.record(id)).toMatchObject({ expiresAt: 0, deaths: 1 });
    expect(["ready", "assigned"]).toContain(yard.state(id));
  });

  it("leaves the task the delay that its first attempt has asked for", () => {
    const { yard, first, second, id } = late({ attempts: 3 }, PATIENT);
    first.finish("retryIn", { delayMs: 3_600_000 });
    const dueAt = yard.now + 3_600_000;
    yard.tick();
    second.finish("returned");
    yard.tick();
    expect(yard.record(id)).toMatchObject({ state: "scheduled", runAt: dueAt });
  });

  it("gives no further worker to a task that has had its last permitted death", () => {
    const { yard, first, second, id } = late({ attempts: 5 }, { ...PATIENT, quarantineDeaths: 1 });
    first.die();
    yard.tick();
    second.finish("returned");
    yard.tick();
    expect(yard.state(id)).toBe("scheduled");
    yard.tick(PATIENT.workerLossMs);
    expect(yard.record(id)).toMatchObject({ state: "failed", code: "QUARANTINED" });
  });
});

describe("a death of one of two that is not certain", () => {
  const once = { workerLossMs: 20_000, quarantineDeaths: 1 };

  it.each(["first", "second"] as const)("(%s) holds the task back when the other fails", (lost) => {
    const { yard, id, ...workers } = late({ attempts: 5 }, once);
    const gone = workers[lost];
    const other = workers[lost === "first" ? "second" : "first"];
    yard.kernel.apply({ type: "workerLost", worker: gone.id, cause: "absent" }, yard.now);
    yard.tick();
    other.finish("failed");
    yard.tick();
    other.beat();
    yard.tick(3_000);
    expect(yard.record(id)).toMatchObject({ state: "scheduled", deaths: 1 });
    gone.beat();
    yard.tick(1);
    yard.tick();
    expect(yard.record(id)).toMatchObject({ state: "assigned", deaths: 0 });
  });

  it("leaves the task its own delay when it is taken back", () => {
    const { yard, first, second, id } = late({ attempts: 5 }, once);
    yard.kernel.apply({ type: "workerLost", worker: second.id, cause: "absent" }, yard.now);
    yard.tick();
    first.finish("retryIn", { delayMs: 3_600_000 });
    const dueAt = yard.now + 3_600_000;
    yard.tick();
    second.beat();
    yard.tick();
    expect(yard.record(id)).toMatchObject({ state: "scheduled", deaths: 0, runAt: dueAt });
  });
});

describe("the timeout of an attempt of two", () => {
  it("ends that one alone", () => {
    const { yard, first, second, id } = late({ timeoutMs: 10_000 }, PATIENT);
    first.isStubborn = true;
    second.isStubborn = true;
    // Timeout, grace and a margin; the second one's are counted from its own start.
    yard.tick(16_000);
    expect(yard.record(id)).toMatchObject({ state: "running", attempt: 2, worker: "w2" });
    yard.tick(1_000);
    expect(yard.record(id)).toMatchObject({ state: "scheduled", attempt: 2, error: { code: "TIMED_OUT" } });
    const other = late({ timeoutMs: 0 }, PATIENT);
    other.yard.tick(1_000_000);
    expect(other.second.held).toHaveLength(1);
    expect(other.yard.state(other.id)).toBe("running");
  });
});

describe("a second attempt on a frozen worker", () => {
  it("keeps a cancel from being confirmed while it may still start", () => {
    const { yard, first, second, id } = late({ timeoutMs: 10_000 }, PATIENT);
    second.isStubborn = true;
    yard.cancel(id);
    first.finish("cancelled");
    yard.tick(15_000);
    second.beat();
    yard.tick(6_999);
    expect([yard.state(id), yard.mailOf(CLIENT, "cancelDone")]).toEqual(["running", []]);
    yard.tick(1);
    expect(yard.mailOf(CLIENT, "cancelDone")).toMatchObject([{ id, state: "cancelled" }]);
  });
});

describe("explain and story", () => {
  it("tell of both attempts", () => {
    const { yard, second, id } = late();
    expect(yard.kernel.answer({ type: "explain", id }, yard.now)).toEqual({
      id,
      state: "running",
      reason: "second-attempt",
      sentence: "Attempt 1 runs on worker w1 and takes long: attempt 2 runs beside it on worker w2.",
      data: { worker: "w1", attempt: 1, second: { attempt: 2, worker: "w2" } },
    });
    const at = yard.now;
    yard.now += 500;
    second.finish();
    expect(yard.kernel.answer({ type: "story", id }, yard.now)).toMatchObject([
      { state: "submitted" },
      { state: "ready" },
      { state: "running", attempt: 1, worker: "w1", at: at - 1_000 },
      { state: "running", attempt: 2, worker: "w2", at },
      {
        state: "running",
        attempt: 1,
        code: "OVERTAKEN",
        message: "Attempt 2, which ran beside it, has succeeded.",
      },
      { state: "succeeded", attempt: 2, worker: "w2" },
    ]);
  });
});
