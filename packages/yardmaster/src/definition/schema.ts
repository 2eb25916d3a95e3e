import type { StandardSchemaV1 } from "@standard-schema/spec";
import { YardmasterError } from "../protocol/errors.ts";
import type { JsonFault } from "./json.ts";

/**
 * The value as a schema (any Standard Schema library's) parses it; without a schema the value itself. A promise
 * only where the schema itself is asynchronous. Throws, or rejects with, `code` and `details.issues`.
 */
export function validate(
  schema: StandardSchemaV1 | undefined,
  value: unknown,
  code: JsonFault,
): unknown | Promise<unknown> {
  if (schema === undefined) return value;
  const result = schema["~standard"].validate(value);
  return result instanceof Promise ? result.then((late) => outputOf(late, code)) : outputOf(result, code);
}

function outputOf(result: StandardSchemaV1.Result<unknown>, code: JsonFault): unknown {
  if (result.issues === undefined) return result.value;
  const issues = result.issues.map(({ message, path }) => ({ path: pathOf(path), message }));
  const first = issues.slice(0, MAX_SHOWN_ISSUES).map(({ path, message }) => `${path}: ${message}`);
  const more = issues.length > first.length ? ` (and ${issues.length - first.length} more)` : "";
  throw new YardmasterError(code, `${first.join("; ")}${more}`, { details: { issues } });
}

const MAX_SHOWN_ISSUES = 5;

function pathOf(path: StandardSchemaV1.Issue["path"]): string {
  let text = "$";
  for (const part of path ?? []) {
    const key = typeof part === "object" ? part.key : part;
    text += typeof key === "number" ? `[${key}]` : `.${String(key)}`;
  }
  return text;
}
