import { isKey } from "../protocol/check.ts";
import { messageOf, YardmasterError } from "../protocol/errors.ts";
import {
  MAX_KEY_BYTES,
  MAX_WEIGHT,
  MIN_WEIGHT,
  type Rate,
  type TaskLimits,
  type TaskTerms,
} from "../protocol/task.ts";
import { isWeight } from "../protocol/terms.ts";
import type { OptionCheck } from "./options.ts";

/** Whose share of a fair queue a task uses. Both functions get the parsed input, in the client. */
export interface FairnessOptions<Parsed> {
  /** 1 to 1,024 bytes, without control characters. */
  readonly key: (input: Parsed) => string;
  /** How large the key's share is beside others; default 1. */
  readonly weight?: (input: Parsed) => number;
}

/** Which tasks belong together on one worker, which keeps what they share warm. */
export interface AffinityOptions<Parsed> {
  /** 1 to 1,024 bytes, without control characters. Asked for each task, with its parsed input, in the client. */
  readonly key: (input: Parsed) => string;
}

/** How many tasks may run at a time: of the definition, or, with a key function, of each key. */
export type ConcurrencyOptions<Parsed> =
  | number
  | { readonly limit: number; readonly key?: (input: Parsed) => string };

/** How often tasks may start: of a queue, of the definition, or, with a key function, of each key. */
export interface RateOptions {
  /** So many starts … */
  readonly limit: number;
  /** … in this time, evenly spread … */
  readonly perMs: number;
  /** … but this many at once after a quiet time; default 1. */
  readonly burst?: number;
}

export interface KeyedRateOptions<Parsed> extends RateOptions {
  readonly key?: (input: Parsed) => string;
}

/** The options of a definition that say what a task brings along for its queue's order and for limits. */
export interface TermsOptions<Parsed> {
  readonly fairness?: FairnessOptions<Parsed>;
  readonly concurrency?: ConcurrencyOptions<Parsed>;
  readonly rate?: KeyedRateOptions<Parsed>;
  readonly affinity?: AffinityOptions<Parsed>;
}

/** Makes the terms of a task from its parsed input; null where a definition has no key functions. */
export interface TermsMaker<Parsed> {
  // A method, so that a definition of any input is a definition.
  of(input: Parsed): TaskTerms;
}

const MAX_LIMIT = 1_000_000;
const MAX_PER_MS = 31 * 86_400_000;

export const NO_TERMS: TaskTerms = Object.freeze({
  deadline: 0,
  deadlineInMs: 0,
  fairnessKey: "",
  weight: 1,
  concurrencyKey: "",
  rateKey: "",
  affinityKey: "",
});

export function limitsOf<Parsed>(
  { concurrency, rate }: TermsOptions<Parsed>,
  check: OptionCheck,
): TaskLimits | undefined {
  const most = concurrencyOf(concurrency, check);
  const often = rateOf(rate, ["limit", "perMs", "burst", "key"], check);
  return most === 0 && often === null ? undefined : Object.freeze({ concurrency: most, rate: often });
}

/** 0 where there is no limit. */
function concurrencyOf<Parsed>(options: ConcurrencyOptions<Parsed> | undefined, check: OptionCheck): number {
  if (options === undefined) return 0;
  const range = { min: 1, max: MAX_LIMIT, otherwise: 1 };
  if (typeof options === "number") return check.whole("concurrency", options, range);
  if (typeof options !== "object" || options === null)
    return check.refuse("concurrency", "a number or an object", options);
  check.known(options, ["limit", "key"]);
  isFunction("concurrency.key", options.key, check);
  return options.limit === undefined
    ? check.refuse("concurrency.limit", "a whole number", options.limit)
    : check.whole("concurrency.limit", options.limit, range);
}

export function rateOf(
  options: RateOptions | undefined,
  fields: readonly string[],
  check: OptionCheck,
): Rate | null {
  if (options === undefined) return null;
  if (typeof options !== "object" || options === null) return check.refuse("rate", "an object", options);
  check.known(options, fields);
  if ("key" in options) isFunction("rate.key", options.key, check);
  const { limit, perMs, burst } = options;
  if (limit === undefined) check.refuse("rate.limit", "a whole number", limit);
  if (perMs === undefined) check.refuse("rate.perMs", "milliseconds", perMs);
  return Object.freeze({
    limit: check.whole("rate.limit", limit, { min: 1, max: MAX_LIMIT, otherwise: 1 }),
    perMs: check.whole("rate.perMs", perMs, { min: 1, max: MAX_PER_MS, otherwise: 1 }),
    burst: check.whole("rate.burst", burst, { min: 1, max: MAX_LIMIT, otherwise: 1 }),
  });
}

/** Undefined where no function has to be asked. */
export function termsMaker<Parsed>(
  { fairness, concurrency, rate, affinity }: TermsOptions<Parsed>,
  name: string,
  check: OptionCheck,
): TermsMaker<Parsed> | undefined {
  const concurrencyKey = typeof concurrency === "object" ? concurrency.key : undefined;
  const rateKey = rate?.key;
  if (fairness !== undefined) checkFairness(fairness, check);
  if (affinity !== undefined) checkAffinity(affinity, check);
  const asked = [fairness, concurrencyKey, rateKey, affinity];
  if (asked.every((one) => one === undefined)) return undefined;
  const ask = asker<Parsed>(name);
  return Object.freeze({
    of: (input: Parsed): TaskTerms => ({
      ...NO_TERMS,
      fairnessKey: fairness === undefined ? "" : ask.key("fairness.key", fairness.key, input),
      weight: fairness?.weight === undefined ? 1 : ask.weight("fairness.weight", fairness.weight, input),
      concurrencyKey: concurrencyKey === undefined ? "" : ask.key("concurrency.key", concurrencyKey, input),
      rateKey: rateKey === undefined ? "" : ask.key("rate.key", rateKey, input),
      affinityKey: affinity === undefined ? "" : ask.key("affinity.key", affinity.key, input),
    }),
  });
}

function checkFairness<Parsed>(fairness: FairnessOptions<Parsed>, check: OptionCheck): void {
  check.known(fairness, ["key", "weight"]);
  if (typeof fairness.key !== "function") check.refuse("fairness.key", "a function", fairness.key);
  isFunction("fairness.weight", fairness.weight, check);
}

function checkAffinity<Parsed>(affinity: AffinityOptions<Parsed>, check: OptionCheck): void {
  check.known(affinity, ["key"]);
  if (typeof affinity.key !== "function") check.refuse("affinity.key", "a function", affinity.key);
}

function isFunction(field: string, value: unknown, check: OptionCheck): void {
  if (value !== undefined && typeof value !== "function") check.refuse(field, "a function", value);
}

interface Asker<Parsed> {
  key(field: string, ask: (input: Parsed) => string, input: Parsed): string;
  weight(field: string, ask: (input: Parsed) => number, input: Parsed): number;
}

/** Asks the user's functions; whatever is wrong with an answer is INVALID_INPUT naming the field. */
function asker<Parsed>(name: string): Asker<Parsed> {
  const refuse = (field: string, why: string, cause?: unknown): never => {
    throw new YardmasterError("INVALID_INPUT", `The ${field} of ${name} ${why}.`, {
      cause,
      details: { field },
    });
  };
  const answer = <T>(field: string, ask: (input: Parsed) => T, input: Parsed): T => {
    try {
      return ask(input);
    } catch (error) {
      return refuse(field, `threw for this input: ${messageOf(error)}`, error);
    }
  };
  return {
    key(field, ask, input) {
      const key: unknown = answer(field, ask, input);
      return typeof key === "string" && isKey(key)
        ? key
        : refuse(field, `must be text of 1 to ${MAX_KEY_BYTES} bytes without control characters`);
    },
    weight(field, ask, input) {
      const weight: unknown = answer(field, ask, input);
      return typeof weight === "number" && isWeight(weight)
        ? weight
        : refuse(field, `must be a number from ${MIN_WEIGHT} to ${MAX_WEIGHT}`);
    },
  };
}
