import { TERMINAL_STATES } from "yardmaster/http-client";

const PERIOD_MS: Readonly<Record<string, number>> = {
  "15m": 900_000,
  "1h": 3_600_000,
  "24h": 86_400_000,
  "7d": 604_800_000,
};

/** What the address says is looked for. */
export interface TaskSearch {
  /** `unfinished`, `ended` or a state. */
  readonly state: string;
  readonly queue: string;
  readonly name: string;
  /** Idempotency key: of the name, in any state. */
  readonly key: string;
  readonly period: string;
}

/** Whether one task is looked for, by its key. */
export function isKeyed({ name, key }: TaskSearch): boolean {
  return name !== "" && key !== "";
}

export function isEnded(state: string): boolean {
  return state === "ended" || (TERMINAL_STATES as readonly string[]).includes(state);
}

/** When a period began, rounded so that the same filter is the same question for a while. */
export function fromOf(period: string): { readonly from?: string } {
  const span = PERIOD_MS[period];
  return span === undefined ? {} : { from: new Date(Date.now() - span).toISOString() };
}
