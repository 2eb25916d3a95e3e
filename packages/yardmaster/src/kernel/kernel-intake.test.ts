import { describe, expect, it } from "vitest";
import { CLIENT, KernelYard } from "../../test/kernel-yard.ts";

const key = (inputHash = "h"): { key: string; windowMs: number; inputHash: string } => ({
  key: "k",
  windowMs: 5_000,
  inputHash,
});

describe("the same id again", () => {
  it("is nothing new while the task is unfinished", () => {
    const yard = new KernelYard();
    const id = yard.submit();
    yard.submit({ id });
    expect(yard.tick().changes).toHaveLength(1);
    yard.submit({ id });
    expect(yard.tick()).toMatchObject({ changes: [], outgoing: [] });
  });

  it("hears how the task has ended, in the same tick or after it", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    const id = yard.submit();
    yard.tick();
    worker.finish();
    yard.submit({ id, replyTo: "client:x" });
    yard.tick();
    yard.submit({ id, replyTo: "client:x" });
    yard.tick();
    const settled = { type: "settled", id, state: "succeeded", attempt: 1, result: null, resultBytes: 1 };
    expect(yard.mailOf("client:x", "settled")).toMatchObject([settled, settled]);
  });
});

describe("an idempotency key", () => {
  it("makes the second task an alias of the first, whose submitter hears how that ends", () => {
    const yard = new KernelYard();
    const first = yard.submit({ key: key() });
    const sameTick = yard.submit({ key: key(), replyTo: "client:x" });
    yard.submit({ id: sameTick, key: key(), replyTo: "client:x" });
    yard.tick();
    const later = yard.submit({ key: key(), replyTo: "client:y" });
    yard.worker("w");
    yard.tick();
    for (const id of [sameTick, later]) {
      expect(yard.record(id)).toMatchObject({ state: "submitted", aliasOf: first });
      expect(yard.rows.get(id)?.keepUntil).toBe(yard.now + 86_400_000);
    }
    yard.workers.get("w")?.finish();
    yard.tick();
    expect(yard.mailOf("client:y", "accepted")).toEqual([
      { type: "accepted", id: later, outcome: "duplicate", of: first, code: "", message: "" },
    ]);
    expect(yard.mailOf("client:x", "settled")).toMatchObject([{ id: first, state: "succeeded" }]);
    expect(yard.mailOf("client:y", "settled")).toMatchObject([{ id: first, state: "succeeded" }]);
    expect(yard.record(first).key).toBe("k");
  });

  it("tells at once how the first has ended, also to a copy of the alias", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    const first = yard.submit({ key: key() });
    yard.tick();
    worker.finish();
    yard.tick();
    const second = yard.submit({ key: key(), replyTo: "client:x" });
    yard.tick();
    expect(yard.mailOf("client:x", "settled")).toMatchObject([{ id: first, state: "succeeded" }]);
    yard.submit({ id: second, key: key(), replyTo: "client:z" });
    yard.watch(second, "client:z");
    yard.tick();
    expect(yard.mailOf("client:z", "accepted")).toMatchObject([
      { id: second, of: first },
      { id: second, of: first },
    ]);
  });

  it("is a conflict with other input", () => {
    const yard = new KernelYard();
    yard.submit({ key: key("one") });
    const id = yard.submit({ key: key("two"), replyTo: "client:x" });
    yard.tick();
    expect(yard.record(id)).toMatchObject({ state: "failed", code: "IDEMPOTENCY_CONFLICT" });
    expect(yard.mail.get("client:x")).toMatchObject([
      { type: "accepted", id, outcome: "refused", code: "IDEMPOTENCY_CONFLICT" },
      { type: "settled", id, state: "failed", code: "IDEMPOTENCY_CONFLICT" },
    ]);
  });

  it("is free again after its window, and belongs to one definition", () => {
    const yard = new KernelYard();
    const ids = [yard.submit({ key: key() }), yard.submit({ key: key(), spec: { name: "play" } })];
    yard.tick(5_000);
    ids.push(yard.submit({ key: key() }));
    yard.tick();
    for (const id of ids) expect(yard.record(id)).toMatchObject({ state: "ready", aliasOf: "" });
  });
});

describe("a cancel", () => {
  it("ends a waiting task at once", () => {
    const yard = new KernelYard();
    const ids = [yard.submit(), yard.submit({ delayMs: 50 })];
    yard.tick();
    for (const id of ids) yard.cancel(id);
    for (const id of ids) yard.cancel(id, 2);
    yard.tick();
    for (const id of ids) {
      expect(yard.record(id)).toMatchObject({ state: "cancelled", code: "TASK_CANCELLED" });
      yard.cancel(id, 3);
    }
    yard.tick();
    expect(yard.mailOf(CLIENT, "cancelDone").map(({ request, state }) => `${request} ${state}`)).toEqual([
      "1 cancelled",
      "1 cancelled",
      "2 cancelled",
      "2 cancelled",
      "3 cancelled",
      "3 cancelled",
    ]);
    expect(yard.mailOf(CLIENT, "settled")).toHaveLength(2);
  });

  it("is recorded for an assigned task, and done when its worker says so", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    const id = yard.submit();
    yard.tick();
    yard.cancel(id);
    yard.cancel(id);
    expect(yard.tick().changes).toEqual([
      expect.objectContaining({
        type: "update",
        task: expect.objectContaining({ cancelRequested: true, state: "assigned" }),
      }),
    ]);
    expect(yard.mailOf("worker:w", "abort")).toHaveLength(1);
    expect(worker.held).toEqual([]);
    yard.tick();
    expect(yard.record(id).state).toBe("cancelled");
    expect(yard.mailOf(CLIENT, "cancelDone")).toEqual([
      { type: "cancelDone", request: 1, id, state: "cancelled" },
    ]);
  });

  it.each(["succeeded", "failed", "returned", "final"] as const)(
    "wins against an attempt that %s after it",
    (kind) => {
      const yard = new KernelYard();
      const worker = yard.worker("w");
      worker.isStubborn = true;
      const id = yard.submit();
      yard.tick();
      yard.cancel(id);
      worker.finish(kind);
      yard.tick();
      expect(yard.record(id)).toMatchObject({ state: "cancelled", error: { code: "TASK_CANCELLED" } });
    },
  );

  it("loses against a success before it", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    const id = yard.submit();
    yard.tick();
    worker.finish();
    yard.cancel(id);
    yard.tick();
    expect(yard.mailOf(CLIENT, "cancelDone")).toMatchObject([{ state: "succeeded" }]);
  });

  it("is done when the worker is lost, runs over its time or an older attempt succeeds too late", () => {
    const yard = new KernelYard();
    const [lost, slow] = [yard.worker("l"), yard.worker("s")];
    slow.isStubborn = true;
    const ids = [yard.submit(), yard.submit({ spec: { timeoutMs: 1_000, graceMs: 0 } })];
    yard.tick();
    for (const id of ids) yard.cancel(id);
    slow.start();
    lost.die();
    yard.tick(3_000);
    for (const id of ids) expect(yard.record(id).state).toBe("cancelled");
  });

  it("ignores an older attempt that succeeds after it", () => {
    const yard = new KernelYard();
    const old = yard.worker("old");
    const id = yard.submit();
    yard.tick();
    yard.kernel.apply({ type: "workerLost", worker: "old", cause: "silent" }, yard.now);
    const current = yard.worker("new");
    current.isStubborn = true;
    yard.tick();
    yard.cancel(id);
    old.finish();
    expect(yard.state(id)).toBe("assigned");
    current.finish("cancelled");
    yard.tick();
    expect(yard.record(id).state).toBe("cancelled");
  });

  it("that comes before its submission is remembered", () => {
    const yard = new KernelYard();
    yard.cancel("early");
    yard.cancel("early", 2);
    yard.tick();
    expect(yard.tombstones.get("early")).toBe(yard.now + 86_400_000);
    yard.submit({ id: "early" });
    yard.tick();
    expect(yard.record("early")).toMatchObject({ state: "cancelled", submittedAt: yard.now });
    expect(yard.tombstones.size).toBe(0);
    expect(yard.mailOf(CLIENT, "settled")).toHaveLength(1);
  });

  it("that comes before its submission in the same tick leaves one row", () => {
    const yard = new KernelYard();
    yard.cancel("early");
    yard.submit({ id: "early" });
    expect(yard.tick().changes).toMatchObject([{ type: "insert", task: { state: "cancelled" } }]);
  });

  it("is remembered for a day when no submission comes", () => {
    const yard = new KernelYard();
    yard.cancel("early");
    yard.tick();
    yard.tick(86_399_999);
    yard.cancel("other");
    yard.tick(20_000);
    yard.submit({ id: "early" });
    yard.submit({ id: "other" });
    expect([yard.state("early"), yard.kernel.has("other")]).toEqual(["ready", true]);
    yard.tick();
    expect(yard.record("other").state).toBe("cancelled");
  });

  it("of an alias cancels the first", () => {
    const yard = new KernelYard();
    const first = yard.submit({ key: key() });
    const alias = yard.submit({ key: key() });
    yard.tick();
    yard.kernel.apply(
      {
        type: "cancelRequested",
        id: alias,
        reason: "no need",
        request: 1,
        replyTo: CLIENT,
        stored: yard.record(alias),
      },
      yard.now,
    );
    yard.tick();
    expect(yard.record(first)).toMatchObject({ state: "cancelled", error: { message: "no need" } });
    yard.kernel.apply(
      {
        type: "cancelRequested",
        id: alias,
        reason: "",
        request: 2,
        replyTo: CLIENT,
        stored: yard.record(alias),
      },
      yard.now,
    );
    yard.tick();
    expect(yard.mailOf(CLIENT, "unknown")).toEqual([{ type: "unknown", id: alias }]);
  });
});

describe("a watcher", () => {
  it("hears how a task ends, once, now or later", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    const id = yard.submit();
    yard.watch(id, "client:x");
    yard.watch(id, "client:x");
    yard.watch(id, CLIENT);
    yard.watch("none", "client:x");
    yard.tick();
    worker.finish();
    yard.watch(id, "client:y");
    yard.tick();
    yard.watch(id, "client:z");
    yard.tick();
    for (const mailbox of ["client:x", "client:y", "client:z", CLIENT]) {
      expect(yard.mailOf(mailbox, "settled")).toMatchObject([{ id, state: "succeeded" }]);
    }
    expect(yard.mailOf("client:x", "unknown")).toEqual([{ type: "unknown", id: "none" }]);
  });

  it("whose mailbox is gone is told nothing until it is heard again", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w", { credit: 2 });
    yard.submit();
    yard.tick();
    yard.kernel.mailboxGone(CLIENT);
    worker.finish();
    expect(yard.tick().outgoing).toEqual([]);
    yard.submit();
    yard.tick();
    worker.finish();
    yard.tick();
    expect(yard.mailOf(CLIENT, "settled")).toHaveLength(1);
  });

  it("gets what the shell says in the same frame", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    yard.submit();
    yard.tick();
    worker.finish();
    yard.kernel.tell(CLIENT, { type: "answered", sequence: 4 });
    expect(yard.tick().outgoing).toMatchObject([
      { mailbox: CLIENT, sequence: 0, envelopes: [{ type: "settled" }, { type: "answered" }] },
    ]);
  });
});
