import type { Random } from "./random.ts";

/** What of the product a run uses beside plain tasks. */
export const FEATURES = [
  "orders",
  "placements",
  "routing",
  "queueLimits",
  "concurrency",
  "rates",
  "batches",
  "once",
  "delays",
  "expiry",
  "deadlines",
  "keys",
  "cancels",
  "debounce",
  "throttle",
  "replace",
  "dependencies",
  "graphs",
  "schedules",
  "pauses",
  "parking",
  "large",
] as const;

export type Feature = (typeof FEATURES)[number];

/** A random subset: what all runs use a little hides what only a few together break (Groce et al., ISSTA 2012). */
export function drawFeatures(random: Random): ReadonlySet<Feature> {
  const share = random.pick([0.1, 0.3, 0.3, 0.5, 0.8]);
  return new Set(FEATURES.filter(() => random.chance(share)));
}
