import type { Cancel, Host } from "../host.ts";
import type { ToDispatcher } from "../protocol/envelope.ts";
import { ERRORS, type ErrorCode, YardmasterError } from "../protocol/errors.ts";
import type { TaskId } from "../protocol/task.ts";
import type { ControlLane } from "./control-lane.ts";

const REPEAT_MS = 5_000;
/** How long a dispatcher may take to answer, unless the call says otherwise. */
export const ANSWER_MS = 30_000;

interface Pending {
  readonly shard: number;
  readonly envelope: ToDispatcher;
  readonly what: string;
  readonly timeoutMs: number;
  readonly askedAt: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
  readonly stop: Cancel[];
}

/** Numbered questions and orders to dispatchers, repeated until they are answered or time is over. */
export class Requests {
  private readonly host: Host;
  private readonly lanes: readonly ControlLane[];
  private readonly onSilence: (since: number) => void;
  private readonly pending = new Map<number, Pending>();
  private last = 0;
  private closed: YardmasterError | null = null;

  /** `onSilence` is told the monotonic time of a request that was repeated and is still not answered. */
  constructor(host: Host, lanes: readonly ControlLane[], onSilence: (since: number) => void) {
    this.host = host;
    this.lanes = lanes;
    this.onSilence = onSilence;
  }

  /**
   * Sends what `build` makes of the request's number. Rejects with BROKER_UNAVAILABLE when no dispatcher answers,
   * and with the dispatcher's own refusal. `what` says what was asked, for the error.
   */
  ask(
    shard: number,
    what: string,
    build: (request: number) => ToDispatcher,
    timeoutMs: number = ANSWER_MS,
  ): Promise<unknown> {
    if (this.closed !== null) return Promise.reject(this.closed);
    this.last += 1;
    const request = this.last;
    return new Promise((resolve, reject) => {
      const envelope = build(request);
      const askedAt = this.host.monotonic();
      const pending: Pending = { shard, envelope, what, timeoutMs, askedAt, resolve, reject, stop: [] };
      this.lanes[shard]?.add(envelope);
      this.pending.set(request, pending);
      this.arm(request, pending);
    });
  }

  resolve(request: number, value: unknown): void {
    this.take(request)?.resolve(value);
  }

  reply(request: number, ok: boolean, value: unknown): void {
    const pending = this.take(request);
    if (ok) pending?.resolve(value);
    else pending?.reject(refusal(pending.what, value));
  }

  /** The dispatcher knows no such task. */
  rejectCancels(id: TaskId, error: YardmasterError): void {
    for (const [request, { envelope }] of this.pending) {
      if (envelope.type === "cancel" && envelope.id === id) this.take(request)?.reject(error);
    }
  }

  /** A new owner has heard none of them. */
  repeat(shard: number): void {
    for (const pending of this.pending.values()) {
      if (pending.shard === shard) this.lanes[shard]?.add(pending.envelope);
    }
  }

  close(error: YardmasterError): void {
    this.closed = error;
    for (const request of [...this.pending.keys()]) this.take(request)?.reject(error);
  }

  private arm(request: number, pending: Pending): void {
    const again = (): void => {
      this.lanes[pending.shard]?.add(pending.envelope);
      if (this.host.monotonic() - pending.askedAt > REPEAT_MS) this.onSilence(pending.askedAt);
      pending.stop[0] = this.host.after(REPEAT_MS, again);
    };
    pending.stop[0] = this.host.after(REPEAT_MS, again);
    pending.stop[1] = this.host.after(pending.timeoutMs, () => {
      this.take(request)?.reject(unanswered(pending));
    });
  }

  private take(request: number): Pending | undefined {
    const pending = this.pending.get(request);
    if (pending === undefined) return undefined;
    this.pending.delete(request);
    for (const stop of pending.stop) stop();
    return pending;
  }
}

function unanswered({ what, timeoutMs }: Pending): YardmasterError {
  return new YardmasterError(
    "BROKER_UNAVAILABLE",
    `No dispatcher answered within ${timeoutMs / 1000} s (${what}): is one running? ` +
      "Start one with `yardmaster dispatcher` or startDispatcher.",
  );
}

/** A dispatcher's refusal as it travels: null for a name that does not exist, else `{ code, message }`. */
function refusal(what: string, value: unknown): YardmasterError {
  if (value === null) {
    return new YardmasterError(
      "INVALID_NAME",
      `The dispatcher refused (${what}): there is nothing of that name.`,
    );
  }
  const said: { code?: unknown; message?: unknown } = typeof value === "object" ? value : {};
  const code = typeof said.code === "string" && isErrorCode(said.code) ? said.code : "UNSUPPORTED";
  const why = typeof said.message === "string" ? said.message : JSON.stringify(value);
  return new YardmasterError(code, `The dispatcher refused (${what}): ${why}`);
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}
