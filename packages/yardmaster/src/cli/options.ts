import { InvalidArgumentError } from "commander";
import { isAmount } from "../protocol/check.ts";
import { plain } from "./plain-text.ts";

/** A parser for a whole number within limits; commander names the option when it refuses. */
export function whole(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

/** A parser for one of some words. */
export function oneOf<Word extends string>(words: readonly Word[]): (text: string) => Word {
  return (text) => {
    const found = words.find((word) => word === text);
    if (found !== undefined) return found;
    throw new InvalidArgumentError(`It must be one of ${words.join(", ")}.`);
  };
}

/** Collects `--label key=value` into one record; a later one of the same key wins. */
export function label(text: string, previous: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError(`A label is key=value, not ${plain(text)}.`);
  return { ...previous, [text.slice(0, at)]: text.slice(at + 1) };
}

/** Collects `--resource name=amount` into one record; a later one of the same name wins. */
export function resource(
  text: string,
  previous: Readonly<Record<string, number>> = {},
): Record<string, number> {
  const at = text.indexOf("=");
  const amount = /^\d+(\.\d{1,3})?$/.test(text.slice(at + 1)) ? Number(text.slice(at + 1)) : Number.NaN;
  if (at < 1 || !isAmount(amount))
    throw new InvalidArgumentError(
      `A resource is name=amount, with three decimals at most, not ${plain(text)}.`,
    );
  return { ...previous, [text.slice(0, at)]: amount };
}

/** A parser for an ISO time, as milliseconds since the Unix epoch. */
export function time(text: string): number {
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isFinite(at)) return at;
  throw new InvalidArgumentError("It must be an ISO time, such as 2026-01-31T14:00:00Z.");
}

/** Ten years: longer is a mistake in units. */
export const MAX_MS: number = 3_650 * 86_400_000;
