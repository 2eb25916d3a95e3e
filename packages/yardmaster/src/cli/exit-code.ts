import { type ErrorCode, YardmasterError } from "../protocol/errors.ts";

/** What the process's exit code says. */
export const EXIT = {
  ok: 0,
  taskFailed: 1,
  usage: 2,
  notFound: 3,
  unavailable: 4,
  waitTimedOut: 5,
  /** A defect of Yardmaster itself: EX_SOFTWARE of sysexits.h. */
  defect: 70,
  /** Start the process again: EX_TEMPFAIL of sysexits.h. */
  restart: 75,
} as const;

/** The exit code for an error that ended a command. */
export function exitCodeOf(error: unknown): number {
  return error instanceof YardmasterError ? BY_CODE[error.code] : EXIT.defect;
}

const BY_CODE: Readonly<Record<ErrorCode, number>> = {
  INVALID_INPUT: EXIT.usage,
  INVALID_OPTIONS: EXIT.usage,
  INVALID_NAME: EXIT.usage,
  INVALID_ROUTING: EXIT.usage,
  INVALID_GRAPH: EXIT.usage,
  INVALID_URL: EXIT.usage,
  INVALID_WORKER_FILE: EXIT.usage,
  UNSUPPORTED: EXIT.usage,
  TX_OPEN: EXIT.usage,
  PAYLOAD_TOO_LARGE: EXIT.usage,
  TASK_NOT_FOUND: EXIT.notFound,
  IDEMPOTENCY_CONFLICT: EXIT.taskFailed,
  TASK_REFUSED: EXIT.taskFailed,
  DEPENDENCY_FAILED: EXIT.taskFailed,
  GRAPH_INCOMPLETE: EXIT.taskFailed,
  TASK_FAILED: EXIT.taskFailed,
  TASK_CANCELLED: EXIT.taskFailed,
  TASK_EXPIRED: EXIT.taskFailed,
  TASK_UNKNOWN: EXIT.taskFailed,
  RESULT_TOO_LARGE: EXIT.taskFailed,
  RESULT_INVALID: EXIT.taskFailed,
  HANDLER_FAILED: EXIT.taskFailed,
  TIMED_OUT: EXIT.taskFailed,
  WORKER_LOST: EXIT.taskFailed,
  QUARANTINED: EXIT.taskFailed,
  PAYLOAD_UNREADABLE: EXIT.taskFailed,
  FRAME_UNTRUSTED: EXIT.unavailable,
  KEY_MISSING: EXIT.unavailable,
  WAIT_TIMED_OUT: EXIT.waitTimedOut,
  BROKER_UNAVAILABLE: EXIT.unavailable,
  STORE_UNAVAILABLE: EXIT.unavailable,
  STORE_FULL: EXIT.unavailable,
  ENGINE_DENIED: EXIT.unavailable,
  STORE_READ_ONLY: EXIT.unavailable,
  STORE_CORRUPT: EXIT.unavailable,
  UNSUPPORTED_VERSION: EXIT.unavailable,
  DRIVER_MISSING: EXIT.unavailable,
  INVALID_FRAME: EXIT.unavailable,
  CLOSED: EXIT.unavailable,
  TIMED_OUT_CLOSING: EXIT.unavailable,
  FENCED: EXIT.restart,
  CONFLICT: EXIT.defect,
};
