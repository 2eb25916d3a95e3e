import type { Host } from "../host.ts";

/** Waits for work to settle, but no longer than `timeoutMs`; answers whether it did. Never rejects. */
export function settledWithin(host: Host, timeoutMs: number, work: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve) => {
    const cancel = host.after(timeoutMs, () => resolve(false));
    const settled = (): void => {
      cancel();
      resolve(true);
    };
    work.then(settled, settled);
  });
}
