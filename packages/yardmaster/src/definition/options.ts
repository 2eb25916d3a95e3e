import { YardmasterError } from "../protocol/errors.ts";
import { MAX_NAME_BYTES } from "../protocol/task.ts";

/** Ten years: longer is a mistake in units. */
export const MAX_DURATION_MS: number = 3_650 * 86_400_000;

/** Checks the options of one call; every complaint names the call and the field. */
export interface OptionCheck {
  /** Refuses fields that the call does not know: a misspelt option must not be a default in disguise. */
  known(options: unknown, fields: readonly string[]): void;
  whole(field: string, value: number | undefined, range: WholeRange): number;
  oneOf<T extends string>(field: string, value: T | undefined, choices: readonly T[]): T;
  refuse(field: string, must: string, value: unknown): never;
}

export interface WholeRange {
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

/** A name or key as it may travel: not empty, within `maxBytes` of UTF-8, without control characters. Throws INVALID_NAME. */
export function checkName(what: string, name: unknown, maxBytes: number = MAX_NAME_BYTES): string {
  const problem = nameProblem(name, maxBytes);
  if (problem === "" && typeof name === "string") return name;
  throw new YardmasterError("INVALID_NAME", `${what} ${problem}: ${shown(name)}.`, {
    details: { field: what },
  });
}

function nameProblem(name: unknown, maxBytes: number): string {
  if (typeof name !== "string") return "must be a string";
  if (name === "") return "must not be empty";
  if (hasControlCharacter(name)) return "must not hold control characters";
  if (!name.isWellFormed()) return "must be well-formed Unicode";
  return Buffer.byteLength(name, "utf8") > maxBytes ? `must not be longer than ${maxBytes} bytes` : "";
}

function hasControlCharacter(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit < 0x20 || (unit >= 0x7f && unit < 0xa0)) return true;
  }
  return false;
}

function unknownField(call: string, field: string, fields: readonly string[]): never {
  throw new YardmasterError(
    "INVALID_OPTIONS",
    `${call}: there is no option ${shown(field)}; the options are ${fields.join(", ")}.`,
    { details: { field } },
  );
}

/** A value as an error message shows it: short, on one line, and never throwing. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "an array" : "an object";
  return typeof value === "bigint" ? `${value}n` : String(value);
}
