import { defineTask, type TaskDefinition } from "../packages/yardmaster/src/definition.ts";

export interface Work {
  /** The submitter's own name for the task. */
  readonly label: string;
  readonly runMs: number;
  /** So many attempts fail before one succeeds. */
  readonly failures: number;
}

export interface Worked {
  readonly label: string;
}

/** How often a task may be started. */
export const ATTEMPTS = 10;
/** The most of `limited` at a time with one key. */
const LIMIT = 2;
const KEYS = 8;
const SOON = { type: "fixed", baseMs: 50, jitter: "none" } as const;

export const work: TaskDefinition<Work, Worked> = defineTask<Work, Worked>({
  name: "chaos.work",
  attempts: ATTEMPTS,
  backoff: SOON,
});

export const once: TaskDefinition<Work, Worked> = defineTask<Work, Worked>({
  name: "chaos.once",
  queue: "once",
  delivery: "at-most-once",
});

/** A few at a time of each key, in a queue that is fair to them. */
export const limited: TaskDefinition<Work, Worked> = defineTask<Work, Worked>({
  name: "chaos.limited",
  queue: "limited",
  attempts: ATTEMPTS,
  backoff: SOON,
  fairness: { key: keyOf },
  concurrency: { limit: LIMIT, key: keyOf },
});

function keyOf({ label }: Work): string {
  return `key ${label.length + ((label.codePointAt(label.length - 1) ?? 0) % KEYS)}`;
}

/** What comes of a graph's tasks. */
export const sum: TaskDefinition<readonly Worked[], Worked> = defineTask<readonly Worked[], Worked>({
  name: "chaos.sum",
  attempts: ATTEMPTS,
  backoff: SOON,
});

/** Submitted by a schedule of the yard's. */
export const beat: TaskDefinition<Work, Worked> = defineTask<Work, Worked>({
  name: "chaos.beat",
  attempts: ATTEMPTS,
  backoff: SOON,
});

/** A graph's last task has no input of its own to be named by. */
export function sumLabel(first: string): string {
  return `sum of ${first}`;
}
