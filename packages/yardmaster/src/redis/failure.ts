import { type ErrorCode, InvariantError, messageOf, YardmasterError } from "../protocol/errors.ts";

/** Which half of the engine was asked, for the code of an error that is nobody's in particular. */
export type Half = "BROKER_UNAVAILABLE" | "STORE_UNAVAILABLE";

/** What a Redis server says first in an error, by what is to be done about it. */
const DENIALS: Readonly<Record<string, string>> = {
  WRONGPASS: "wrong user or password: correct them in the URL",
  NOAUTH: "it asks for a password: put it into the URL, redis://user:password@host",
  NOPERM: "the user lacks a permission: see docs/engines/redis.md for what is needed",
  DENIED: "it is in protected mode: set a password or bind it to this address",
};

/** What ends by itself. */
const PASSING: ReadonlySet<string> = new Set([
  "LOADING",
  "READONLY",
  "MASTERDOWN",
  "CLUSTERDOWN",
  "TRYAGAIN",
  "MOVED",
  "ASK",
  "BUSY",
  "NOREPLICAS",
  "MISCONF",
  "UNBLOCKED",
]);

/** The error to throw for one that the driver threw. `shown` is the server's address without secrets. */
export function translate(error: unknown, half: Half, shown: string): unknown {
  if (error instanceof InvariantError) return error;
  if (error instanceof YardmasterError) return rehalved(error, half);
  const [code, message] = explain(error, half);
  const at = `Redis at ${shown}`;
  return new YardmasterError(code, `${at}: ${message}.`, { cause: error });
}

/** A connection serves both halves: what it says of itself is said again with the right code. */
function rehalved(error: YardmasterError, half: Half): YardmasterError {
  if (error.code === half || !error.code.endsWith("_UNAVAILABLE")) return error;
  return new YardmasterError(half, error.message, { cause: error.cause });
}

/** What a Redis server's error starts with; "" for any other error. */
export function prefixOf(error: unknown): string {
  return /^-?([A-Z]{2,})\b/.exec(messageOf(error))?.[1] ?? "";
}

function explain(error: unknown, half: Half): [ErrorCode, string] {
  const text = messageOf(error).replace(/\.$/, "");
  const prefix = prefixOf(error);
  const denial = DENIALS[prefix];
  if (denial !== undefined) return ["ENGINE_DENIED", `${denial} (${permissionOf(text)})`];
  if (prefix === "OOM")
    return [
      "STORE_FULL",
      "its memory is full (maxmemory); nothing was written. Try again when tasks have finished",
    ];
  if (PASSING.has(prefix)) return [half, `it cannot do this at the moment (${text})`];
  if (/invalid DB index|DB index is out of range|SELECT is not allowed/i.test(text))
    return ["ENGINE_DENIED", `the database in the URL does not exist there (${text})`];
  if (isTlsFailure(error)) return ["ENGINE_DENIED", `no TLS connection can be made (${text})`];
  return [half, `it cannot be reached or does not answer (${reasonOf(error, text)})`];
}

/** The server names the user's commands and keys, never the password. */
function permissionOf(text: string): string {
  return text.replace(/^[A-Z]+ /, "");
}

function isTlsFailure(error: unknown): boolean {
  const code = codeOf(error);
  return (
    /^(?:ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED|HOSTNAME_MISMATCH|EPROTO)/.test(code) ||
    /wrong version number|self.signed certificate|certificate has expired|secure TLS connection was established/i.test(
      messageOf(error),
    )
  );
}

function reasonOf(error: unknown, text: string): string {
  const code = codeOf(error);
  if (text === "") return code === "" ? "connection lost" : code;
  return text;
}

function codeOf(error: unknown): string {
  if (typeof error !== "object" || error === null || !("code" in error)) return "";
  return typeof error.code === "string" ? error.code : "";
}
