import type { Host } from "../host.ts";
import { YardmasterError } from "../protocol/errors.ts";

/** The promise's value, or a rejection with BROKER_UNAVAILABLE when it has not settled in time. */
export function within<T>(host: Host, timeoutMs: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = host.after(timeoutMs, () => {
      reject(new YardmasterError("BROKER_UNAVAILABLE", `The engine did not answer within ${timeoutMs} ms.`));
    });
    promise.then(resolve, reject).finally(cancel);
  });
}
