import { oneLine } from "./quotation.ts";

/**
 * Every code that an error of Yardmaster can carry, with what it means and whether trying the same call
 * again can help. `docs/errors.md` is rendered from this table.
 */
export const ERRORS = {
  INVALID_INPUT: {
    retryable: false,
    meaning: "The task's input does not satisfy its schema or cannot be carried as JSON.",
  },
  INVALID_OPTIONS: { retryable: false, meaning: "An option of a definition or a call is out of its range." },
  INVALID_ROUTING: {
    retryable: false,
    meaning:
      "A queue spread by `routeBy` has a limit that no shard can count, or its key function gave no usable text.",
  },
  INVALID_NAME: {
    retryable: false,
    meaning: "A name or key is empty, too long or holds control characters, or nothing has that name.",
  },
  INVALID_URL: {
    retryable: false,
    meaning: "The connection URL is malformed or names an engine that does not exist.",
  },
  INVALID_FRAME: {
    retryable: false,
    meaning: "Bytes from a broker or store are not a frame or record of this protocol.",
  },
  INVALID_WORKER_FILE: {
    retryable: false,
    meaning: "The worker file cannot be loaded or does not export handlers.",
  },
  UNSUPPORTED_VERSION: {
    retryable: false,
    meaning: "A frame, record or schema was written by a newer version of Yardmaster.",
  },
  PAYLOAD_TOO_LARGE: { retryable: false, meaning: "A payload is over its limit (1 MiB by default)." },
  IDEMPOTENCY_CONFLICT: {
    retryable: false,
    meaning: "The idempotency key was used before with different input.",
  },
  TASK_REFUSED: { retryable: false, meaning: "The dispatcher refused the task; the message says why." },
  INVALID_GRAPH: {
    retryable: false,
    meaning:
      "A plan of tasks contains itself, is too deep or too large, or asks for what cannot be together.",
  },
  DEPENDENCY_FAILED: {
    retryable: false,
    meaning: "A task that it waited for did not succeed, or is not known; the message names it.",
  },
  GRAPH_INCOMPLETE: {
    retryable: false,
    meaning: "Not all tasks of its graph arrived within ten minutes, so that none of them was started.",
  },
  TASK_FAILED: {
    retryable: false,
    meaning: "The task failed for good; `cause` carries the last attempt's error.",
  },
  TASK_CANCELLED: { retryable: false, meaning: "The task was cancelled." },
  TASK_EXPIRED: { retryable: false, meaning: "The task could not start before its time was over." },
  TASK_UNKNOWN: {
    retryable: false,
    meaning: "No handler with the task's name exists in the worker that got it.",
  },
  TASK_NOT_FOUND: { retryable: false, meaning: "No task with this id is known (any more)." },
  TX_OPEN: {
    retryable: true,
    meaning: "The transaction that submitted the task has not committed, or was rolled back.",
  },
  WAIT_TIMED_OUT: { retryable: true, meaning: "The wait was over before the task was; the task goes on." },
  RESULT_TOO_LARGE: { retryable: false, meaning: "A handler's result is over its limit (1 MiB by default)." },
  RESULT_INVALID: {
    retryable: false,
    meaning: "A handler's result does not satisfy its schema or cannot be carried as JSON.",
  },
  HANDLER_FAILED: { retryable: true, meaning: "The handler threw; the message and stack are its own." },
  TIMED_OUT: {
    retryable: true,
    meaning: "The attempt ran over its timeout, and ended by an error or not within its grace.",
  },
  WORKER_LOST: { retryable: true, meaning: "The worker that ran the attempt died or fell silent." },
  QUARANTINED: { retryable: false, meaning: "The task ended the processes of too many workers." },
  FRAME_UNTRUSTED: {
    retryable: false,
    meaning:
      "A frame's signature is missing, wrong or too old: this process and its sender have different keys, or somebody forged it.",
  },
  KEY_MISSING: {
    retryable: false,
    meaning:
      "A frame is signed with a key that this process does not have; its sender's configuration has it.",
  },
  PAYLOAD_UNREADABLE: {
    retryable: false,
    meaning: "A payload or result cannot be decrypted: another key, another task's, or changed on its way.",
  },
  FENCED: {
    retryable: false,
    meaning: "Another dispatcher owns the shard now; this one's write was refused.",
  },
  CONFLICT: { retryable: false, meaning: "A record that should be new exists already." },
  BROKER_UNAVAILABLE: {
    retryable: true,
    meaning: "The broker cannot be reached or refuses work at the moment.",
  },
  STORE_UNAVAILABLE: {
    retryable: true,
    meaning: "The result store cannot be reached or refuses work at the moment.",
  },
  STORE_FULL: { retryable: true, meaning: "The disk or the engine's memory is full; nothing was written." },
  ENGINE_DENIED: {
    retryable: false,
    meaning:
      "The engine refuses this client: password, permission, database, TLS or version; the message says which.",
  },
  STORE_READ_ONLY: { retryable: false, meaning: "The database file or its folder cannot be written." },
  STORE_CORRUPT: { retryable: false, meaning: "The database file is damaged or not a Yardmaster database." },
  CLOSED: { retryable: false, meaning: "The yard, worker or dispatcher was closed." },
  TIMED_OUT_CLOSING: {
    retryable: false,
    meaning: "Closing took longer than allowed; what was left is named.",
  },
  UNSUPPORTED: { retryable: false, meaning: "The engine or this version does not offer the feature." },
  DRIVER_MISSING: {
    retryable: false,
    meaning: "The engine's driver is not installed; the message has the command.",
  },
} as const;

/** A code of `ERRORS`. */
export type ErrorCode = keyof typeof ERRORS;

/** A message is one line of a log, whoever had a part in it; `cause` has the whole of what it speaks of. */
const MAX_MESSAGE_BYTES = 1_000;

/** The one error class of Yardmaster. Branch on `code`; `retryable` says whether the same call may succeed later. */
export class YardmasterError extends Error {
  override readonly name = "YardmasterError";
  readonly code: ErrorCode;
  readonly retryable: boolean;
  /** More about the error, by code: `issues` of INVALID_INPUT, `ids` of CONFLICT. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; details?: Readonly<Record<string, unknown>> } = {},
  ) {
    super(
      oneLine(message, MAX_MESSAGE_BYTES),
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.code = code;
    this.retryable = ERRORS[code].retryable;
    this.details = options.details ?? {};
  }
}

/** A broken invariant of our own code. Never caught. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/** What was thrown, in a sentence. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** Whether something thrown is an error of Yardmaster with this code. */
export function isCode(error: unknown, code: ErrorCode): boolean {
  return error instanceof YardmasterError && error.code === code;
}
