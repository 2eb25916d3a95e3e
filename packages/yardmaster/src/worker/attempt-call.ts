import type { LogLine } from "../protocol/envelope.ts";
import type { TaskId } from "../protocol/task.ts";
import type { Attempt } from "./attempt.ts";
import type { Call, Submit } from "./handlers.ts";

/** Takes what a handler tells of its attempt. */
export interface Teller {
  readonly progress: (attempt: Attempt, fraction: number, note: string) => void;
  readonly log: (attempt: Attempt, message: string, level: LogLine["level"]) => void;
  readonly submit: Submit;
}

/** Not a private field, which a handler that wraps its call in a `Proxy` could not reach through it. */
const ATTEMPT = Symbol("attempt");

/**
 * A handler's argument. Hot.
 *
 * Most handlers never look at their signal, so it is made when they do; it is a property of the call itself all the same,
 * for `{ input, ...rest }`. All calls have the same getter: one in an object literal is another function each time, for
 * which V8 makes a hidden class that keeps the attempt alive until the next full collection.
 */
class AttemptCall implements Call<unknown> {
  static readonly #signal: PropertyDescriptor = {
    configurable: true,
    enumerable: true,
    get(this: AttemptCall): AbortSignal {
      return this[ATTEMPT].signal;
    },
  };

  readonly input: unknown;
  declare readonly signal: AbortSignal;
  readonly attempt: number;
  readonly taskId: TaskId;
  readonly progress: Call<unknown>["progress"];
  readonly log: Call<unknown>["log"];
  readonly submit: Submit;
  declare readonly [ATTEMPT]: Attempt;

  constructor(attempt: Attempt, input: unknown, teller: Teller) {
    this.input = input;
    // Not for `console.log(call)`, which would tell the payload.
    Object.defineProperty(this, ATTEMPT, { value: attempt });
    Object.defineProperty(this, "signal", AttemptCall.#signal);
    this.attempt = attempt.assign.attempt;
    this.taskId = attempt.assign.id;
    this.progress = (fraction, note = "") => teller.progress(attempt, fraction, note);
    this.log = (message, level = "info") => teller.log(attempt, message, level);
    this.submit = teller.submit;
  }
}

/** What a handler is called with. */
export function callOf(attempt: Attempt, input: unknown, teller: Teller): Call<unknown> {
  return new AttemptCall(attempt, input, teller);
}
