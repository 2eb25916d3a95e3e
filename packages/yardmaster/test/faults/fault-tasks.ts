import { defineTask, type TaskDefinition } from "../../src/definition.ts";

export interface Work {
  readonly number: number;
  /** The attempt goes on until this file exists; "" for at once. */
  readonly until: string;
}

export interface Worked {
  /** Twice the number: a result that can be checked. */
  readonly doubled: number;
  readonly pid: number;
  readonly attempt: number;
}

/** Writes down that it runs, in a file outside of the yard, before it does anything else. */
export const work: TaskDefinition<Work, Worked> = defineTask<Work, Worked>({
  name: "work",
  attempts: 10,
  backoff: { type: "fixed", baseMs: 10, jitter: "none" },
});

/** As `work`, at most two at a time. */
export const limited: TaskDefinition<Work, Worked> = defineTask<Work, Worked>({
  name: "limited",
  attempts: 10,
  concurrency: 2,
});

/** What comes of several. */
export const total: TaskDefinition<readonly Worked[], number> = defineTask<readonly Worked[], number>({
  name: "total",
});
