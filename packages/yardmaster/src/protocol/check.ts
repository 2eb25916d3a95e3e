import { YardmasterError } from "./errors.ts";
import { quoted } from "./quotation.ts";
import { MAX_AMOUNT, MAX_KEY_BYTES, MAX_NAME_BYTES, MAX_PRIORITY } from "./task.ts";

/** The longest delay, timeout or window: ten years. */
export const MAX_DELAY_MS: number = 10 * 365.25 * 24 * 60 * 60 * 1000;

const CONTROL_CHARACTER = /\p{Cc}/u;

/** Whether a text can name a task, queue or worker. */
export function isName(text: string): boolean {
  return flaw(text, MAX_NAME_BYTES) === null;
}

/** Whether a text can be an idempotency key. */
export function isKey(text: string): boolean {
  return flaw(text, MAX_KEY_BYTES) === null;
}

/** Whether a text is one line, which a broker and a log can take: no control characters, and no half of a pair. */
export function isLine(text: string): boolean {
  return !CONTROL_CHARACTER.test(text) && text.isWellFormed();
}

/** Whether a number can be so much of a resource: from 0, in thousandths. */
export function isAmount(amount: unknown): amount is number {
  return (
    typeof amount === "number" &&
    amount >= 0 &&
    amount <= MAX_AMOUNT &&
    Math.round(amount * 1000) / 1000 === amount
  );
}

/** Throws INVALID_NAME unless `name` has 1 to 256 bytes and no control characters, naming the field. `what` says whose name it is. */
export function checkName(name: string, what: string, field = "name"): void {
  refuseFlawed(name, what, MAX_NAME_BYTES, field);
}

/** Throws INVALID_NAME unless `key` has 1 to 1,024 bytes and no control characters. */
export function checkKey(key: string, what: string, field: string = what): void {
  refuseFlawed(key, what, MAX_KEY_BYTES, field);
}

/** Throws INVALID_OPTIONS unless `delayMs` is 0 to ten years. `what` names the option. */
export function checkDelay(delayMs: number, what: string): void {
  if (typeof delayMs === "number" && delayMs >= 0 && delayMs <= MAX_DELAY_MS) return;
  throw new YardmasterError(
    "INVALID_OPTIONS",
    `${what} is ${quoted(delayMs)}: give milliseconds from 0 to ${MAX_DELAY_MS} (ten years).`,
    { details: { field: what } },
  );
}

/** Throws INVALID_OPTIONS unless `priority` is a whole number from 0 to 255. */
export function checkPriority(priority: number, what: string): void {
  if (Number.isInteger(priority) && priority >= 0 && priority <= MAX_PRIORITY) return;
  throw new YardmasterError(
    "INVALID_OPTIONS",
    `${what} is ${quoted(priority)}: give a whole number from 0 to ${MAX_PRIORITY}; larger goes first.`,
    { details: { field: what } },
  );
}

function refuseFlawed(text: string, what: string, maxBytes: number, field: string): void {
  const found = flaw(text, maxBytes);
  if (found === null) return;
  throw new YardmasterError("INVALID_NAME", `${what} ${quoted(text)} ${found}.`, {
    details: { field },
  });
}

function flaw(text: string, maxBytes: number): string | null {
  if (typeof text !== "string") return "is not a string: give text";
  if (text === "") return "is empty: give at least one character";
  if (Buffer.byteLength(text, "utf8") > maxBytes)
    return `is too long: give at most ${maxBytes} bytes of UTF-8`;
  if (CONTROL_CHARACTER.test(text))
    return "holds control characters: leave out line breaks, tabs and the like";
  if (!text.isWellFormed()) return "holds half a surrogate pair: give well-formed text";
  return null;
}
