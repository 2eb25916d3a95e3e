import { describe, expect, it } from "vitest";
import { CLIENT, KernelYard } from "../../test/kernel-yard.ts";
import { DEFAULT_SETTINGS, type QueueRecord } from "../protocol/task.ts";

const QUEUE: QueueRecord = {
  name: "default",
  order: "fifo",
  placement: "two-choices",
  paused: false,
  revision: 0,
};

/** Runs everything, one task at a time. */
function runOrder(yard: KernelYard, tasks: readonly string[] = ["work"]): string[] {
  const worker = yard.worker("runner", { tasks });
  const ids: string[] = [];
  for (yard.tick(); worker.held.length > 0; yard.tick()) ids.push(worker.finish().id);
  return ids;
}

describe("a queue", () => {
  it("runs tasks as they came, whatever their priority, name and version", () => {
    const yard = new KernelYard();
    const ids = [
      yard.submit(),
      yard.submit({ priority: 9, spec: { name: "play" } }),
      yard.submit({ spec: { name: "play" } }),
      yard.submit({ priority: 255 }),
    ];
    yard.tick();
    expect(runOrder(yard, ["work", "play"])).toEqual(ids);
  });

  it("runs larger priorities first where it is ordered so, and equals as they came", () => {
    const yard = new KernelYard();
    yard.worker("declarer", { credit: 0, queues: [{ ...QUEUE, order: "priority" }] });
    const [low, high, low2, high2, middle] = [0, 9, 0, 9, 5].map((priority) =>
      yard.submit({ priority, spec: { name: priority === 9 ? "play" : "work" } }),
    );
    expect(runOrder(yard, ["work", "play"])).toEqual([high, high2, middle, low, low2]);
  });

  it("is skipped, not waited for, where no free worker knows its tasks", () => {
    const yard = new KernelYard();
    const stuck = yard.submit({ spec: { name: "play", queue: "toys" } });
    const ids = [
      yard.submit({ spec: { name: "play" } }),
      yard.submit(),
      yard.submit({ spec: { queue: "other" } }),
    ];
    const worker = yard.worker("w", { credit: 3 });
    yard.tick();
    expect(worker.held.map(({ assign }) => assign.id)).toEqual(ids.slice(1));
    expect(yard.state(stuck)).toBe("ready");
  });

  it("takes turns with the others", () => {
    const yard = new KernelYard();
    for (const queue of ["a", "a", "a", "b", "b", "c"]) yard.submit({ payload: queue, spec: { queue } });
    const worker = yard.worker("w", { credit: 6 });
    yard.tick();
    expect(worker.held.map(({ assign }) => assign.payload)).toEqual(["a", "b", "c", "a", "b", "a"]);
  });

  it("pauses and resumes, and says so in the store", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    yard.order({ type: "pause", queue: "default" });
    const id = yard.submit();
    yard.tick();
    expect(yard.state(id)).toBe("ready");
    expect(yard.queues.get("default")).toEqual({ ...QUEUE, paused: true, revision: 1 });
    yard.order({ type: "apply", queues: [{ ...QUEUE, order: "priority" }] });
    yard.tick();
    expect(worker.held).toEqual([]);
    yard.order({ type: "resume", queue: "default" });
    yard.tick();
    expect(worker.held).toHaveLength(1);
    const settings = { ...QUEUE, order: "priority", revision: 3 };
    expect(yard.queues.get("default")).toEqual(settings);
    expect(yard.mailOf(CLIENT, "reply").at(-1)).toEqual({
      type: "reply",
      request: 3,
      ok: true,
      value: settings,
    });
  });

  it("does not pause again for a copy of a pause that was resumed since", () => {
    const yard = new KernelYard();
    const command = (type: "pause" | "resume", request: number): void =>
      yard.kernel.apply(
        { type: "commanded", command: { type, queue: "default" }, request, replyTo: CLIENT },
        yard.now,
      );
    command("pause", 1);
    command("resume", 2);
    command("pause", 1);
    yard.tick();
    expect(yard.queues.get("default")?.paused).toBe(false);
    expect(yard.mailOf(CLIENT, "reply").map(({ request, ok }) => [request, ok])).toEqual([
      [1, true],
      [2, true],
      [1, true],
    ]);
    command("pause", 3);
    yard.tick();
    expect(yard.queues.get("default")?.paused).toBe(true);
  });

  it("is created by a worker where it is absent, and never overwritten by one", () => {
    const yard = new KernelYard();
    yard.worker("a", { queues: [{ ...QUEUE, placement: "random", revision: 77 }] });
    yard.worker("b", { queues: [QUEUE] });
    yard.tick();
    expect(yard.queues.get("default")).toEqual({ ...QUEUE, placement: "random", revision: 1 });
  });

  it.each([
    ["while its owner stays", (yard: KernelYard) => yard.tick()],
    ["after a takeover", (yard: KernelYard) => yard.takeover()],
  ])("that was only paused is as the first worker declares it, and stays paused, %s", (_, goOn) => {
    const yard = new KernelYard();
    const declared = {
      ...QUEUE,
      order: "priority",
      settings: { ...DEFAULT_SETTINGS, concurrency: 1 },
    } as const;
    yard.order({ type: "pause", queue: "default" });
    yard.tick();
    goOn(yard);
    const [, high] = [0, 9, 0].map((priority) => yard.submit({ priority }));
    const worker = yard.worker("a", { credit: 3, queues: [declared] });
    yard.tick();
    expect(worker.held).toEqual([]);
    expect(yard.queues.get("default")).toEqual({ ...declared, paused: true, revision: 2 });
    goOn(yard);
    yard.worker("b", { credit: 3, queues: [QUEUE] });
    yard.order({ type: "resume", queue: "default" });
    yard.tick();
    expect(yard.queues.get("default")).toEqual({ ...declared, revision: 3 });
    const held = [...yard.workers.values()].flatMap((each) => each.held);
    expect(held.map(({ assign }) => assign.id)).toEqual([high]);
  });

  it("puts its waiting tasks into a new order when that changes", () => {
    const yard = new KernelYard();
    const [low, high, low2] = [yard.submit(), yard.submit({ priority: 1 }), yard.submit()];
    yard.order({ type: "apply", queues: [{ ...QUEUE, order: "priority" }] });
    yard.order({ type: "apply", queues: [QUEUE] });
    yard.order({ type: "apply", queues: [{ ...QUEUE, order: "priority" }] });
    expect(runOrder(yard)).toEqual([high, low, low2]);
  });

  it("shows what it holds", () => {
    const yard = new KernelYard();
    yard.worker("w");
    for (const wish of [{}, {}, {}, { delayMs: 5 }]) yard.submit(wish);
    yard.tick();
    expect(yard.kernel.answer({ type: "queues" }, yard.now)).toEqual([
      {
        ...QUEUE,
        orderByDefault: true,
        scheduled: 1,
        blocked: 0,
        ready: 2,
        limited: 0,
        active: 1,
        parked: 0,
      },
    ]);
  });

  it("is forgotten when nobody declared it and nothing uses it", () => {
    const yard = new KernelYard();
    yard.submit({ spec: { queue: "passing", name: "x" } });
    yard.worker("w", { tasks: ["x"], queues: [QUEUE] });
    yard.tick();
    yard.workers.get("w")?.finish();
    yard.tick();
    yard.tick(10_000);
    expect(yard.kernel.answer({ type: "queues" }, yard.now)).toMatchObject([{ name: "default" }]);
    expect(yard.sweeps).toBe(1);
    expect(yard.kernel.nextWakeAt()).toBe(yard.now + 10_000);
  });
});

describe("an order", () => {
  it("to drain a worker lets it end what it has", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w", { credit: 2 });
    yard.submit();
    yard.tick();
    yard.order({ type: "drain", worker: "w" });
    const waiting = yard.submit();
    worker.finish();
    yard.tick();
    expect(yard.state(waiting)).toBe("ready");
    expect(yard.mailOf("worker:w", "drain")).toHaveLength(1);
    expect(yard.kernel.answer({ type: "workers" }, yard.now)).toMatchObject([
      { id: "w", draining: true, used: 0 },
    ]);
  });

  it("for a worker that does not exist is answered so", () => {
    const yard = new KernelYard();
    yard.order({ type: "drain", worker: "nobody" });
    yard.tick();
    expect(yard.mailOf(CLIENT, "reply")).toEqual([{ type: "reply", request: 1, ok: false, value: null }]);
  });
});

describe("a question", () => {
  it("about a task is answered as far as memory knows", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    const [running, waiting] = [yard.submit(), yard.submit({ priority: 3, expiresInMs: 9 })];
    yard.tick();
    worker.start();
    const view = {
      name: "work",
      queue: "default",
      code: "",
      attempts: 3,
      priority: 0,
      submittedAt: yard.now,
      finishedAt: null,
      error: null,
    };
    expect(yard.kernel.answer({ type: "status", id: running }, yard.now)).toEqual({
      ...view,
      id: running,
      state: "running",
      attempt: 1,
      startedAt: yard.now,
      worker: "w",
    });
    expect(yard.kernel.answer({ type: "status", id: waiting }, yard.now)).toEqual({
      ...view,
      id: waiting,
      state: "ready",
      attempt: 0,
      priority: 3,
      startedAt: null,
      worker: null,
    });
    expect(yard.kernel.answer({ type: "status", id: "none" }, yard.now)).toBeNull();
  });

  it("for a list is answered page by page in the order of ids", () => {
    const yard = new KernelYard();
    const ids = Array.from({ length: 400 }, (_, index) =>
      yard.submit({
        id: `i${String((index * 271) % 400).padStart(3, "0")}`,
        spec: { name: index % 2 === 0 ? "even" : "odd" },
      }),
    ).sort();
    const list = (after: string, limit: number, filter = {}): string[] => {
      const tasks = yard.kernel.answer({ type: "list", after, limit, ...filter }, yard.now);
      return Array.isArray(tasks) ? tasks.map(({ id }) => id) : [];
    };
    expect(list("", 30)).toEqual(ids.slice(0, 30));
    expect(list("i029", 30)).toEqual(ids.slice(30, 60));
    expect(list("i390", 30)).toEqual(ids.slice(391));
    expect(list("", 500, { name: "odd" })).toHaveLength(200);
    expect(list("", 5, { queue: "other" })).toEqual([]);
    expect(list("", 5, { state: "scheduled" })).toEqual([]);
  });
});
