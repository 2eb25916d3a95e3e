import { expect } from "vitest";
import type { Explanation, Reason } from "../src/protocol/explanation.ts";
import { DEFAULT_SETTINGS, type Order, type QueueSettings } from "../src/protocol/task.ts";
import type { KernelYard } from "./kernel-yard.ts";

/** Of which an explanation was held against a whole one: state, sentence and data. */
export const asserted: Set<Reason> = new Set();

export function explained(yard: KernelYard, id: string): unknown {
  return yard.kernel.answer({ type: "explain", id }, yard.now);
}

/** Nothing may be left out. */
export function expectExplained(yard: KernelYard, id: string, whole: Omit<Explanation, "id">): void {
  expect(explained(yard, id)).toEqual({ id, ...whole });
  asserted.add(whole.reason);
}

export function declare(yard: KernelYard, settings: Partial<QueueSettings>, order: Order = "fifo"): void {
  const base = {
    name: "default",
    placement: "least-loaded",
    paused: false,
    revision: 1,
  } as const;
  yard.order({ type: "apply", queues: [{ ...base, order, settings: { ...DEFAULT_SETTINGS, ...settings } }] });
}
