import type { Host } from "./host.ts";
import { YardmasterError } from "./protocol/errors.ts";

/** The answer, or a rejection with BROKER_UNAVAILABLE when it has not come within `timeoutMs`. */
export function answeredWithin<T>(host: Host, timeoutMs: number, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = host.after(timeoutMs, () => {
      reject(new YardmasterError("BROKER_UNAVAILABLE", `The engine did not answer within ${timeoutMs} ms.`));
    });
    answer.then(resolve, reject).finally(cancel);
  });
}

/**
 * Waits for work to end, but no longer than `timeoutMs`; answers whether it did. A failure of the engine is an end
 * too: what it held goes with the process, and there is nobody left to tell. Any other failure is a defect and rejects.
 */
export function endedWithin(host: Host, timeoutMs: number, work: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const cancel = host.after(timeoutMs, () => resolve(false));
    work.then(
      () => {
        cancel();
        resolve(true);
      },
      (error: unknown) => {
        cancel();
        if (error instanceof YardmasterError) resolve(true);
        else reject(error);
      },
    );
  });
}
