import { defineTask, type TaskDefinition } from "yardmaster";

/** Records leave quickly, so that a soak of minutes lives through many lives of everything. */
const SHORT = { keepResultMs: 2_000, keepFailureMs: 2_000 };

/** Answers with its number. */
export const echo: TaskDefinition<number, number> = defineTask<number, number>({
  name: "soak.echo",
  ...SHORT,
});

/** The same, a few at a time of each of 50 keys, in a queue that is fair to them. */
export const keyed: TaskDefinition<number, number> = defineTask<number, number>({
  name: "soak.keyed",
  queue: "soak-keyed",
  fairness: { key: (n) => String(n % 50) },
  concurrency: { limit: 4, key: (n) => String(n % 50) },
  ...SHORT,
});

/** Fails at its first attempt and answers at its second. */
export const flaky: TaskDefinition<number, number> = defineTask<number, number>({
  name: "soak.flaky",
  attempts: 3,
  backoff: { type: "fixed", baseMs: 50, jitter: "none" },
  ...SHORT,
});

/** Never succeeds. */
export const failing: TaskDefinition<number, number> = defineTask<number, number>({
  name: "soak.failing",
  attempts: 2,
  backoff: { type: "fixed", baseMs: 50, jitter: "none" },
  ...SHORT,
});
