import { YardmasterError } from "../protocol/errors.ts";
import { quoted } from "../protocol/quotation.ts";

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1_000;

/** How many a list shows. Throws INVALID_OPTIONS. */
export function checkLimit(limit: number = DEFAULT_LIMIT): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT) return limit;
  throw new YardmasterError(
    "INVALID_OPTIONS",
    `limit must be a whole number from 1 to ${MAX_LIMIT}, not ${quoted(limit)}.`,
    { details: { field: "limit" } },
  );
}
