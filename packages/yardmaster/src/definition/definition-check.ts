import type { AnyTask } from "../definition.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { quoted } from "../protocol/quotation.ts";

/** Throws INVALID_OPTIONS for what `defineTask` has not made: without a compiler anything may be passed. */
export function checkDefinition(definition: AnyTask): void {
  if (typeof definition === "object" && typeof definition?.spec?.name === "string") return;
  throw new YardmasterError(
    "INVALID_OPTIONS",
    `A definition made by defineTask is needed, not ${quoted(definition)}.`,
    { details: { field: "definition" } },
  );
}
