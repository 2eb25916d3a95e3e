import type { ShownValue } from "./api.ts";

/** Keys whose values nobody is shown, whatever their case; `_` and `-` do not count. */
const SECRET_KEYS =
  /password|passwd|passphrase|secret|token|apikey|authorization|cookie|credential|privatekey|sessionid|creditcard|cardnumber|cvv|ssn$/;
const REDACTED = "[redacted]";
const MAX_SHOWN = 65_536;
/** What is nested deeper is left out: nobody reads it. */
const MAX_DEPTH = 100;

/** A value as people are shown it: without what its keys call secret, and not longer than anybody reads. */
export function shownValue(value: unknown, secretKeys: readonly string[]): ShownValue {
  const more = new Set(secretKeys.map(plainKey));
  const isSecret = (key: string): boolean => SECRET_KEYS.test(plainKey(key)) || more.has(plainKey(key));
  const json = JSON.stringify(redacted(value, isSecret, 0)) ?? "null";
  return { json: json.slice(0, MAX_SHOWN).toWellFormed(), isCut: json.length > MAX_SHOWN };
}

function redacted(value: unknown, isSecret: (key: string) => boolean, depth: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (depth >= MAX_DEPTH) return "[too deep]";
  if (Array.isArray(value)) return value.map((item) => redacted(item, isSecret, depth + 1));
  const entries = Object.entries(value).map(([key, item]): [string, unknown] => [
    key,
    isSecret(key) ? REDACTED : redacted(item, isSecret, depth + 1),
  ]);
  return Object.fromEntries(entries);
}

function plainKey(key: string): string {
  return key.toLowerCase().replace(/[_-]/g, "");
}
