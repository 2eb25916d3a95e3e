import { YardmasterError } from "./protocol/errors.ts";
import { oneLine, quoted } from "./protocol/quotation.ts";

const MAX_REASON = 200;

/** INVALID_URL, with an example of a good one. */
export function invalidUrl(url: string, why: string, example: string): YardmasterError {
  return new YardmasterError(
    "INVALID_URL",
    `The URL ${quoted(withoutSecrets(url))} is malformed: ${oneLine(why, MAX_REASON)}. Example: ${example}`,
  );
}

/**
 * For errors and logs: a URL without its user's name, its password and whatever else is named as a secret. A password
 * may hold any character where nobody encoded it: all up to the last @ is left out.
 */
export function withoutSecrets(url: string): string {
  const secret = /([?&][^=&]*(?:pass|secret|token|key)[^=&]*=)[^&]*/gi;
  return String(url)
    .replace(/\/\/.*@/s, "//***@")
    .replace(secret, "$1***");
}

/** The name that keeps yards on one server apart: the URL's `yard` parameter, "yardmaster" by default. */
export function yardOf(url: string, parameter: string | null, example: string): string {
  if (parameter === null) return "yardmaster";
  if (/^[a-z][a-z0-9_]{0,31}$/.test(parameter)) return parameter;
  const why = "a yard's name is 1 to 32 small letters, digits and _, and starts with a letter";
  throw invalidUrl(url, why, example);
}
