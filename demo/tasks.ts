import { defineTask, type TaskDefinition } from "yardmaster";
import { z } from "zod";

export interface Digest {
  readonly sha256: string;
  /** The worker process that computed it. */
  readonly pid: number;
}

/** The SHA-256 of a file. Imported by the producer and by the workers; carries no handler code. */
export const digest: TaskDefinition<{ path: string }, Digest> = defineTask({
  name: "file.digest",
  queue: "digests",
  input: z.object({ path: z.string() }),
  output: z.object({ sha256: z.string().length(64), pid: z.number().int() }),
  backoff: { type: "fixed", baseMs: 100 },
});
