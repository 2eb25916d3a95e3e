import { type ErrorCode, InvariantError, messageOf, YardmasterError } from "../protocol/errors.ts";
import { oneLine } from "../protocol/quotation.ts";

/** Which half of the engine was asked, for the code of an error that is nobody's in particular. */
export type Half = "BROKER_UNAVAILABLE" | "STORE_UNAVAILABLE";

/** Of what SQLite says, which may quote a damaged schema. */
const MAX_MESSAGE_BYTES = 300;
// SQLite's primary result codes.
const ERROR = 1;
const PERM = 3;
const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const CONSTRAINT = 19;
const NOTADB = 26;

/** Extended codes by which SQLite says that nobody may write, and by which it says that somebody else does just now. */
const READONLY_RECOVERY = 264;
const READONLY_CANTLOCK = 520;

/** Whether another process holds the lock just now, so that the same call may succeed in a moment. */
export function isBusy(error: unknown): boolean {
  const code = primaryCode(error);
  return code === BUSY || code === LOCKED || extendedCode(error) === READONLY_RECOVERY;
}

export function isFull(error: unknown): boolean {
  return primaryCode(error) === FULL;
}

export function isConstraint(error: unknown): boolean {
  return primaryCode(error) === CONSTRAINT;
}

/** The error to throw for one that the driver threw; anything that is not SQLite's passes as it is. */
export function translate(error: unknown, half: Half, path: string): unknown {
  if (error instanceof YardmasterError || error instanceof InvariantError) return error;
  if (isTooLarge(error))
    return new YardmasterError(
      "STORE_CORRUPT",
      `${path} holds a number that nothing of ours writes: restore it from a backup.`,
      {
        cause: error,
      },
    );
  const extended = extendedCode(error);
  if (extended === null) return error;
  const [code, message] = explain(extended, messageOf(error), half, path);
  return new YardmasterError(code, `${message} (SQLite: ${oneLine(messageOf(error), MAX_MESSAGE_BYTES)})`, {
    cause: error,
  });
}

function explain(extended: number, said: string, half: Half, path: string): [ErrorCode, string] {
  switch (extended & 0xff) {
    case PERM:
    case READONLY:
      return extended === READONLY_CANTLOCK || extended === READONLY_RECOVERY
        ? [half, `${path} cannot be locked at the moment.`]
        : ["STORE_READ_ONLY", `${path} or its folder cannot be written: check its permissions.`];
    case ERROR:
      return OTHER_TABLES.test(said)
        ? ["STORE_CORRUPT", `${path} has other tables than Yardmaster makes: restore it from a backup.`]
        : [half, `${path} cannot be used.`];
    case CORRUPT:
      return ["STORE_CORRUPT", `${path} is damaged: restore it from a backup.`];
    case NOTADB:
      return ["STORE_CORRUPT", `${path} is not a Yardmaster database: name another file.`];
    case FULL:
      return ["STORE_FULL", `There is no room left on the disk of ${path}; nothing was written.`];
    case BUSY:
    case LOCKED:
      return [half, `${path} stayed locked by another process.`];
    case CANTOPEN:
      return [half, `${path} cannot be opened.`];
    case IOERR:
      return [half, `The disk of ${path} fails.`];
    default:
      return [half, `${path} cannot be used.`];
  }
}

const OTHER_TABLES = /^no such (table|column)|has no column named/;

/** The driver gives no integers beyond 2 ** 53, and no SQLite error for them either. */
function isTooLarge(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_OUT_OF_RANGE";
}

function primaryCode(error: unknown): number | null {
  const extended = extendedCode(error);
  return extended === null ? null : extended & 0xff;
}

function extendedCode(error: unknown): number | null {
  if (typeof error !== "object" || error === null || !("errcode" in error)) return null;
  return typeof error.errcode === "number" ? error.errcode : null;
}
