import type { Fact } from "../packages/yardmaster/src/testing/fact.ts";
import type { ClockLine } from "./recorder.ts";

/** By how much a dispatcher's clock is set wrong at most. */
export const MAX_AHEAD_MS = 10_000;
/** Between a submission and its acceptance, whose time counts. */
const ON_THE_WAY_MS = 5_000;

type Submitting = Extract<Fact, { type: "submitting" }>;

/** The times in which a dispatcher's wall clock was wrong: a delay that meets one of them may be shorter by that much. */
export class WallClock {
  readonly #wrong: { readonly from: number; to: number }[] = [];

  observe({ at, isRight }: ClockLine): void {
    const last = this.#wrong.at(-1);
    if (!isRight) this.#wrong.push({ from: at, to: Number.POSITIVE_INFINITY });
    else if (last !== undefined) last.to = at;
  }

  /** The submission with the time before which it must not start whatever the clock says. */
  excuse(fact: Submitting): Submitting {
    const { at, intent } = fact;
    const isMet = this.#wrong.some(
      ({ from, to }) => at <= to && Math.max(at, intent.dueAt) + ON_THE_WAY_MS >= from,
    );
    if (!isMet) return fact;
    return { ...fact, intent: { ...intent, dueAt: intent.dueAt - MAX_AHEAD_MS } };
  }
}
