import { types } from "node:util";
import { type ByteString, decodeText, encodeText } from "../protocol/bytes.ts";
import { messageOf, YardmasterError } from "../protocol/errors.ts";
import { MAX_BYTES } from "../protocol/task.ts";

/** Deeper values are refused, on both sides: recursive code over them (a schema's, a handler's) must not overflow. */
const MAX_DEPTH = 1_000;

export type JsonFault = "INVALID_INPUT" | "RESULT_INVALID";

/**
 * The JSON of a value as bytes; `undefined` itself is no bytes at all.
 *
 * Throws `code` (default INVALID_INPUT) naming the path, for what JSON would lose or change in silence: NaN,
 * infinities, BigInt, functions, symbols, `undefined` in arrays, maps, sets and buffers, cycles, more than 1,000
 * levels and keys named `__proto__`. A property whose value is `undefined` is left out, as JSON does.
 */
export function encodeJson(value: unknown, code: JsonFault = "INVALID_INPUT"): ByteString {
  if (value === undefined) return "";
  if (!isCarried(value, 0, { left: MAX_BYTES })) throw faultOf(value, code);
  try {
    return encodeText(JSON.stringify(value));
  } catch (error) {
    throw new YardmasterError(code, `$ cannot be written as JSON: ${String(error)}.`, { cause: error });
  }
}

/** The value of JSON bytes; no bytes at all are `undefined`. Throws `code` for text that is not JSON, is too deep or holds `__proto__` keys. */
export function decodeJson(bytes: ByteString, code: JsonFault = "INVALID_INPUT"): unknown {
  if (bytes === "") return undefined;
  const text = decodeText(bytes);
  const value = parse(text, code);
  if (isSuspicious(text) && !isCarried(value, 0, { left: MAX_BYTES })) throw faultOf(value, code);
  return value;
}

function parse(text: string, code: JsonFault): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new YardmasterError(code, `$ is not JSON${placeOf(error)}.`);
  }
}

/** Where reading failed. What stands there is nobody's business: the error itself, which quotes it, is not passed on. */
export function placeOf(error: unknown): string {
  const [, place] = /at position (\d+)/.exec(messageOf(error)) ?? [];
  return place === undefined ? "" : ` (at character ${place})`;
}

/** Whether a text could hold what `isCarried` refuses: short text without the key, spelt or escaped, cannot. */
function isSuspicious(text: string): boolean {
  return text.length > 2 * MAX_DEPTH || text.includes("__proto__") || text.includes("\\u");
}

/** Each visited value is at least one byte of JSON, so that a small graph which unfolds into a huge tree ends early. */
interface Budget {
  left: number;
}

/** Hot: no path and no set of ancestors is kept; a cycle runs into the depth limit on its first descent. */
function isCarried(value: unknown, depth: number, budget: Budget): boolean {
  switch (typeof value) {
    case "string":
    case "boolean":
      return true;
    case "number":
      return Number.isFinite(value);
    case "object":
      return value === null || isCarriedObject(value, depth, budget);
    default:
      return false;
  }
}

function isCarriedObject(value: object, depth: number, budget: Budget): boolean {
  budget.left -= 1;
  if (depth >= MAX_DEPTH || budget.left < 0) return false;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) {
      if (!isCarried(value[index], depth + 1, budget)) return false;
    }
    return true;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if ((prototype !== Object.prototype && prototype !== null) || "toJSON" in value)
    return isCarriedSpecial(value, depth, budget);
  // JSON writes own properties only, and a plain object has no others that can be listed.
  for (const key in value) {
    if (!isCarriedProperty(value, key, depth, budget)) return false;
  }
  return true;
}

function isCarriedProperty(value: object, key: string, depth: number, budget: Budget): boolean {
  if (key === "__proto__") return false;
  // An own enumerable property of any object may be read by its key.
  const inner = (value as Record<string, unknown>)[key];
  return inner === undefined || isCarried(inner, depth + 1, budget);
}

function isCarriedSpecial(value: object, depth: number, budget: Budget): boolean {
  if (hasToJson(value)) return isCarried(value.toJSON(), depth + 1, budget) && !isInvalidDate(value);
  if (isOpaque(value)) return false;
  return Object.keys(value).every((key) => isCarriedProperty(value, key, depth, budget));
}

function hasToJson(value: object): value is { toJSON(): unknown } {
  return "toJSON" in value && typeof value.toJSON === "function";
}

function isInvalidDate(value: object): boolean {
  return types.isDate(value) && Number.isNaN(value.getTime());
}

/** Objects whose content JSON would drop without a word. */
function isOpaque(value: object): boolean {
  return (
    types.isMap(value) ||
    types.isSet(value) ||
    types.isWeakMap(value) ||
    types.isWeakSet(value) ||
    types.isPromise(value) ||
    types.isRegExp(value) ||
    types.isAnyArrayBuffer(value) ||
    ArrayBuffer.isView(value) ||
    types.isBoxedPrimitive(value) ||
    types.isNativeError(value)
  );
}

/** Finds again, with its path, what `isCarried` refused. */
function faultOf(value: unknown, code: JsonFault): YardmasterError {
  const found = search(value, "$", [], { left: MAX_BYTES }) ?? {
    path: "$",
    problem: "is too large for JSON",
  };
  const path = found.path.length > 300 ? `${found.path.slice(0, 150)}…${found.path.slice(-150)}` : found.path;
  return new YardmasterError(code, `${path} ${found.problem}.`, { details: { path } });
}

interface Fault {
  readonly path: string;
  readonly problem: string;
}

function search(value: unknown, path: string, ancestors: object[], budget: Budget): Fault | null {
  if (typeof value !== "object" || value === null) {
    const problem = primitiveProblem(value);
    return problem === "" ? null : { path, problem };
  }
  budget.left -= 1;
  if (budget.left < 0) return { path: "$", problem: "unfolds into more values than fit" };
  if (ancestors.includes(value)) return { path, problem: "refers back to an object that contains it" };
  if (ancestors.length >= MAX_DEPTH) return { path, problem: `is more than ${MAX_DEPTH} levels deep` };
  if (isInvalidDate(value)) return { path, problem: "is an invalid date" };
  ancestors.push(value);
  const fault = searchInside(value, path, ancestors, budget);
  ancestors.pop();
  return fault;
}

function searchInside(value: object, path: string, ancestors: object[], budget: Budget): Fault | null {
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) {
      const fault = search(value[index], `${path}[${index}]`, ancestors, budget);
      if (fault !== null) return fault;
    }
    return null;
  }
  if (hasToJson(value)) return search(value.toJSON(), path, ancestors, budget);
  if (isOpaque(value))
    return { path, problem: `is a ${value.constructor.name}, whose content JSON would lose` };
  for (const [key, inner] of Object.entries(value)) {
    const at = /^[A-Za-z_$][\w$]*$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`;
    if (key === "__proto__")
      return { path: at, problem: "is a key that JSON readers cannot be trusted with" };
    const fault = inner === undefined ? null : search(inner, at, ancestors, budget);
    if (fault !== null) return fault;
  }
  return null;
}

function primitiveProblem(value: unknown): string {
  if (typeof value === "number") return Number.isFinite(value) ? "" : `is ${value}, which JSON cannot carry`;
  if (typeof value === "bigint") return "is a BigInt, which JSON cannot carry";
  if (value === undefined) return "is undefined, which JSON would turn into null";
  if (typeof value === "function" || typeof value === "symbol")
    return `is a ${typeof value}, which JSON cannot carry`;
  return "";
}
