import type { Millis } from "../protocol/task.ts";
import type { Flows } from "./flows.ts";

/** What a line knows of a task. `slot` is the ordering's own handle and -1 outside. */
export interface InLine {
  slot: number;
  /** Rises with each task that joins a line, but one that was handed back keeps its number. */
  readonly order: number;
  readonly priority: number;
  /** When it began to wait: accepted, or due. */
  readonly since: Millis;
  /** Infinity for none. */
  readonly deadline: Millis;
  /** How long it is expected to run. */
  readonly expectedMs: number;
  /** How long the longest row of tasks is expected to run that wait for it, one after the other. */
  readonly pathMs: number;
  /** Whose share it uses, and how large that is. */
  readonly fairnessKey: string;
  readonly weight: number;
}

/** What the orderings of one queue share. */
export interface OrderContext {
  readonly agingMs: number;
  readonly flows: Flows;
}

/** The order of the ready tasks of one line. */
export interface Ordering<T extends InLine> {
  readonly size: number;
  push(task: T): void;
  /** The task to run next, or undefined when none waits. */
  peek(): T | undefined;
  /** Takes out the task that `peek` shows. */
  pop(): T | undefined;
  remove(task: T): void;
}

/** An order as a queue has it: one `Ordering` for each of its lines, and `before` between their heads. */
export interface OrderingPolicy {
  create<T extends InLine>(context: OrderContext): Ordering<T>;
  before(a: InLine, b: InLine, context: OrderContext): boolean;
}
