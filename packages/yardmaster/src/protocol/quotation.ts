const UNSAFE = /[\p{Cc}\p{Cs}\p{Bidi_Control}]/gu;
const QUOTED_CHARACTERS = 60;
const ELLIPSIS_BYTES = 3;

/**
 * A text from outside as a message may show it: in quotes, short, and with nothing in it that starts a line, moves a
 * terminal's cursor or turns the direction of what follows.
 */
export function quoted(text: unknown): string {
  if (typeof text !== "string") return describe(text);
  const shown = text.length > QUOTED_CHARACTERS ? `${text.slice(0, QUOTED_CHARACTERS)}…` : text;
  return escaped(JSON.stringify(shown));
}

/** A message with such texts in it, as one line that a log can take, of at most `maxBytes` in UTF-8. */
export function oneLine(message: string, maxBytes: number): string {
  const shown = escaped(message.length > maxBytes ? message.slice(0, maxBytes) : message);
  if (shown.length * 3 <= maxBytes || Buffer.byteLength(shown, "utf8") <= maxBytes) return shown;
  const kept = Buffer.from(shown, "utf8")
    .subarray(0, maxBytes - ELLIPSIS_BYTES)
    .toString("utf8");
  return `${kept.replace(/\uFFFD+$/, "")}…`;
}

function escaped(text: string): string {
  return text.replaceAll(UNSAFE, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

/** What is no text, without asking it anything. */
function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "object") return Array.isArray(value) ? "an array" : "an object";
  return typeof value === "number" || typeof value === "boolean" ? String(value) : `a ${typeof value}`;
}
