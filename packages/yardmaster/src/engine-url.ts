import { YardmasterError } from "./protocol/errors.ts";

/** INVALID_URL, with an example of a good one. */
export function invalidUrl(url: string, why: string, example: string): YardmasterError {
  return new YardmasterError(
    "INVALID_URL",
    `The URL "${withoutSecrets(url)}" is malformed: ${why}. Example: ${example}`,
  );
}

/** For errors and logs: a URL without its user's name and password. */
export function withoutSecrets(url: string): string {
  return url.replace(/\/\/[^/@]*@/, "//***@").replace(/([?&]password=)[^&]*/gi, "$1***");
}

/** The name that keeps yards on one server apart: the URL's `yard` parameter, "yardmaster" by default. */
export function yardOf(url: string, parameter: string | null, example: string): string {
  if (parameter === null) return "yardmaster";
  if (/^[a-z][a-z0-9_]{0,31}$/.test(parameter)) return parameter;
  const why = "a yard's name is 1 to 32 small letters, digits and _, and starts with a letter";
  throw invalidUrl(url, why, example);
}
