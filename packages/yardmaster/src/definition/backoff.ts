import { MAX_DELAY_MS } from "../protocol/check.ts";
import type { Backoff } from "../protocol/task.ts";
import type { OptionCheck } from "./options.ts";

/** How long to wait before the next attempt; see the fields for defaults. `jitter` is `full` unless said otherwise. */
export type BackoffOptions =
  | { readonly type: "fixed"; readonly baseMs: number; readonly jitter?: "none" | "full" }
  | {
      readonly type: "exponential";
      /** The first wait, doubled each time; default 1,000. */
      readonly baseMs?: number;
      /** The longest wait; default 60,000. */
      readonly maxMs?: number;
      readonly jitter?: "none" | "full";
    }
  /** The nth wait is the nth entry; the last one repeats. */
  | { readonly type: "list"; readonly delaysMs: readonly number[]; readonly jitter?: "none" | "full" };

const MAX_LIST = 100;

export function backoffOf(options: BackoffOptions | undefined, check: OptionCheck): Backoff {
  const chosen: BackoffOptions = options ?? { type: "exponential" };
  if (typeof chosen !== "object" || chosen === null) return check.refuse("backoff", "an object", chosen);
  const jitter = check.oneOf("backoff.jitter", chosen.jitter, ["full", "none"]);
  switch (chosen.type) {
    case "fixed":
      check.known(chosen, ["type", "baseMs", "jitter"]);
      return Object.freeze({ type: "fixed", baseMs: delay("baseMs", chosen.baseMs, 1_000, check), jitter });
    case "exponential":
      return exponential(chosen, jitter, check);
    case "list":
      return list(chosen, jitter, check);
    default:
      return check.refuse(
        "backoff.type",
        '"fixed", "exponential" or "list"',
        (chosen as BackoffOptions).type,
      );
  }
}

function exponential(
  chosen: BackoffOptions & { type: "exponential" },
  jitter: Backoff["jitter"],
  check: OptionCheck,
): Backoff {
  check.known(chosen, ["type", "baseMs", "maxMs", "jitter"]);
  const baseMs = delay("baseMs", chosen.baseMs, 1_000, check);
  const maxMs = delay("maxMs", chosen.maxMs, Math.max(60_000, baseMs), check);
  if (maxMs < baseMs) check.refuse("backoff.maxMs", `at least baseMs (${baseMs})`, maxMs);
  return Object.freeze({ type: "exponential", baseMs, maxMs, jitter });
}

function list(
  chosen: BackoffOptions & { type: "list" },
  jitter: Backoff["jitter"],
  check: OptionCheck,
): Backoff {
  check.known(chosen, ["type", "delaysMs", "jitter"]);
  const { delaysMs } = chosen;
  if (!Array.isArray(delaysMs) || delaysMs.length === 0 || delaysMs.length > MAX_LIST) {
    return check.refuse("backoff.delaysMs", `a list of 1 to ${MAX_LIST} delays`, delaysMs);
  }
  const delays = delaysMs.map((ms: number, index) => delay(`delaysMs[${index}]`, ms, 0, check));
  return Object.freeze({ type: "list", delaysMs: Object.freeze(delays), jitter });
}

function delay(field: string, value: number | undefined, otherwise: number, check: OptionCheck): number {
  return check.whole(`backoff.${field}`, value, { min: 0, max: MAX_DELAY_MS, otherwise });
}
