import { YardmasterError } from "../protocol/errors.ts";
import { quoted } from "../protocol/quotation.ts";

/** Checks the options of one call; every complaint names the call and the field. */
export interface OptionCheck {
  /** Refuses fields that the call does not know: a misspelt option must not be a default in disguise. */
  known(options: unknown, fields: readonly string[]): void;
  whole(field: string, value: number | undefined, range: WholeRange): number;
  oneOf<T extends string>(field: string, value: T | undefined, choices: readonly T[]): T;
  refuse(field: string, must: string, value: unknown): never;
}

interface WholeRange {
  readonly min: number;
  readonly max: number;
  readonly otherwise: number;
}

/** The check for a call such as `defineTask "image.resize"`. Throws INVALID_OPTIONS with `details.field`. */
export function optionCheck(call: string): OptionCheck {
  const refuse = (field: string, must: string, value: unknown): never => {
    throw new YardmasterError("INVALID_OPTIONS", `${call}: ${field} must be ${must}, not ${shown(value)}.`, {
      details: { field },
    });
  };
  return {
    refuse,
    known(options, fields) {
      if (typeof options !== "object" || options === null) refuse("options", "an object", options);
      else
        for (const field of Object.keys(options))
          if (!fields.includes(field)) unknownField(call, field, fields);
    },
    whole(field, value, { min, max, otherwise }) {
      if (value === undefined) return otherwise;
      const fits = Number.isSafeInteger(value) && value >= min && value <= max;
      return fits ? value : refuse(field, `a whole number from ${min} to ${max}`, value);
    },
    oneOf(field, value, choices) {
      const [otherwise] = choices;
      const chosen = value ?? otherwise;
      if (chosen !== undefined && choices.includes(chosen)) return chosen;
      return refuse(field, choices.map((choice) => `"${choice}"`).join(" or "), value);
    },
  };
}

/**
 * The options of a call, whose fields can be looked at: a caller without a compiler may pass anything. Throws INVALID_OPTIONS,
 * also for a field that is not among `fields` where these are given.
 */
export function optionsOf<Options extends object>(
  call: string,
  options: Options,
  fields: readonly string[] | null = null,
): Options {
  const check = optionCheck(call);
  if (typeof options !== "object" || options === null) check.refuse("options", "an object", options);
  if (fields !== null) check.known(options, fields);
  return options;
}

function unknownField(call: string, field: string, fields: readonly string[]): never {
  throw new YardmasterError(
    "INVALID_OPTIONS",
    `${call}: there is no option ${shown(field)}; the options are ${fields.join(", ")}.`,
    { details: { field } },
  );
}

/** A value as an error message shows it: short, on one line, and never throwing. */
function shown(value: unknown): string {
  return typeof value === "bigint" ? `${value}n` : quoted(value);
}
