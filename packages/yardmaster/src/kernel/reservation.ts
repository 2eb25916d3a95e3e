import type { Millis } from "../protocol/task.ts";
import { firstAllowed } from "./limits.ts";
import type { Line, Worker } from "./live.ts";
import { mayStart } from "./queues.ts";
import type { Shard } from "./shard.ts";

/** How long a task whose turn it is may be passed over before a worker is kept for it. */
const RESERVE_AFTER_MS = 5_000;

/*
 * A task that needs much would wait for ever while ever new ones that need little take each piece that comes free. So
 * what is first in its queue's order, and was passed over for want of resources for RESERVE_AFTER_MS, has a worker
 * reserved: there, only tasks that ask for the same, or for none of the same resources, are placed until one of its
 * line was. What that worker lacks comes back as its attempts end, so that the wait is bounded by the longest of them. It
 * is the reservation of the first job in backfilling: D. Lifka, "The ANL/IBM SP Scheduling System", JSSPP 1995.
 */

/** The first task of a line has no worker with enough free, and somebody else goes before it. */
export function passOver(shard: Shard, line: Line, now: Millis): void {
  if (shard.short.has(line)) return;
  line.shortSince = now;
  shard.short.add(line);
}

/** A task of the line was placed, or none waits any more. */
export function endShortage(shard: Shard, line: Line): void {
  if (shard.short.delete(line)) letGo(shard, line);
}

/** To be called before anything is placed. */
export function reserve(shard: Shard, now: Millis): void {
  for (const line of shard.short) {
    if (!mayStart(line.queue) || firstAllowed(shard, line, now) === undefined) endShortage(shard, line);
    else if (isOutranked(shard, line)) letGo(shard, line);
    else if (line.reserved === null || !canKeep(shard, line, line.reserved)) {
      letGo(shard, line);
      if (now - line.shortSince >= RESERVE_AFTER_MS) keepOne(shard, line);
    }
  }
}

/** A queue of larger precedence gives nothing up for a smaller one. */
function isOutranked({ queues }: Shard, { queue }: Line): boolean {
  const next = queues.next();
  return next !== undefined && next.settings.precedence > queue.settings.precedence;
}

function canKeep({ roster }: Shard, line: Line, worker: Worker): boolean {
  const pools = roster.poolsOf(line);
  return worker.takesWork && worker.seats.some(({ pool }) => pools.includes(pool));
}

/** The worker that lacks the least part of what the task needs. */
function keepOne(shard: Shard, line: Line): void {
  let best: Worker | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const { seats } of shard.roster.poolsOf(line)) {
    for (const { worker } of seats) {
      if (!worker.takesWork || worker.reservedFor !== null) continue;
      const lacking = lackOf(worker, line);
      if (lacking < least) [best, least] = [worker, lacking];
    }
  }
  if (best === undefined) return;
  line.reserved = best;
  best.reservedFor = line.requirement;
  shard.roster.loadChanged(best);
}

function lackOf({ resources }: Worker, { requirement }: Line): number {
  let lacking = 0;
  for (const { resource, amount } of requirement.needs)
    lacking = Math.max(lacking, (amount - resources.free(resource)) / amount);
  return lacking;
}

function letGo(shard: Shard, line: Line): void {
  const { reserved } = line;
  if (reserved === null) return;
  line.reserved = null;
  reserved.reservedFor = null;
  shard.roster.loadChanged(reserved);
}
