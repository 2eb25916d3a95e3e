import { YardmasterError } from "../protocol/errors.ts";

/** The last moment that is a date; no count comes near it. */
const MAX_NUMBER = 8.64e15;

/** The whole numbers of a row that holds so many, and words after them. Throws INVALID_FRAME for what was not written as such. */
export function rowNumbers(words: readonly string[], count: number, what: string): number[] {
  const numbers = words.slice(0, count).map(numberOf);
  if (numbers.length === count && numbers.every((number) => number <= MAX_NUMBER)) return numbers;
  throw new YardmasterError("INVALID_FRAME", `The row of ${what} is damaged: it does not hold ${count} whole numbers.`);
}

function numberOf(word: string): number {
  return /^\d+$/.test(word) ? Number(word) : Number.POSITIVE_INFINITY;
}
