import { describe, expect, it } from "vitest";
import { makespan, NO_LINKS, orderedYard } from "../../test/critical-paths.ts";
import type { KernelYard } from "../../test/kernel-yard.ts";
import type { TaskLinks } from "../protocol/task.ts";

function after(yard: KernelYard, ids: readonly string[], graph: Partial<TaskLinks> = {}): string {
  return yard.submit({ links: { ...NO_LINKS, after: ids, ...graph } });
}

describe("the critical-path order", () => {
  it("starts what the longest row waits for, in a graph and outside", () => {
    for (const graph of [{}, { graph: "g", members: 5 }]) {
      const yard = orderedYard("critical-path");
      const short = after(yard, [], graph);
      const long = after(yard, [], graph);
      const middle = after(yard, [long], graph);
      after(yard, [middle], graph);
      after(yard, [short], graph);
      yard.tick();
      yard.takeover();
      yard.worker("w");
      yard.tick();
      expect([yard.state(short), yard.state(long)]).toEqual(["ready", "assigned"]);
    }
  });

  it("moves a task that waits in its line, and leaves the rest", () => {
    const yard = orderedYard("critical-path");
    const ids = [yard.submit(), yard.submit(), yard.submit()];
    yard.tick();
    after(yard, [ids[2] ?? ""]);
    const worker = yard.worker("w");
    yard.tick();
    expect(worker.held[0]?.assign.id).toBe(ids[2]);
    worker.finish();
    yard.tick();
    expect(worker.held[0]?.assign.id).toBe(ids[0]);
  });

  it("does not starve what nobody waits for", () => {
    const yard = orderedYard("critical-path");
    const alone = yard.submit();
    yard.tick();
    yard.now += 60_000;
    const first = yard.submit();
    after(yard, [first]);
    const worker = yard.worker("w");
    yard.tick();
    expect(worker.held[0]?.assign.id).toBe(alone);
  });

  it.each(["fifo", "random"] as const)(
    "ends random graphs earlier than %s order, beyond chance",
    (other) => {
      const saved = Array.from(
        { length: 60 },
        (_, seed) => 1 - makespan("critical-path", seed) / makespan(other, seed),
      );
      const mean = saved.reduce((sum, one) => sum + one) / saved.length;
      const variance = saved.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (saved.length - 1);
      // Student's t for 59 degrees of freedom.
      expect(mean - 2.001 * Math.sqrt(variance / saved.length)).toBeGreaterThan(0.04);
    },
  );
});
