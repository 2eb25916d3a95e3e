import type { TaskId, TerminalState } from "../protocol/task.ts";
import type { Outcome, TaskHandle, WaitOptions } from "./handle.ts";
import { leavesOf, type Value } from "./plan-nodes.ts";
import { isOwnFailure } from "./settlement.ts";

/** Tasks that were submitted together. */
export interface GraphHandle<Output = unknown> {
  readonly id: TaskId;
  /** In the order of the plan: each behind those that it waits for. */
  readonly tasks: readonly TaskHandle[];
  /** The plan's results. Throws as a task's `result` does, for the first task that they need and that did not succeed. */
  result(options?: WaitOptions): Promise<Output>;
  /** As `result`, but how it ended is a value. */
  settled(options?: WaitOptions): Promise<Outcome<Output>>;
  /** Ends what has not ended. Resolves when none of its tasks can start any more. */
  cancel(reason?: string): Promise<void>;
}

export class Graph implements GraphHandle {
  readonly id: TaskId;
  readonly tasks: readonly TaskHandle[];
  private readonly value: Value;
  private readonly stop: (id: TaskId, reason: string) => Promise<TerminalState>;

  constructor(
    id: TaskId,
    tasks: readonly TaskHandle[],
    value: Value,
    cancel: (id: TaskId, reason: string) => Promise<TerminalState>,
  ) {
    this.id = id;
    this.tasks = tasks;
    this.value = value;
    this.stop = cancel;
  }

  async result(options?: WaitOptions): Promise<unknown> {
    const leaves = leavesOf(this.value);
    const results = await Promise.all(leaves.map((leaf) => this.tasks[leaf]?.result(options)));
    const byLeaf = new Map(leaves.map((leaf, index) => [leaf, results[index]]));
    return filled(this.value, byLeaf);
  }

  async settled(options?: WaitOptions): Promise<Outcome<unknown>> {
    try {
      return { ok: true, value: await this.result(options) };
    } catch (error) {
      if (isOwnFailure(error)) return { ok: false, error };
      throw error;
    }
  }

  async cancel(reason = ""): Promise<void> {
    if (this.tasks.length > 0) await this.stop(this.id, reason);
  }
}

function filled(value: Value, results: ReadonlyMap<number, unknown>): unknown {
  return typeof value === "number" ? results.get(value) : value.map((part) => filled(part, results));
}
