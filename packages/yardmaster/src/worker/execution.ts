import { decodeValue, encodeValue } from "../definition/codec.ts";
import { validate } from "../definition/schema.ts";
import type { AnyTask } from "../definition.ts";
import type { ByteString } from "../protocol/bytes.ts";
import type { Outcome } from "../protocol/envelope.ts";
import { isCode } from "../protocol/errors.ts";
import type { TaskError } from "../protocol/task.ts";
import { codeOf, failure, failureOf } from "./failure.ts";
import { type Call, type Handler, isFail, isRetryIn } from "./handlers.ts";

/** How an attempt ended, in plain values that also cross threads. */
export interface Ending {
  readonly kind: Outcome["kind"];
  readonly delayMs: number;
  readonly result: ByteString;
  readonly error: TaskError | null;
}

/** Makes the handler's argument around the parsed input. */
export type OpenCall = (input: unknown) => Call<unknown>;

export function ended(kind: Outcome["kind"], error: TaskError | null): Ending {
  return { kind, delayMs: 0, result: "", error };
}

/**
 * Decodes and parses the payload, runs the handler, checks and encodes what it returns. Never throws and never
 * rejects; a promise only where schema or handler are asynchronous.
 */
export function execute(
  handler: Handler,
  payload: ByteString,
  version: number,
  open: OpenCall,
): Ending | Promise<Ending> {
  try {
    const input = inputOf(handler.definition, payload, version);
    if (!(input instanceof Promise)) return run(handler, input, open);
    return input.then((late) => run(handler, late, open), inputRefused);
  } catch (error) {
    return inputRefused(error);
  }
}

function inputOf(definition: AnyTask, payload: ByteString, version: number): unknown | Promise<unknown> {
  const value = decodeValue(definition, payload, "INVALID_INPUT");
  return validate(definition.input, upgraded(definition, value, version), "INVALID_INPUT");
}

/** A worker takes an old version only where every step to its own exists. */
function upgraded(definition: AnyTask, value: unknown, version: number): unknown {
  let current = value;
  for (let from = version; from < definition.version; from += 1)
    current = definition.upgrade[from]?.(current);
  return current;
}

/** A schema's verdict is final; a schema or upgrade that throws something else may do better next time. */
function inputRefused(error: unknown): Ending {
  if (isCode(error, "INVALID_INPUT")) return ended("final", failureOf(error, "INVALID_INPUT"));
  return ended("failed", failureOf(error, "HANDLER_FAILED"));
}

function run(handler: Handler, input: unknown, open: OpenCall): Ending | Promise<Ending> {
  try {
    const returned = handler.run(open(input));
    if (!isThenable(returned)) return endingOf(handler.definition, returned);
    return Promise.resolve(returned).then((value) => endingOf(handler.definition, value), thrown);
  } catch (error) {
    return thrown(error);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

/** `retryIn` and `fail` mean the same when they are thrown. */
function thrown(error: unknown): Ending {
  if (isRetryIn(error)) return { kind: "retryIn", delayMs: error.delayMs, result: "", error: null };
  if (isFail(error)) return ended("final", failureOf(error.reason, "HANDLER_FAILED"));
  return ended("failed", failureOf(error, "HANDLER_FAILED"));
}

function endingOf(definition: AnyTask, returned: unknown): Ending | Promise<Ending> {
  if (isRetryIn(returned) || isFail(returned)) return thrown(returned);
  try {
    const output = validate(definition.output, returned, "RESULT_INVALID");
    if (!(output instanceof Promise)) return succeeded(definition, output);
    return output.then((late) => succeeded(definition, late)).catch(resultRefused);
  } catch (error) {
    return resultRefused(error);
  }
}

function succeeded(definition: AnyTask, output: unknown): Ending {
  const result = encodeValue(definition, output, "RESULT_INVALID");
  const { maxResultBytes } = definition;
  if (result.length <= maxResultBytes) return { kind: "succeeded", delayMs: 0, result, error: null };
  const message = `The result of ${definition.name} has ${result.length} bytes; its limit is ${maxResultBytes}.`;
  return ended("failed", failure("RESULT_TOO_LARGE", message));
}

function resultRefused(error: unknown): Ending {
  return ended("failed", failureOf(error, codeOf(error, "HANDLER_FAILED")));
}
