import { YardmasterError } from "../protocol/errors.ts";

interface Range {
  readonly min: number;
  readonly max: number;
}

/** What the fields are of, and what to do where one is wrong. */
export interface Subject {
  readonly name: string;
  readonly advice: string;
  readonly details: Readonly<Record<string, number>>;
}

const SCENARIO: Subject = { name: "scenario", advice: "", details: {} };

/** The fields of one part of a scenario or trace. Every complaint names the field by its path; misspelt ones are complaints too. */
export class Fields {
  readonly #path: string;
  readonly #subject: Subject;
  readonly #values: ReadonlyMap<string, unknown>;
  readonly #used = new Set<string>();

  constructor(value: unknown, path: string, subject: Subject = SCENARIO) {
    this.#path = path;
    this.#subject = subject;
    if (typeof value !== "object" || value === null || Array.isArray(value))
      this.refuse("", "a group of fields", value);
    this.#values = new Map(Object.entries(value as object));
  }

  has(field: string): boolean {
    return this.#values.has(field);
  }

  /** Neither left out nor null. */
  isGiven(field: string): boolean {
    return this.#take(field) !== undefined;
  }

  /** A group of fields, or a single value under the name `value`. */
  sub(field: string): Fields {
    const value = this.#take(field);
    if (value === undefined) this.refuse(field, "given", value);
    const isGroup = typeof value === "object" && value !== null;
    return new Fields(isGroup ? value : { constant: value }, this.#at(field), this.#subject);
  }

  list(field: string, otherwise?: readonly unknown[]): Fields[] {
    const value = this.#take(field) ?? otherwise;
    if (!Array.isArray(value) || value.length === 0)
      return this.refuse(field, "a list that is not empty", value);
    return this.#each(field, value);
  }

  /** A list that must be there and may be empty. */
  items(field: string): Fields[] {
    const value = this.#take(field);
    return Array.isArray(value) ? this.#each(field, value) : this.refuse(field, "a list", value);
  }

  /** A list of texts; empty where it is left out. */
  words(field: string): string[] {
    const value = this.#take(field) ?? [];
    if (!Array.isArray(value) || value.some((one) => typeof one !== "string"))
      return this.refuse(field, "a list of texts", value);
    return value.map(String);
  }

  /** Without `otherwise` it must be there. */
  text(field: string, otherwise?: string): string {
    const value = this.#take(field) ?? otherwise;
    return typeof value === "string" ? value : this.refuse(field, "text", value);
  }

  /** Without `otherwise` it must be there. */
  number(field: string, otherwise: number | undefined, { min, max }: Range): number {
    const value = this.#take(field) ?? otherwise;
    if (typeof value === "number" && value >= min && value <= max) return value;
    return this.refuse(field, `a number from ${min} to ${max}`, value);
  }

  whole(field: string, otherwise: number, { min, max }: Range): number {
    const value = this.#take(field) ?? otherwise;
    if (Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max) return Number(value);
    return this.refuse(field, `a whole number from ${min} to ${max}`, value);
  }

  /** False where it is left out. */
  flag(field: string): boolean {
    const value = this.#take(field) ?? false;
    return typeof value === "boolean" ? value : this.refuse(field, "true or false", value);
  }

  /** The first choice where it is left out. */
  oneOf<T extends string>(field: string, choices: readonly [T, ...T[]]): T {
    const value = this.#take(field) ?? choices[0];
    const found = choices.find((choice) => choice === value);
    return found ?? this.refuse(field, choices.join(" or "), value);
  }

  texts(field: string): Record<string, string> {
    const entries = Object.entries(this.#record(field));
    for (const [name, value] of entries)
      if (typeof value !== "string") this.refuse(`${field}.${name}`, "text", value);
    return Object.fromEntries(entries.map(([name, value]) => [name, String(value)]));
  }

  numbers(field: string): Record<string, number> {
    const entries = Object.entries(this.#record(field));
    for (const [name, value] of entries)
      if (!(typeof value === "number" && value >= 0))
        this.refuse(`${field}.${name}`, "a number from 0", value);
    return Object.fromEntries(entries.map(([name, value]) => [name, Number(value)]));
  }

  done(): void {
    for (const field of this.#values.keys())
      if (!this.#used.has(field))
        this.refuse(field, "a field that there is, or left out", this.#values.get(field));
  }

  refuse(field: string, must: string, value: unknown): never {
    const { name, advice, details } = this.#subject;
    const at = field === "" ? this.#path || `The ${name}` : this.#at(field);
    const shown = JSON.stringify(value)?.slice(0, 60) ?? "missing";
    throw new YardmasterError("INVALID_OPTIONS", `${name}: ${at} must be ${must}, not ${shown}.${advice}`, {
      details: { field: at, ...details },
    });
  }

  #each(field: string, values: readonly unknown[]): Fields[] {
    return values.map((item, index) => new Fields(item, `${this.#at(field)}[${index}]`, this.#subject));
  }

  #record(field: string): Record<string, unknown> {
    const value = this.#take(field) ?? {};
    if (typeof value !== "object" || Array.isArray(value)) this.refuse(field, "a group of fields", value);
    return value as Record<string, unknown>;
  }

  #take(field: string): unknown {
    this.#used.add(field);
    return this.#values.get(field) ?? undefined;
  }

  #at(field: string): string {
    return this.#path === "" ? field : `${this.#path}.${field}`;
  }
}
