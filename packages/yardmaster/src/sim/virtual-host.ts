// biome-ignore lint/plugin: it waits for promises, and not for any time.
import { nextTick } from "node:process";
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
  clock: { readonly wallSkewMs: number; readonly driftRate: number },
): Host {
  return {
    now: () => WALL_START + Math.floor(timeline.now * (1 + clock.driftRate) + clock.wallSkewMs),
    monotonic: () => timeline.now,
    after: (delayMs, run) => timeline.schedule(delayMs, owner, run),
    defer: (run) => void timeline.schedule(0, owner, run),
    random: () => random.next(),
  };
}

/** So often the real host gets its turn, which tells of promises that nobody handled. */
const TURNS = 64;
let turns = 0;

/**
 * Resolves when no promise job is left: everything simulated settles by promises alone, and the real host runs a tick
 * after the last of them.
 */
export function quiescence(): Promise<void> {
  turns = (turns + 1) % TURNS;
  return new Promise((resolve) => {
    if (turns === 0) systemHost.defer(resolve);
    else nextTick(resolve);
  });
}
