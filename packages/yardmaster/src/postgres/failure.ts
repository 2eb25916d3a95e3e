import { type ErrorCode, InvariantError, messageOf, YardmasterError } from "../protocol/errors.ts";

/** Which half of the engine was asked, for the code of an error that is nobody's in particular. */
export type Half = "BROKER_UNAVAILABLE" | "STORE_UNAVAILABLE";

const UNIQUE_VIOLATION = "23505";

export function isUniqueViolation(error: unknown): boolean {
  return sqlState(error) === UNIQUE_VIOLATION;
}

/** The error to throw for one that the driver or the server gave; `where` is the server's address. */
export function translate(error: unknown, half: Half, where: string): Error {
  if (error instanceof YardmasterError || error instanceof InvariantError) return error;
  const [code, message] = explain(error, half, where);
  return new YardmasterError(code, `${message} (${messageOf(error) || sqlState(error)})`, { cause: error });
}

function explain(error: unknown, half: Half, where: string): [ErrorCode, string] {
  const state = sqlState(error);
  switch (state) {
    case "28P01":
    case "28000":
      return ["ENGINE_DENIED", `PostgreSQL at ${where} refuses the user or the password.`];
    case "3D000":
      return ["ENGINE_DENIED", `PostgreSQL at ${where} has no such database: create it or name another.`];
    case "42501":
      return [
        "ENGINE_DENIED",
        `The user may not do this on PostgreSQL at ${where}: grant what docs/engines/postgres.md lists.`,
      ];
    case "53100":
      return ["STORE_FULL", `There is no room left on the disk of ${where}; nothing was written.`];
    case "53200":
      return ["STORE_FULL", `PostgreSQL at ${where} is out of memory; nothing was written.`];
    case "25006":
      return [half, `PostgreSQL at ${where} is read-only, as a standby is.`];
    case "XX001":
    case "XX002":
      return ["STORE_CORRUPT", `PostgreSQL at ${where} says that its data is damaged: restore a backup.`];
    default:
      return isDenial(error)
        ? ["ENGINE_DENIED", `PostgreSQL at ${where} cannot be reached as the URL asks.`]
        : [half, `PostgreSQL at ${where} is unavailable.`];
  }
}

/** The five characters by which the server names an error, or "". */
function sqlState(error: unknown): string {
  const code = codeOf(error);
  return /^[0-9A-Z]{5}$/.test(code) && !code.startsWith("E") ? code : "";
}

/** TLS that fails, or a password that is missing: neither gets better by trying again. */
function isDenial(error: unknown): boolean {
  return (
    /SSL|certificate|TLS|SASL|SCRAM/i.test(messageOf(error)) ||
    /^(ERR_TLS|ERR_SSL|CERT_)|_CERT/.test(codeOf(error))
  );
}

function codeOf(error: unknown): string {
  if (typeof error !== "object" || error === null || !("code" in error)) return "";
  return typeof error.code === "string" ? error.code : "";
}
