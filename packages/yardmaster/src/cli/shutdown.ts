/** Signals that ask a long-running command to end, with the code that a shell reports for each. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;
type Signal = keyof typeof SIGNALS;

/**
 * Resolves at the first SIGINT or SIGTERM, or when the process that started this one as its own is gone: for a
 * graceful end. A second signal ends the process at once with the code that a shell reports for it.
 */
export function shutdownAsked(): Promise<Signal> {
  return new Promise((resolve) => {
    let isAsked = false;
    const listen = (signal: Signal): void => {
      if (isAsked) process.exit(SIGNALS[signal]);
      isAsked = true;
      resolve(signal);
    };
    process.on("SIGINT", () => listen("SIGINT"));
    process.on("SIGTERM", () => listen("SIGTERM"));
    process.once("disconnect", () => {
      if (!isAsked) listen("SIGTERM");
    });
  });
}
