import { openSync, writeSync } from "node:fs";
import type { Change } from "../packages/yardmaster/src/protocol/change.ts";
import type { TaskRecord } from "../packages/yardmaster/src/protocol/task.ts";
import type { Lease } from "../packages/yardmaster/src/stores/store.ts";
import type { Fact } from "../packages/yardmaster/src/testing/fact.ts";

/**
 * What a process saw of its calls to the store. When a commit applied is not known to its caller: somewhere between
 * the call and the answer, if one came.
 */
export type Call =
  | { readonly type: "acquiring"; readonly at: number; readonly call: number }
  | { readonly type: "acquireEnd"; readonly at: number; readonly call: number; readonly lease: Lease }
  | {
      readonly type: "committing";
      readonly at: number;
      readonly call: number;
      readonly lease: Lease;
      readonly sequence: number;
      readonly changes: readonly Change[];
    }
  | {
      readonly type: "commitEnd";
      readonly at: number;
      readonly call: number;
      /** `fenced` is the refusal of an earlier owner, `refused` one for another reason. */
      readonly outcome: "applied" | "fenced" | "refused" | "unknown";
    }
  /** All that a new owner was given to start from. */
  | {
      readonly type: "loaded";
      readonly at: number;
      readonly shard: number;
      readonly epoch: number;
      readonly tasks: readonly TaskRecord[];
    };

/** A dispatcher's wall clock was set wrong, or right again. */
export interface ClockLine {
  readonly type: "clockSet";
  readonly at: number;
  readonly isRight: boolean;
}

/** A line of a process's own file. */
export type Line = Fact | Call | ClockLine;

type WithoutTime<T> = T extends unknown ? Omit<T, "at"> : never;

/**
 * Appends what a process sees to a file of its own, line by line and at once, so that a killed process leaves all that
 * it saw. All processes of a machine share one monotonic clock.
 */
export class Recorder {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, "a");
  }

  /** Answers the time that it wrote down. */
  write(line: WithoutTime<Line>, at: number = clock()): number {
    writeSync(this.#file, `${JSON.stringify({ at, ...line })}\n`);
    return at;
  }
}

/** The machine's monotonic clock, in milliseconds to the microsecond. */
export function clock(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}
