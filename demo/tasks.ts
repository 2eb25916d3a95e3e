import { defineTask } from "yardmaster";
import { z } from "zod";

/** The SHA-256 of a file. Imported by the producer and by the workers; carries no handler code. */
export const digest = defineTask({
  name: "file.digest",
  queue: "digests",
  input: z.object({ path: z.string() }),
  output: z.object({ sha256: z.string().length(64), pid: z.number().int() }),
  backoff: { type: "fixed", baseMs: 100 },
});
