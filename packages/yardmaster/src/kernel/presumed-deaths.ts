import { CONTACT_MS, isTerminal, type Millis } from "../protocol/task.ts";
import type { Worker } from "./live.ts";
import type { Shard } from "./shard.ts";
import { detailsOf } from "./task-record.ts";
import { setTimer } from "./waiting.ts";

/** Beyond this many lost workers the oldest are not expected back. */
const MAX_REMEMBERED = 1_000;

/** To be called before the worker's tasks are taken from it. */
export function presumeDead({ presumedDeaths }: Shard, worker: Worker): void {
  if (worker.held.length === 0) return;
  presumedDeaths.set(
    worker.id,
    worker.held.map(({ task }) => task.id),
  );
  mayStillStart(worker);
  if (presumedDeaths.size <= MAX_REMEMBERED) return;
  for (const oldest of presumedDeaths.keys()) {
    presumedDeaths.delete(oldest);
    return;
  }
}

/**
 * It may only be frozen or cut off, and then it goes on by its last contact, as it does not know that it was out of
 * sight. Its tasks go to others at once; only who cancels one of them has to wait.
 */
function mayStillStart({ held, lastHeard }: Worker): void {
  for (const { task, hasStarted } of held) {
    if (hasStarted) continue;
    const details = detailsOf(task);
    details.mayStartUntil = Math.max(details.mayStartUntil, lastHeard + CONTACT_MS);
  }
}

/** The worker lives. A task that was held back only for the sake of its death goes on. */
export function takeDeathsBack(shard: Shard, worker: string, now: Millis): void {
  const ids = shard.presumedDeaths.get(worker);
  if (ids === undefined) return;
  shard.presumedDeaths.delete(worker);
  for (const id of ids) {
    const task = shard.tasks.get(id);
    if (task === undefined || task.details === null || task.details.deaths === 0 || isTerminal(task.state))
      continue;
    const { cancelRequested, deaths } = task.details;
    const wasHeldBack =
      task.state === "scheduled" && !cancelRequested && deaths >= shard.limits.quarantineDeaths;
    task.details.deaths--;
    shard.journal.changed(task);
    if (!wasHeldBack || task.details.deaths >= shard.limits.quarantineDeaths) continue;
    task.details.runAt = Math.max(now, task.details.unheldAt);
    setTimer(shard, task);
  }
}
