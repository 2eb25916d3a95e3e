import { signal } from "@preact/signals";

/** How far the dispatcher's clock is ahead of this one: durations of what runs are by its clock. */
let aheadMs = 0;

/** The yard's time, for what is shown of it. Moves once a second: everything relative moves together. */
export const now = signal(Date.now());

export function yardNow(): number {
  return Date.now() + aheadMs;
}

/** Small differences are the way that the news took. */
export function setYardTime(at: number): void {
  const seen = at - Date.now();
  aheadMs = Math.abs(seen) < 500 ? 0 : seen;
}

setInterval(() => {
  if (!document.hidden) now.value = yardNow();
}, 1_000);
