import { defineQueue, defineTask, type TaskDefinition } from "yardmaster";
import type { NoopInput } from "./payload.ts";

type Noop = TaskDefinition<NoopInput, number>;

/** Of each key: more than are ever in the way. */
const PLACES = 100;

/** Answers with the number that it is given, so that every result can be checked. */
export const noop: Noop = defineTask<NoopInput, number>({ name: "bench.noop" });

/** The same, spread over all shards. */
export const spread: Noop = defineTask<NoopInput, number>({
  name: "bench.spread",
  queue: defineQueue<NoopInput>({ name: "bench-spread", routeBy: ({ n }) => String(n % ROUTES) }),
});

/** The same by priority, tried again soon. */
export const urgent: Noop = defineTask<NoopInput, number>({
  name: "bench.urgent",
  queue: defineQueue({ name: "bench-urgent", order: "priority" }),
  backoff: { type: "fixed", baseMs: 10, jitter: "none" },
});

/** The same with places for each of 100,000 keys, and of 100. */
export const manyKeys: Noop = keyed("bench.many-keys", 100_000);
export const fewKeys: Noop = keyed("bench.few-keys", 100);

/** One definition for each of 1,000 queues. */
export const queued: readonly Noop[] = Array.from({ length: 1_000 }, (_, index) =>
  defineTask<NoopInput, number>({
    name: `bench.queued-${index}`,
    queue: defineQueue({ name: `bench-queue-${index}` }),
  }),
);

/** Kept for seconds after its end, for runs of millions. */
export const brief: Noop = defineTask<NoopInput, number>({
  name: "bench.brief",
  keepResultMs: 2_000,
  keepFailureMs: 2_000,
});

/** Its first attempt never ends by itself; the next one answers at once. */
export const stuck: Noop = defineTask<NoopInput, number>({
  name: "bench.stuck",
  timeoutMs: 0,
});

const ROUTES = 64;
function keyed(name: string, keys: number): Noop {
  return defineTask<NoopInput, number>({
    name,
    concurrency: { limit: PLACES, key: ({ n }: NoopInput) => `key-${n % keys}` },
  });
}
