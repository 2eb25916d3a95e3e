import type { Millis } from "../protocol/task.ts";

/** The timer of the sweep. */
export class Sweep {
  readonly fires = "sweep";
  slot = -1;
  dueAt: Millis = 0;
  tie = 0;
}
