import { inspect } from "node:util";
import { type ErrorCode, YardmasterError } from "../protocol/errors.ts";
import type { TaskError } from "../protocol/task.ts";

const MAX_MESSAGE_BYTES = 8 * 1024;
const MAX_STACK_BYTES = 16 * 1024;
const MAX_CAUSES = 5;

/** An error as it travels; whatever was thrown, this does not throw. */
export function failureOf(thrown: unknown, code: ErrorCode): TaskError {
  return {
    code,
    message: clip(
      attempted(() => messageOf(thrown)),
      MAX_MESSAGE_BYTES,
    ),
    stack: clip(
      attempted(() => stackOf(thrown)),
      MAX_STACK_BYTES,
    ),
  };
}

export function failure(code: ErrorCode, message: string): TaskError {
  return { code, message: clip(message, MAX_MESSAGE_BYTES), stack: "" };
}

/** The code of one of our own errors, else `otherwise`. */
export function codeOf(thrown: unknown, otherwise: ErrorCode): ErrorCode {
  return thrown instanceof YardmasterError ? thrown.code : otherwise;
}

/** Well-formed text of at most `maxBytes` in UTF-8. */
export function clip(text: string, maxBytes: number): string {
  if (text.length * 3 <= maxBytes || Buffer.byteLength(text, "utf8") <= maxBytes) return text.toWellFormed();
  const kept = Buffer.from(text.slice(0, maxBytes), "utf8")
    .subarray(0, maxBytes - ELLIPSIS_BYTES)
    .toString("utf8");
  return `${kept.replace(/\uFFFD+$/, "")}…`;
}

const ELLIPSIS_BYTES = 3;

/** Getters and proxies of a thrown value may throw themselves. */
function attempted(describe: () => string): string {
  try {
    return describe();
  } catch {
    return "(what was thrown cannot be described)";
  }
}

function messageOf(thrown: unknown): string {
  if (thrown instanceof Error) return String(thrown.message || thrown.name);
  return typeof thrown === "string" ? thrown : inspect(thrown, { depth: 2 });
}

function stackOf(thrown: unknown): string {
  const stacks: string[] = [];
  let error = thrown;
  while (error instanceof Error && stacks.length < MAX_CAUSES) {
    stacks.push(String(error.stack));
    // What caused one of our own may quote an input, as a codec's error does.
    if (error instanceof YardmasterError) break;
    error = error.cause;
  }
  return stacks.join("\nCaused by: ");
}
