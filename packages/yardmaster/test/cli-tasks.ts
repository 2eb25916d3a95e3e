import { defineTask, type TaskDefinition } from "../src/definition.ts";

export interface Hold {
  /** The attempt goes on until this file exists. */
  readonly until: string;
  /** Only the first attempt waits. */
  readonly once?: boolean;
}

/** Who ran a task. */
export interface RanBy {
  readonly pid: number;
  readonly attempt: number;
}

export const hold: TaskDefinition<Hold, RanBy> = defineTask<Hold, RanBy>({
  name: "hold",
  attempts: 10,
  backoff: { type: "fixed", baseMs: 10 },
});

/** Ends the process that runs it. */
export const die: TaskDefinition<unknown, never> = defineTask<unknown, never>({
  name: "die",
  attempts: 10,
  backoff: { type: "fixed", baseMs: 10 },
});
