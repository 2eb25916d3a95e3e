import { defineTask, type TaskDefinition } from "yardmaster";

export type Counts = Readonly<Record<string, number>>;

/** Counts the words of a file. */
export const count: TaskDefinition<{ file: string }, Counts> = defineTask<{ file: string }, Counts>({
  name: "words.count",
});

/** Adds counts up. */
export const add: TaskDefinition<readonly (Counts | null)[], Counts> = defineTask<
  readonly (Counts | null)[],
  Counts
>({
  name: "words.add",
  maxPayloadBytes: 16 * 1024 * 1024,
});
