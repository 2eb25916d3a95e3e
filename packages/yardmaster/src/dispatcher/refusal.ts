import type { Change } from "../protocol/change.ts";
import { isCode, YardmasterError } from "../protocol/errors.ts";
import type { Alarm } from "./alarm.ts";

/** Whether a commit with it is refused by a full store before one that only ends tasks is. */
export function isNew({ type }: Change): boolean {
  return type === "insert" || type === "adopt";
}

/** What is told of an error of the engine. */
export function alarmCodeOf(error: unknown): Alarm["code"] {
  if (isCode(error, "STORE_FULL")) return "STORE_FULL";
  if (isCode(error, "UNSUPPORTED_VERSION")) return "UNSUPPORTED_VERSION";
  return error instanceof YardmasterError && error.retryable ? "ENGINE_UNAVAILABLE" : "COMMIT_REFUSED";
}

/** Whether the store may have refused a commit for its content: trying the same again cannot help. */
export function mayBeRefusal(error: unknown): boolean {
  if (!(error instanceof YardmasterError)) return true;
  return !error.retryable && error.code !== "FENCED" && error.code !== "CONFLICT";
}
