import { optionCheck } from "../definition/options.ts";
import { MAX_TRACE_BYTES } from "../protocol/task.ts";

/** A trace as headers carry it, by name: `traceparent`, and whatever the propagators in use add. */
export type TraceHeaders = Readonly<Record<string, string>>;

/** A trace as it travels with a task. Throws INVALID_OPTIONS. */
export function traceText(headers: TraceHeaders): string {
  const check = optionCheck("submit");
  const isHeaders =
    typeof headers === "object" &&
    headers !== null &&
    Object.values(headers).every((value) => typeof value === "string");
  const text = isHeaders
    ? JSON.stringify(headers)
    : check.refuse("trace", "an object of headers by their names", headers);
  if (Buffer.byteLength(text) > MAX_TRACE_BYTES)
    check.refuse("trace", `at most ${MAX_TRACE_BYTES} bytes of JSON`, text);
  return text;
}
