import type { Backoff, Millis } from "../protocol/task.ts";
import type { Random } from "./random.ts";

/** How long the next attempt waits after attempt number `failed` (from 1) failed. */
export function backoffMs(backoff: Backoff, failed: number, random: Random): Millis {
  const longest = fullDelayMs(backoff, failed);
  return backoff.jitter === "full" ? random.below(longest + 1) : longest;
}

function fullDelayMs(backoff: Backoff, failed: number): Millis {
  switch (backoff.type) {
    case "fixed":
      return backoff.baseMs;
    case "exponential":
      return Math.min(backoff.baseMs * 2 ** (failed - 1), backoff.maxMs);
    case "list":
      return backoff.delaysMs[Math.min(failed, backoff.delaysMs.length) - 1] ?? 0;
  }
}
