import { optionCheck, optionsOf } from "../definition/options.ts";
import type { Cancel, Host } from "../host.ts";
import { checkDelay } from "../protocol/check.ts";
import { YardmasterError } from "../protocol/errors.ts";
import type { WaitOptions } from "./handle.ts";

/** One promise that waits for a task's end. Tasks have none or one almost always: a chain costs no array. */
export class Waiter {
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
  next: Waiter | null = null;
  /** Undoes timer and listener where the wait has a limit. */
  private unlimit: Cancel | null = null;

  constructor(resolve: (value: unknown) => void, reject: (reason: unknown) => void) {
    this.resolve = resolve;
    this.reject = reject;
  }

  /** `giveUp` is called once, with the reason, unless `release` comes first. */
  limit(host: Host, { timeoutMs, signal }: WaitOptions, giveUp: (reason: unknown) => void): void {
    const stopTimer =
      timeoutMs === undefined
        ? undefined
        : host.after(timeoutMs, () => {
            this.release();
            giveUp(waitTimedOut(timeoutMs));
          });
    const onAbort = (): void => {
      this.release();
      giveUp(signal?.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    this.unlimit = () => {
      stopTimer?.();
      signal?.removeEventListener("abort", onAbort);
    };
  }

  release(): void {
    this.unlimit?.();
    this.unlimit = null;
  }
}

/** Throws what makes a wait pointless or wrong before it starts. */
export function checkWait(options: WaitOptions): void {
  const { timeoutMs, signal } = optionsOf("result", options, ["timeoutMs", "signal"]);
  if (timeoutMs !== undefined) checkDelay(timeoutMs, "timeoutMs");
  checkSignal(signal, "result");
  signal?.throwIfAborted();
}

/** Throws INVALID_OPTIONS for what nobody could listen to. */
export function checkSignal(signal: AbortSignal | undefined, call: string): void {
  if (signal === undefined || typeof signal?.addEventListener === "function") return;
  optionCheck(call).refuse("signal", "an AbortSignal", signal);
}

function waitTimedOut(timeoutMs: number): YardmasterError {
  return new YardmasterError(
    "WAIT_TIMED_OUT",
    `The task was not over after ${timeoutMs} ms; it goes on. Wait again, or cancel it.`,
    { details: { timeoutMs } },
  );
}
