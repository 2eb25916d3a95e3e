import { defineQueue, defineTask, type QueueDefinition, type TaskDefinition } from "yardmaster";

/** Some fail at first, some wait a little: the store has tasks in every state when a dispatcher goes. */
export const square: TaskDefinition<number, number> = defineTask<number, number>({
  name: "square",
  attempts: 20,
  backoff: { type: "fixed", baseMs: 20 },
});

export const later: QueueDefinition = defineQueue({ name: "later" });

export const squareLater: TaskDefinition<number, number> = defineTask<number, number>({
  name: "square.later",
  queue: later,
});
