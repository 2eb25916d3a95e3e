import type { Host } from "../host.ts";
import { YardmasterError } from "../protocol/errors.ts";

/**
 * Waits for `work`, but no longer than `timeoutMs`. A failure of the engine is an end too: what it held goes with the
 * process, and there is nobody left to tell.
 */
export async function within(
  host: Host,
  timeoutMs: number,
  work: Promise<unknown>,
): Promise<"done" | "timedOut"> {
  let stop: () => void = () => undefined;
  const deadline = new Promise<"timedOut">((resolve) => {
    stop = host.after(timeoutMs, () => resolve("timedOut"));
  });
  const done = work.then(
    () => "done" as const,
    (error: unknown) => {
      if (error instanceof YardmasterError) return "done" as const;
      throw error;
    },
  );
  try {
    return await Promise.race([done, deadline]);
  } finally {
    stop();
  }
}
