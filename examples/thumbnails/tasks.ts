import { defineQueue, defineTask, type QueueDefinition, type TaskDefinition } from "yardmaster";
import { z } from "zod";

/** Previews that somebody waits for come first. */
export const previews: QueueDefinition = defineQueue({ name: "previews", order: "priority" });

export interface Preview {
  readonly url: string;
  readonly width: number;
}

export interface Stored {
  readonly key: string;
  readonly bytes: number;
}

/** Imported by producers and workers alike: it carries no handler code. */
export const makePreview: TaskDefinition<Preview, Stored> = defineTask({
  name: "preview.make",
  queue: previews,
  input: z.object({ url: z.url(), width: z.number().int().min(16).max(4096) }),
  output: z.object({ key: z.string(), bytes: z.number().int() }),
  attempts: 5,
  backoff: { type: "exponential", baseMs: 200, maxMs: 10_000, jitter: "full" },
  timeoutMs: 10_000,
});
