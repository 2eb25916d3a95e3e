import type { OptionCheck } from "../definition/options.ts";
import { checkKey, MAX_DELAY_MS } from "../protocol/check.ts";
import type { IdempotencyKey, ReplaceTerms } from "../protocol/task.ts";

/** Where one task stands for several. */
export interface CollapsingOptions {
  /**
   * Last wins: starts when no other task of the definition with this key was submitted for `waitMs`, and each that is
   * takes the place of the one before (which ends as cancelled, code SUPERSEDED), but no later than `maxWaitMs` after
   * the first of them (default: no limit). Excludes delays and `replace`.
   */
  readonly debounce?: { readonly key: string; readonly waitMs: number; readonly maxWaitMs?: number };
  /** First wins: others of the definition with this key, within `perMs`, are duplicates of it. Excludes `idempotencyKey`. */
  readonly throttle?: { readonly key: string; readonly perMs: number };
  /** Takes the place of a task of the definition with this key that has not started. */
  readonly replace?: { readonly key: string };
}

interface Beside {
  readonly delayMs?: unknown;
  readonly runAt?: unknown;
  readonly idempotencyKey?: unknown;
}

/** Refuses what cannot be together, and values out of their ranges. Throws INVALID_OPTIONS or INVALID_NAME. */
export function checkCollapsing(options: CollapsingOptions & Beside, check: OptionCheck): void {
  const { debounce, throttle, replace } = options;
  if (debounce !== undefined) {
    check.known(debounce, ["key", "waitMs", "maxWaitMs"]);
    checkKey(debounce.key, "debounce.key");
    if (debounce.waitMs === undefined) check.refuse("debounce.waitMs", "milliseconds", debounce.waitMs);
    const range = { min: 1, max: MAX_DELAY_MS, otherwise: 1 };
    check.whole("debounce.waitMs", debounce.waitMs, range);
    check.whole("debounce.maxWaitMs", debounce.maxWaitMs, range);
    for (const field of ["delayMs", "runAt", "replace"] as const)
      if (options[field] !== undefined)
        check.refuse(field, "left out where debounce is given", options[field]);
  }
  if (throttle !== undefined) {
    check.known(throttle, ["key", "perMs"]);
    checkKey(throttle.key, "throttle.key");
    if (throttle.perMs === undefined) check.refuse("throttle.perMs", "milliseconds", throttle.perMs);
    check.whole("throttle.perMs", throttle.perMs, { min: 1, max: MAX_DELAY_MS, otherwise: 1 });
    if (options.idempotencyKey !== undefined)
      check.refuse("throttle", "left out where idempotencyKey is given", throttle);
  }
  if (replace !== undefined) {
    check.known(replace, ["key"]);
    checkKey(replace.key, "replace.key");
  }
}

export function replaceTermsOf({ debounce, replace }: CollapsingOptions): ReplaceTerms | undefined {
  if (replace !== undefined) return { key: replace.key, waitMs: 0, maxWaitMs: 0, until: 0 };
  if (debounce === undefined) return undefined;
  return { key: debounce.key, waitMs: debounce.waitMs, maxWaitMs: debounce.maxWaitMs ?? 0, until: 0 };
}

/** Whoever comes within the window is the same task, whatever its input is. */
export function throttleKeyOf({ throttle }: CollapsingOptions, route: string | null): IdempotencyKey | null {
  if (throttle === undefined) return null;
  const scope = route === null ? "" : `${route.length}:${route}:`;
  const key = `throttle:${scope}${throttle.key}`;
  checkKey(key, "The throttle.key, with what belongs to it,", "throttle.key");
  return { key, windowMs: throttle.perMs, inputHash: "" };
}
