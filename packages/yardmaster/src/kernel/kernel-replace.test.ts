import { describe, expect, it } from "vitest";
import { CLIENT, KernelYard } from "../../test/kernel-yard.ts";
import { NO_TERMS } from "../definition/terms.ts";
import type { ReplaceTerms } from "../protocol/task.ts";

function put(yard: KernelYard, wish: Partial<ReplaceTerms> = {}): string {
  const replace = { key: "k", waitMs: 0, maxWaitMs: 0, until: 0, ...wish };
  return yard.submit({ terms: { ...NO_TERMS, replace } });
}

describe("a task with a key to be replaced by", () => {
  it("gives way to a later one as long as it has not started", () => {
    const yard = new KernelYard();
    const [first, second, other] = [put(yard), put(yard), put(yard, { key: "other" })];
    yard.tick();
    expect(yard.record(first)).toMatchObject({
      state: "cancelled",
      code: "SUPERSEDED",
      error: { message: `Task ${second}, submitted later with the same key, took its place.` },
    });
    expect(yard.mailOf(CLIENT, "settled")).toMatchObject([
      { id: first, state: "cancelled", code: "SUPERSEDED" },
    ]);
    yard.worker("w", { credit: 2 });
    yard.tick();
    expect([yard.state(second), yard.state(other)]).toEqual(["assigned", "assigned"]);
    const third = put(yard);
    yard.tick();
    expect([yard.state(second), yard.state(third)]).toEqual(["assigned", "ready"]);
  });

  it("is known by the next owner, and neither parked nor replaced once it was tried", () => {
    const yard = new KernelYard({ maxLive: 2 });
    yard.submit();
    yard.submit();
    yard.tick();
    const first = put(yard);
    yard.tick();
    expect(yard.kernel.has(first)).toBe(true);
    yard.takeover();
    const second = put(yard);
    yard.tick();
    expect(yard.record(first).code).toBe("SUPERSEDED");
    const worker = yard.worker("w", { credit: 9 });
    yard.tick();
    worker.finish(
      "failed",
      {},
      worker.held.findIndex(({ assign }) => assign.id === second),
    );
    const third = put(yard);
    yard.tick();
    expect([yard.state(second), yard.state(third)]).toEqual(["scheduled", "assigned"]);
    yard.takeover();
    worker.beat();
    put(yard);
    yard.tick();
    expect([yard.state(second), yard.state(third)]).toEqual(["scheduled", "assigned"]);
  });

  it("that was handed back does not run beside the one that came after it", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    const first = put(yard);
    yard.tick();
    const second = put(yard);
    yard.tick();
    worker.finish("returned");
    yard.tick();
    expect(yard.record(first)).toMatchObject({ state: "cancelled", code: "SUPERSEDED" });
    expect(yard.state(second)).toBe("assigned");
    worker.finish("returned");
    yard.tick();
    expect(yard.state(second)).toBe("assigned");
  });

  it("that was tried stays, also when a later attempt of it is handed back", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    const first = put(yard);
    yard.tick();
    worker.finish("retryIn", { delayMs: 1 });
    yard.tick();
    yard.tick(1);
    expect(yard.state(first)).toBe("assigned");
    const second = put(yard);
    yard.tick();
    worker.finish("returned");
    yard.tick();
    expect([yard.record(first).code, yard.state(second)]).toEqual(["", "ready"]);
  });

  it("waits for a later one, but not for ever", () => {
    const yard = new KernelYard();
    const wait = { waitMs: 1_000, maxWaitMs: 2_500 };
    const ids = [put(yard, wait)];
    for (let turn = 0; turn < 3; turn++) {
      yard.tick(700);
      if (turn === 1) yard.takeover();
      ids.push(put(yard, wait));
    }
    yard.tick();
    const last = ids.at(-1) ?? "";
    expect(ids.slice(0, -1).map((id) => yard.record(id).code)).toEqual(Array(3).fill("SUPERSEDED"));
    expect(yard.record(last)).toMatchObject({ state: "scheduled", runAt: 1_000_000 + 2_500 });
    yard.tick(400);
    expect(yard.state(last)).toBe("ready");
    const alone = put(yard, { key: "alone", waitMs: 300 });
    yard.tick();
    expect(yard.record(alone).runAt).toBe(yard.now + 300);
  });

  it("is refused where memory is full of such keys", () => {
    const yard = new KernelYard({ maxLive: 2 });
    const ids = ["a", "b", "c"].map((key) => put(yard, { key }));
    yard.tick();
    expect(ids.map((id) => yard.record(id).code)).toEqual(["", "", "TASK_REFUSED"]);
  });
});
