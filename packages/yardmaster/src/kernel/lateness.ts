import type { Millis } from "../protocol/task.ts";
import { type Attempt, Lateness } from "./live.ts";
import type { Shard } from "./shard.ts";

/** So many durations must have been seen before an attempt can be called late. */
const LEAST_KNOWN = 3;
/** How long until it is looked at again while that is not so. */
const LOOK_AGAIN_MS = 1_000;

/** An attempt of a task that may have a second one begins. Nothing for all others. */
export function watchLateness(shard: Shard, attempt: Attempt): void {
  const { speculation, delivery } = attempt.task.kind.spec;
  if (speculation === undefined || delivery === "at-most-once") return;
  attempt.lateness = new Lateness(attempt);
  shard.timers.set(attempt.lateness, lateAt(attempt, speculation));
}

/** It is over, or has been joined by a second one. */
export function forgetLateness(shard: Shard, attempt: Attempt): void {
  if (attempt.lateness === null) return;
  shard.timers.clear(attempt.lateness);
  attempt.lateness = null;
  shard.late.delete(attempt);
}

/** Its time has come, by what was expected when it was set: meanwhile that may have changed. */
export function lookWhetherLate(shard: Shard, lateness: Lateness, now: Millis): void {
  const { attempt } = lateness;
  const { speculation } = attempt.task.kind.spec;
  if (speculation === undefined) return;
  const at = lateAt(attempt, speculation);
  if (at > now) shard.timers.set(lateness, at);
  else if (attempt.task.kind.line.skill.known < LEAST_KNOWN) shard.timers.set(lateness, now + LOOK_AGAIN_MS);
  else shard.late.add(attempt);
}

function lateAt(
  { task, assignedAt }: Attempt,
  { afterFactor, afterMs }: { readonly afterFactor: number; readonly afterMs: Millis },
): Millis {
  return assignedAt + Math.ceil(Math.max(afterMs, afterFactor * task.expectedMs));
}
