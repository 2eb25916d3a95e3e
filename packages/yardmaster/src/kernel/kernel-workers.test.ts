import { describe, expect, it } from "vitest";
import { CLIENT, KernelYard } from "../../test/kernel-yard.ts";
import type { QueueRecord } from "../protocol/task.ts";

const QUEUE: QueueRecord = {
  name: "default",
  order: "fifo",
  placement: "least-loaded",
  paused: false,
  revision: 0,
};

describe("placement", () => {
  it("never gives a worker more than its credit", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w", { credit: 2 });
    const ids = [1, 2, 3].map(() => yard.submit());
    yard.tick();
    expect(worker.held).toHaveLength(2);
    worker.finish();
    yard.tick();
    expect(worker.held.map(({ assign }) => assign.id)).toEqual(ids.slice(1));
  });

  it("takes the worker that is least loaded for its credit", () => {
    const yard = new KernelYard();
    const [small, large] = [
      yard.worker("s", { credit: 2 }),
      yard.worker("l", { credit: 6, tasks: ["work", "more"] }),
    ];
    for (let count = 0; count < 4; count++) yard.submit();
    yard.tick();
    expect([small.held.length, large.held.length]).toEqual([1, 3]);
  });

  it("takes any free worker when the queue places at random", () => {
    const yard = new KernelYard();
    const workers = ["a", "b", "c"].map((id) =>
      yard.worker(id, { credit: 40, tasks: id === "c" ? ["work", "x"] : ["work"] }),
    );
    yard.kernel.apply(
      {
        type: "commanded",
        command: { type: "apply", queues: [{ ...QUEUE, placement: "random" }] },
        request: 1,
        replyTo: CLIENT,
      },
      yard.now,
    );
    for (let count = 0; count < 90; count++) yard.submit();
    yard.tick();
    for (const worker of workers) expect(worker.held.length).toBeGreaterThan(15);
    expect(workers.reduce((sum, { held }) => sum + held.length, 0)).toBe(90);
  });

  it("matches names and versions", () => {
    const yard = new KernelYard();
    const [works, plays] = [yard.worker("w"), yard.worker("p", { tasks: ["play"] })];
    const newer = yard.submit({ spec: { version: 2 } });
    yard.submit({ spec: { name: "play" } });
    yard.submit();
    yard.tick();
    expect([works.held[0]?.assign.name, plays.held[0]?.assign.name]).toEqual(["work", "play"]);
    expect(yard.state(newer)).toBe("ready");
  });

  it("keeps a name that nobody knows for somebody who does, however long that takes, over a takeover too", () => {
    const yard = new KernelYard();
    const stranger = yard.worker("w");
    const id = yard.submit({ spec: { name: "unheard" } });
    for (let passedMs = 0; passedMs < 60_000; passedMs += 5_000) {
      stranger.beat();
      yard.tick(5_000);
    }
    expect([stranger.held.length, yard.state(id)]).toEqual([0, "ready"]);
    yard.takeover();
    yard.tick(60_000);
    expect(yard.state(id)).toBe("ready");
    const knowing = yard.worker("k", { tasks: ["unheard"] });
    yard.tick();
    expect(knowing.held[0]?.assign.id).toBe(id);
  });
});

describe("a lost worker", () => {
  it("is one that is not heard for the limit", () => {
    const yard = new KernelYard();
    yard.worker("w");
    const id = yard.submit();
    yard.tick();
    yard.tick(9_999);
    expect(yard.state(id)).toBe("assigned");
    yard.tick(1);
    expect(yard.record(id)).toMatchObject({
      state: "ready",
      attempt: 1,
      deaths: 0,
      error: { code: "WORKER_LOST" },
    });
    expect(yard.mailOf(CLIENT, "event").map(({ event }) => event.type)).toEqual(["retried"]);
  });

  it("is not one that is heard in any way", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    const id = yard.submit();
    yard.tick();
    yard.tick(6_000);
    worker.beat();
    yard.tick(6_000);
    worker.start();
    yard.tick(6_000);
    worker.reportHeld();
    yard.tick(6_000);
    expect(yard.state(id)).toBe("running");
  });

  it("is nobody while the observer was deaf", () => {
    const yard = new KernelYard();
    yard.worker("w");
    const id = yard.submit({ spec: { timeoutMs: 1 } });
    yard.tick();
    yard.now += 60_000;
    yard.kernel.apply({ type: "deadlinesRestarted" }, yard.now);
    yard.tick();
    expect(yard.state(id)).toBe("assigned");
  });

  it("costs an attempt, and the task runs elsewhere at once", () => {
    const yard = new KernelYard();
    const id = yard.submit({ spec: { attempts: 2 } });
    yard.worker("a");
    yard.tick();
    yard.worker("b");
    yard.kernel.apply({ type: "workerLost", worker: "a", cause: "silent" }, yard.now);
    yard.kernel.apply({ type: "workerLost", worker: "a", cause: "silent" }, yard.now);
    yard.tick();
    expect(yard.record(id)).toMatchObject({ state: "assigned", attempt: 2, worker: "b" });
    yard.kernel.apply({ type: "workerLost", worker: "b", cause: "silent" }, yard.now);
    yard.tick();
    expect(yard.record(id)).toMatchObject({ state: "failed", code: "WORKER_LOST" });
  });

  it("fails a task that runs at most once", () => {
    const yard = new KernelYard();
    const id = yard.submit({ spec: { delivery: "at-most-once" } });
    const worker = yard.worker("w");
    yard.tick();
    worker.die();
    yard.tick();
    expect(yard.record(id)).toMatchObject({ state: "failed", code: "WORKER_LOST", attempt: 1 });
  });

  it("has killed by its task when its process died three times, not when it was cut off", () => {
    const yard = new KernelYard();
    const id = yard.submit({ spec: { attempts: 9 } });
    const fates = ["died", "silent", "died", "silent"] as const;
    for (const [index, fate] of fates.entries()) {
      const worker = yard.worker(`w${index}`);
      yard.tick();
      worker.die(fate);
      yard.tick();
    }
    expect(yard.record(id)).toMatchObject({ state: "ready", deaths: 2 });
    yard.worker("last").die();
    const last = yard.worker("really");
    yard.tick();
    last.die();
    yard.tick();
    expect(yard.record(id)).toMatchObject({ state: "failed", code: "QUARANTINED", deaths: 3, attempt: 5 });
  });

  it("counts as dead where the engine lost sight of it, until it is heard again", () => {
    const yard = new KernelYard();
    const id = yard.submit({ spec: { attempts: 9 } });
    const workers = ["a", "b", "c"].map((name) => {
      const worker = yard.worker(name);
      yard.tick();
      yard.kernel.apply({ type: "workerLost", worker: name, cause: "absent" }, yard.now);
      yard.tick(1);
      return worker;
    });
    expect(yard.record(id)).toMatchObject({ state: "scheduled", deaths: 3, attempt: 3 });
    workers[1]?.beat();
    for (let ticks = 0; ticks < 3; ticks++) yard.tick();
    expect(yard.record(id)).toMatchObject({ deaths: 2, attempt: 4, worker: "b" });
    yard.kernel.apply({ type: "workerLost", worker: "b", cause: "absent" }, yard.now);
    yard.tick();
    yard.tick(9_999);
    expect(yard.state(id)).toBe("scheduled");
    yard.tick(1);
    expect(yard.record(id)).toMatchObject({ state: "failed", code: "QUARANTINED", deaths: 3 });
  });

  it("that was only out of sight does not give a task an attempt more than it has", () => {
    const yard = new KernelYard({ quarantineDeaths: 1 });
    const id = yard.submit({ spec: { attempts: 1 } });
    const worker = yard.worker("w");
    yard.tick();
    yard.kernel.apply({ type: "workerLost", worker: "w", cause: "absent" }, yard.now);
    yard.tick();
    expect(yard.state(id)).toBe("scheduled");
    worker.beat();
    yard.tick();
    expect(yard.record(id)).toMatchObject({ state: "failed", code: "WORKER_LOST", deaths: 0, attempt: 1 });
  });

  it("is not one that was heard since the engine lost sight of it", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    const id = yard.submit();
    yard.tick();
    const heardAt = yard.kernel.heardAt("w");
    yard.now += 1;
    worker.beat();
    yard.kernel.apply({ type: "workerLost", worker: "w", cause: "absent", heardAt }, yard.now);
    yard.tick();
    expect(yard.state(id)).toBe("assigned");
    const again = yard.kernel.heardAt("w");
    yard.kernel.apply({ type: "workerLost", worker: "w", cause: "absent", heardAt: again }, yard.now);
    yard.tick();
    expect(yard.state(id)).toBe("ready");
  });

  it("is not one whose mailbox is gone: it is given nothing until it says what it holds", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w", { credit: 2 });
    const first = yard.submit();
    yard.tick();
    yard.kernel.mailboxGone("worker:w");
    worker.losesFrame = true;
    const second = yard.submit();
    yard.tick();
    expect([yard.state(first), yard.state(second)]).toEqual(["assigned", "ready"]);
    worker.beat();
    yard.tick();
    yard.tick();
    expect([yard.state(first), yard.state(second)]).toEqual(["assigned", "assigned"]);
    expect(yard.record(first)).toMatchObject({ attempt: 1, deaths: 0 });
  });

  it("is sent its work again as soon as it has said what it holds", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    worker.beat();
    yard.tick();
    yard.kernel.mailboxGone("worker:w");
    worker.reportHeld();
    yard.submit();
    yard.tick();
    expect(worker.held).toHaveLength(1);
  });

  it("is asked to register again when it comes back, and its stale attempts are aborted", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    const id = yard.submit();
    yard.tick();
    yard.tick(10_000);
    expect(yard.state(id)).toBe("ready");
    worker.beat();
    yard.tick();
    expect(yard.mailOf("worker:w", "heartbeatAnswer")).toMatchObject([{ number: 1, sent: 2, known: false }]);
    yard.tick();
    const abort = { id, attempt: 1 };
    // Once as it registers, once more as its inventory shows it.
    expect(yard.mailOf("worker:w", "abort")).toMatchObject([abort, abort]);
    expect(yard.state(id)).toBe("ready");
    yard.tick();
    expect(yard.mailOf("worker:w", "assign").map(({ attempt }) => attempt)).toEqual([1, 2]);
  });
});

describe("a worker", () => {
  it("hears how many frames it should have seen, and its credit follows its heartbeats in order", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w", { credit: 0 });
    worker.credit = 1;
    worker.beat();
    yard.kernel.apply(
      {
        type: "heartbeatReceived",
        heartbeat: { type: "heartbeat", worker: "w", number: 1, credit: 50, stalledMs: 0 },
        from: "worker:w",
      },
      yard.now,
    );
    yard.submit();
    yard.submit();
    yard.tick();
    expect(worker.held).toHaveLength(1);
    expect(yard.mailOf("worker:w", "heartbeatAnswer")).toMatchObject([
      { number: 1, sent: 1, known: true },
      { sent: 1 },
    ]);
  });

  it("that leaves hands back what it has not started, which costs nothing and goes to the front", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w", { credit: 2 });
    const [first, second, third] = [yard.submit(), yard.submit(), yard.submit()];
    yard.tick();
    worker.leave();
    yard.tick();
    expect(yard.record(first)).toMatchObject({ state: "ready", attempt: 0, epoch: 1 });
    expect(yard.kernel.answer({ type: "workers" }, yard.now)).toEqual([]);
    const next = yard.worker("n", { credit: 3 });
    yard.tick();
    expect(next.held.map(({ assign }) => [assign.id, assign.attempt])).toEqual([
      [first, 1],
      [second, 1],
      [third, 1],
    ]);
  });

  it("that has said goodbye gets no more and is forgotten with its last outcome", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w", { credit: 2 });
    yard.submit();
    yard.tick();
    yard.kernel.apply({ type: "workerLeft", worker: "w" }, yard.now);
    yard.kernel.apply({ type: "workerLeft", worker: "stranger" }, yard.now);
    const waiting = yard.submit();
    yard.tick();
    expect(yard.state(waiting)).toBe("ready");
    worker.finish();
    yard.tick();
    expect(yard.kernel.answer({ type: "workers" }, yard.now)).toEqual([]);
  });

  it("that repeats a return does not end the same attempt given to it again", () => {
    const yard = new KernelYard();
    const [a, b] = [yard.worker("a"), yard.worker("b", { credit: 0 })];
    const id = yard.submit();
    yard.tick();
    const returned = a.finish("returned");
    yard.tick();
    a.report(returned);
    yard.tick();
    expect(yard.record(id)).toMatchObject({ state: "assigned", attempt: 2 });
    a.credit = 0;
    a.beat();
    a.finish("returned");
    b.credit = 1;
    b.beat();
    yard.tick();
    b.finish("returned");
    yard.tick();
    expect(yard.state(id)).toBe("assigned");
    expect(yard.kernel.oddities.impossible).toBe(0);
  });

  it("whose frame was lost gets its tasks given anew, and they cost nothing", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w", { credit: 2 });
    const kept = yard.submit();
    yard.tick();
    worker.losesFrame = true;
    const lost = yard.submit();
    yard.tick();
    yard.tick();
    expect(worker.held.map(({ assign }) => [assign.id, assign.attempt])).toEqual([
      [kept, 1],
      [lost, 1],
    ]);
  });

  it("is told again to end what was cancelled when it may have missed that", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    worker.isStubborn = true;
    const id = yard.submit();
    yard.tick();
    yard.cancel(id);
    worker.start();
    worker.reportHeld();
    yard.tick();
    expect(yard.mailOf("worker:w", "abort")).toHaveLength(2);
    expect(yard.state(id)).toBe("running");
  });

  it("frees the slot of an attempt that was ended for it once its inventory lacks it", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    worker.isStubborn = true;
    const [id, next] = [yard.submit({ spec: { attempts: 1, timeoutMs: 1, graceMs: 0 } }), yard.submit()];
    yard.tick();
    worker.start();
    yard.tick(2_001);
    expect([yard.state(id), yard.state(next)]).toEqual(["failed", "ready"]);
    worker.reportHeld();
    yard.tick();
    expect(yard.mailOf("worker:w", "abort")).toHaveLength(2);
    expect(yard.state(next)).toBe("ready");
    worker.held = [];
    worker.reportHeld();
    yard.tick();
    expect(yard.state(next)).toBe("assigned");
  });

  it("has no say about an earlier epoch, and none when it is unknown", () => {
    const yard = new KernelYard();
    yard.worker("w");
    const id = yard.submit();
    yard.tick();
    for (const [worker, epoch] of [
      ["w", 0],
      ["stranger", 1],
    ] as const) {
      yard.kernel.apply(
        { type: "attemptsHeld", held: { type: "held", worker, epoch, seen: 9, attempts: [] } },
        yard.now,
      );
    }
    expect(yard.state(id)).toBe("assigned");
  });

  it("changes what it knows by registering again", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    yard.submit({ spec: { name: "play" } });
    yard.tick();
    const register = {
      type: "register",
      worker: "w",
      mailbox: worker.mailbox,
      credit: 1,
      queues: [],
      labels: { zone: "eu" },
      resources: { gpu: 1 },
    } as const;
    yard.kernel.apply(
      { type: "workerRegistered", register: { ...register, tasks: [{ name: "play", version: 1 }] } },
      yard.now,
    );
    yard.tick();
    expect(worker.held[0]?.assign.name).toBe("play");
    expect(yard.kernel.answer({ type: "workers" }, yard.now)).toEqual([
      {
        id: "w",
        credit: 1,
        used: 1,
        draining: false,
        registered: true,
        lastHeardAt: yard.now,
        labels: { zone: "eu" },
        resources: { gpu: 1 },
        resourcesUsed: {},
        tasks: ["play@1"],
      },
    ]);
  });

  it("gets no more frames in one than fit", () => {
    const yard = new KernelYard();
    yard.worker("w", { credit: 600 });
    for (let count = 0; count < 600; count++) yard.submit({ payload: "x".repeat(4_000) });
    const frames = yard.tick().outgoing.filter(({ mailbox }) => mailbox === "worker:w");
    expect(frames.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
    expect(frames.flatMap(({ envelopes }) => envelopes)).toHaveLength(600);
  });
});
