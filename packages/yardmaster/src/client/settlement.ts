import { decodeValue } from "../definition/codec.ts";
import type { AnyTask } from "../definition.ts";
import type { ByteString } from "../protocol/bytes.ts";
import type { StoredTask } from "../protocol/change.ts";
import { type ErrorCode, YardmasterError } from "../protocol/errors.ts";
import { isTerminal, type TaskError, type TaskId, type TerminalState } from "../protocol/task.ts";

/** How a task ended, as the dispatcher tells it or the store keeps it. */
export interface Settlement {
  readonly state: TerminalState;
  readonly code: string;
  readonly attempt: number;
  readonly result: ByteString | null;
  readonly error: TaskError | null;
}

/** What is needed to read a result: the definition's name and codec. */
export type Decoding = Pick<AnyTask, "name" | "codec">;

/** For handles of which only the id is known. */
export const UNTYPED: Decoding = Object.freeze({ name: "", codec: undefined });

/** Errors that are the task's own end, as opposed to a failure to learn it. */
const OWN_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "TASK_FAILED",
  "TASK_CANCELLED",
  "TASK_EXPIRED",
  "TASK_REFUSED",
  "IDEMPOTENCY_CONFLICT",
]);

export function isOwnFailure(error: unknown): error is YardmasterError {
  return error instanceof YardmasterError && OWN_CODES.has(error.code);
}

/** The stored record's end, or null while it has none. */
export function settlementOf({ task, result }: StoredTask): Settlement | null {
  if (!isTerminal(task.state)) return null;
  return { state: task.state, code: task.code, attempt: task.attempt, result, error: task.error };
}

/** The value of a success. The worker has validated it; it is not validated again. */
export function resultOf(decoding: Decoding, settlement: Settlement): unknown {
  return decodeValue(decoding, settlement.result ?? "", "RESULT_INVALID");
}

/** The error of any other end. */
export function failureOf(decoding: Decoding, id: TaskId, settlement: Settlement): YardmasterError {
  const { state, code, attempt, error } = settlement;
  const title = decoding.name === "" ? `Task ${id}` : `Task ${decoding.name} ${id}`;
  const details = { id, code, attempt };
  if (isRefusal(code)) return refusalOf(id, code, error?.message ?? "", title);
  const why = error === null || error.message === "" ? "" : `: ${error.message}`;
  const cause = error === null ? undefined : causeOf(error);
  switch (state) {
    case "cancelled":
      return new YardmasterError("TASK_CANCELLED", `${title} was cancelled${why}.`, { cause, details });
    case "expired":
      return new YardmasterError("TASK_EXPIRED", `${title} could not start before its time was over.`, {
        details,
      });
    default: {
      const how = code === "" ? "" : ` (${code})`;
      return new YardmasterError("TASK_FAILED", `${title} failed in attempt ${attempt}${how}${why}`, {
        cause,
        details,
      });
    }
  }
}

const REFUSALS: ReadonlySet<string> = new Set([
  "REFUSED",
  "TASK_REFUSED",
  "IDEMPOTENCY_CONFLICT",
  "INVALID_GRAPH",
]);

export function isRefusal(code: string): boolean {
  return REFUSALS.has(code);
}

/** The error for a submission that the dispatcher did not take. */
export function refusalOf(id: TaskId, code: string, message: string, title = `Task ${id}`): YardmasterError {
  const conflict = code === "IDEMPOTENCY_CONFLICT";
  const otherwise = conflict
    ? "its idempotency key was used before with different input"
    : `the dispatcher did not take it${code === "" ? "" : ` (${code})`}`;
  return new YardmasterError(
    conflict ? "IDEMPOTENCY_CONFLICT" : "TASK_REFUSED",
    `${title} was refused: ${message === "" ? otherwise : message}`,
    { details: { id, code } },
  );
}

/** The handler's error as it was in the worker. */
function causeOf({ code, message, stack }: TaskError): Error {
  const cause = new Error(message);
  if (stack !== "") cause.stack = stack;
  return Object.assign(cause, { code });
}
