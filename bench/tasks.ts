import { defineQueue, defineTask, type TaskDefinition } from "yardmaster";

export interface NoopInput {
  readonly n: number;
  readonly pad: string;
}

/** Answers with the number that it is given, so that every result can be checked. */
export const noop: TaskDefinition<NoopInput, number> = defineTask<NoopInput, number>({ name: "bench.noop" });

/** The same, spread over all shards. */
export const spread: TaskDefinition<NoopInput, number> = defineTask<NoopInput, number>({
  name: "bench.spread",
  queue: defineQueue<NoopInput>({ name: "bench-spread", routeBy: ({ n }) => String(n % ROUTES) }),
});

/** Its first attempt never ends by itself; the next one answers at once. */
export const stuck: TaskDefinition<NoopInput, number> = defineTask<NoopInput, number>({
  name: "bench.stuck",
  timeoutMs: 0,
});

const ROUTES = 64;
const PAYLOAD_BYTES = 100;
const FRAME_BYTES = JSON.stringify({ n: 1_000_000, pad: "" }).length;
const PAD = "x".repeat(PAYLOAD_BYTES - FRAME_BYTES);

/** An input of about 100 bytes of JSON. */
export function noopInput(n: number): NoopInput {
  return { n, pad: PAD };
}
