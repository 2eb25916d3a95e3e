const UNSAFE = /[\p{Cc}\p{Cs}\p{Bidi_Control}]/gu;
const QUOTED_CHARACTERS = 60;

/**
 * A text from outside as a message may show it: in quotes, short, and with nothing in it that starts a line, moves a
 * terminal's cursor or turns the direction of what follows.
 */
export function quoted(text: unknown): string {
  const whole = String(text);
  const shown = whole.length > QUOTED_CHARACTERS ? `${whole.slice(0, QUOTED_CHARACTERS)}…` : whole;
  return escaped(JSON.stringify(shown));
}

/** A message with such texts in it, as one line of at most `maxCharacters` that a log can take. */
export function oneLine(message: string, maxCharacters: number): string {
  const shown = escaped(message.length > maxCharacters ? message.slice(0, maxCharacters) : message);
  return shown.length > maxCharacters ? `${shown.slice(0, maxCharacters - 1)}…` : shown;
}

function escaped(text: string): string {
  return text.replaceAll(UNSAFE, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\u${code.toString(16).padStart(4, "0")}`;
  });
}
