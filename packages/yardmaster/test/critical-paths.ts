import { Random } from "../src/kernel/random.ts";
import type { Order, QueueRecord, TaskLinks } from "../src/protocol/task.ts";
import { KernelYard } from "./kernel-yard.ts";

export const NO_LINKS: TaskLinks = { graph: "", members: 0, after: [], onFailure: "fail", fed: false };

/** A yard whose queue has this order. */
export function orderedYard(order: Order): KernelYard {
  const yard = new KernelYard();
  const queue: QueueRecord = {
    name: "default",
    order,
    placement: "least-loaded",
    paused: false,
    revision: 1,
  };
  yard.order({ type: "apply", queues: [queue] });
  return yard;
}

/** How long a random graph takes on four slots, where its definitions take 100 ms: a few long rows among many short ones. */
export function makespan(order: "critical-path" | "fifo" | "random", seed: number): number {
  const random = new Random(seed);
  const yard = orderedYard(order === "random" ? "priority" : order);
  const rows = Array.from({ length: 24 }, () => (random.below(6) === 0 ? 12 : 1 + random.below(3)));
  const members = rows.reduce((sum, row) => sum + row, 0);
  for (const row of rows) {
    let before: string[] = [];
    for (let step = 0; step < row; step++) {
      const links = { ...NO_LINKS, graph: "g", members, after: before };
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
