import { MAX_DELAY_MS } from "../protocol/check.ts";
import { MAX_LATE_FACTOR, MIN_LATE_FACTOR, type Speculation } from "../protocol/task.ts";
import type { OptionCheck } from "./options.ts";

/** When a task that runs for too long is started a second time elsewhere. */
export interface SpeculationOptions {
  /** After so many times what its definition is expected to take, 1 to 1,000; default 3. */
  readonly afterFactor?: number;
  /** And after so long in any case; default 1,000. */
  readonly afterMs?: number;
}

const DEFAULT_FACTOR = 3;
const DEFAULT_MS = 1_000;

/** Undefined where nothing is ever started a second time. */
export function speculationOf(
  options: SpeculationOptions | boolean | undefined,
  delivery: "at-least-once" | "at-most-once" | undefined,
  check: OptionCheck,
): Speculation | undefined {
  if (options === undefined || options === false) return undefined;
  if (delivery === "at-most-once")
    check.refuse("speculative", "left out where the task runs at most once", options);
  const { afterFactor = DEFAULT_FACTOR, afterMs } = options === true ? {} : options;
  if (options !== true) check.known(options, ["afterFactor", "afterMs"]);
  const isFactor =
    typeof afterFactor === "number" && afterFactor >= MIN_LATE_FACTOR && afterFactor <= MAX_LATE_FACTOR;
  return Object.freeze({
    afterFactor: isFactor
      ? afterFactor
      : check.refuse(
          "speculative.afterFactor",
          `a number from ${MIN_LATE_FACTOR} to ${MAX_LATE_FACTOR}`,
          afterFactor,
        ),
    afterMs: check.whole("speculative.afterMs", afterMs, {
      min: 0,
      max: MAX_DELAY_MS,
      otherwise: DEFAULT_MS,
    }),
  });
}
