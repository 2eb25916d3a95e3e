import { type Host, systemHost } from "../host.ts";
import type { Random } from "./random.ts";
import type { EventOwner, Timeline } from "./timeline.ts";

/** When a run's wall clock begins; round, so that traces are easy to read. */
const WALL_START = 1_700_000_000_000;

/** The time and chance of one simulated process. Its timers never fire once it is dead. */
export function createVirtualHost(
  timeline: Timeline,
  owner: EventOwner,
  random: Random,
  clock: { readonly wallSkewMs: number },
): Host {
  return {
    now: () => WALL_START + Math.floor(timeline.now + clock.wallSkewMs),
    monotonic: () => timeline.now,
    after: (delayMs, run) => timeline.schedule(delayMs, owner, run),
    defer: (run) => void timeline.schedule(0, owner, run),
    random: () => random.next(),
  };
}

/**
 * Resolves when no promise job is left: everything simulated settles by promises alone, and a macrotask of
 * the real host comes after the last of them.
 */
export function quiescence(): Promise<void> {
  return new Promise((resolve) => systemHost.defer(resolve));
}
