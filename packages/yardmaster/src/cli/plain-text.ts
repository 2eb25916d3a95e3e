/**
 * Text from outside (names, errors, results) as a terminal may show it.
 *
 * Control characters could move the cursor, recolour or retitle the terminal, and directional overrides could make
 * one text look like another, so each is shown as its code instead.
 */
export function plain(text: string): string {
  return escapeUnsafe(text, isUnsafe);
}

/** As `plain`, but line breaks and tabs stay: for stacks and logs. */
export function plainLines(text: string): string {
  return escapeUnsafe(text, (unit) => unit !== NEWLINE && unit !== TAB && isUnsafe(unit));
}

/** JSON on one line. JSON itself escapes only the first 32 control characters; the others become `\u` escapes too. */
export function plainJson(value: unknown, indent = 0): string {
  const text = JSON.stringify(value, null, indent) ?? "null";
  return escapeUnsafe(text, (unit) => unit !== NEWLINE && isUnsafe(unit), jsonEscape);
}

/** At most `limit` characters, the last one an ellipsis where something was left out. */
export function truncated(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const cut = isHighSurrogate(text.charCodeAt(limit - 2)) ? limit - 2 : limit - 1;
  return `${text.slice(0, cut)}…`;
}

const TAB = 0x09;
const NEWLINE = 0x0a;

function isUnsafe(unit: number): boolean {
  const isControl = unit < 0x20 || (unit >= 0x7f && unit <= 0x9f);
  const isDirection = unit === 0x061c || unit === 0x200e || unit === 0x200f;
  const isOverride = (unit >= 0x202a && unit <= 0x202e) || (unit >= 0x2066 && unit <= 0x2069);
  const isSeparator = unit === 0x2028 || unit === 0x2029;
  return isControl || isDirection || isOverride || isSeparator;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function escapeUnsafe(text: string, unsafe: (unit: number) => boolean, shown = shownEscape): string {
  let safe = "";
  let from = 0;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (!unsafe(unit)) continue;
    safe += text.slice(from, index) + shown(unit);
    from = index + 1;
  }
  return from === 0 ? text : safe + text.slice(from);
}

function shownEscape(unit: number): string {
  return unit < 0x100 ? `\\x${unit.toString(16).padStart(2, "0")}` : `\\u{${unit.toString(16)}}`;
}

function jsonEscape(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, "0")}`;
}
