import type { ByteString } from "../protocol/bytes.ts";

/**
 * An input made of results, as JSON text without looking into it: `recipe` has the number of a result where that goes,
 * and no bytes at all for an array of all. A result that is missing is `null`; alone it is no input at all.
 */
export function inputOf(recipe: ByteString, results: readonly ByteString[]): ByteString {
  if (recipe === "") return `[${results.map((result) => result || "null").join(",")}]`;
  const parsed: unknown = JSON.parse(recipe);
  return typeof parsed === "number" ? (results[parsed] ?? "") : filled(parsed, results);
}

function filled(part: unknown, results: readonly ByteString[]): string {
  if (Array.isArray(part)) return `[${part.map((one) => filled(one, results)).join(",")}]`;
  return (typeof part === "number" ? results[part] : undefined) || "null";
}
