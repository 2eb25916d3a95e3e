import type { IncomingHttpHeaders } from "node:http";
import type { TraceHeaders } from "../client/trace-option.ts";

/** Of version 00, or of a later one, which may say more behind it. The zeros of an invalid trace are refused by who reads it. */
const PARENT = /^(?!ff)[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[ -~]{1,100})?$/;
const MAX_STATE = 512;

/** The trace that a caller is in (W3C Trace Context), as far as it can travel with a task; null for none. */
export function traceOf({ traceparent, tracestate }: IncomingHttpHeaders): TraceHeaders | null {
  if (typeof traceparent !== "string" || !PARENT.test(traceparent)) return null;
  if (typeof tracestate !== "string" || tracestate.length > MAX_STATE) return { traceparent };
  return { traceparent, tracestate };
}
