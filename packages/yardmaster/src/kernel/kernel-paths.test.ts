import { describe, expect, it } from "vitest";
import { KernelYard } from "../../test/kernel-yard.ts";
import type { Order, QueueRecord, TaskLinks } from "../protocol/task.ts";
import { Random } from "./random.ts";

const LINKS: TaskLinks = { graph: "", members: 0, after: [], onFailure: "fail", fed: false };

function ordered(order: Order): QueueRecord {
  return { name: "default", order, placement: "least-loaded", paused: false, revision: 1 };
}

function declare(order: Order): KernelYard {
  const yard = new KernelYard();
  yard.order({ type: "apply", queues: [ordered(order)] });
  return yard;
}

function after(yard: KernelYard, ids: readonly string[], graph: Partial<TaskLinks> = {}): string {
  return yard.submit({ links: { ...LINKS, after: ids, ...graph } });
}

describe("the critical-path order", () => {
  it("starts what the longest row waits for, in a graph and outside", () => {
    for (const graph of [{}, { graph: "g", members: 5 }]) {
      const yard = declare("critical-path");
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
    const yard = declare("critical-path");
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
    const yard = declare("critical-path");
    const alone = yard.submit();
    yard.tick();
    yard.now += 60_000;
    const first = yard.submit();
    after(yard, [first]);
    const worker = yard.worker("w");
    yard.tick();
    expect(worker.held[0]?.assign.id).toBe(alone);
  });

  it("ends random graphs earlier than first come, first served, and than chance", () => {
    const means = new Map<Order | "random", number>();
    const orders = ["critical-path", "fifo", "random"] as const;
    for (const order of orders) {
      let total = 0;
      for (let seed = 1; seed <= 60; seed++) total += makespan(order, seed);
      means.set(order, total / 60);
    }
    const [path = 0, fifo = 0, random = 0] = orders.map((order) => means.get(order));
    expect(path / fifo).toBeLessThan(0.95);
    expect(path / random).toBeLessThan(0.95);
  });
});

/** How long a random graph takes on four slots, where its definitions take 100 ms: a few long rows among many short ones. */
function makespan(order: "critical-path" | "fifo" | "random", seed: number): number {
  const random = new Random(seed);
  const yard = declare(order === "random" ? "priority" : order);
  const rows = Array.from({ length: 24 }, () => (random.below(6) === 0 ? 12 : 1 + random.below(3)));
  const members = rows.reduce((sum, row) => sum + row, 0);
  for (const row of rows) {
    let before: string[] = [];
    for (let step = 0; step < row; step++) {
      const links = { ...LINKS, graph: "g", members, after: before };
      before = [yard.submit({ links, priority: order === "random" ? random.below(256) : 0 })];
    }
  }
  const worker = yard.worker("w", { credit: 4 });
  const start = yard.now;
  yard.tick();
  while (worker.held.length > 0) {
    yard.now += 100;
    while (worker.held.length > 0) worker.finish();
    yard.tick();
  }
  return yard.now - start;
}
