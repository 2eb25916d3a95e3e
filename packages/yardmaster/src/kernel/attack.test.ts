import { describe, expect, it } from "vitest";
import { CLIENT, KernelYard } from "../../test/kernel-yard.ts";

describe("bounds", () => {
  it("sweeps the store as fast as tasks end", () => {
    const yard = new KernelYard({ validate: false });
    const worker = yard.worker("w", { credit: 500 });
    yard.tick();
    let swept = 0;
    for (let second = 0; second < 30; second += 1) {
      for (let task = 0; task < 500; task += 1) yard.submit();
      yard.tick();
      for (let task = 0; task < 500; task += 1) worker.finish();
      for (let part = 0; part < 20; part += 1) {
        for (const change of yard.tick(50).changes) if (change.type === "sweep") swept += change.limit;
      }
    }
    expect(swept).toBeGreaterThan(30 * 500);
  });

  it("never forgets a cancel that it has confirmed", () => {
    const yard = new KernelYard({ validate: false });
    const ids = Array.from({ length: 100_001 }, (_, index) => `c${index}`);
    for (const [request, id] of ids.entries()) yard.cancel(id, request);
    yard.tick();
    const confirmed = new Set(yard.mailOf(CLIENT, "cancelDone").map(({ id }) => id));
    expect(confirmed.size + yard.mailOf(CLIENT, "unknown").length).toBe(ids.length);
    for (const id of [...ids.slice(0, 2), ...ids.slice(-2)]) {
      yard.submit({ id });
      yard.tick();
      expect(yard.state(id) === "cancelled").toBe(confirmed.has(id));
    }
  });
});
