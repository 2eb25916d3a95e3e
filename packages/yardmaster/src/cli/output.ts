import { plain, plainJson, plainLines } from "./plain-text.ts";
import { table } from "./table.ts";

/** Where a command's answer goes: tables and text for people, or JSON for programs. Diagnostics go to stderr. */
export interface Output {
  readonly json: boolean;
  /** Text on stdout, for people; nothing with `--json`. */
  say(text: string): void;
  /** One object on one line of stdout; nothing without `--json`. */
  emit(value: unknown): void;
  /** A line for people on stderr, with and without `--json`. */
  note(text: string): void;
  /** A list: a table, or one object a line. */
  list<Item>(items: readonly Item[], view: ListView<Item>): void;
}

export interface ListView<Item> {
  readonly headings: readonly string[];
  readonly row: (item: Item) => readonly string[];
  readonly json: (item: Item) => unknown;
  /** What to say when there is nothing. */
  readonly none: string;
}

export function outputTo(
  stdout: NodeJS.WritableStream,
  stderr: NodeJS.WritableStream,
  json: boolean,
): Output {
  return {
    json,
    say(text) {
      if (!json) stdout.write(`${text}\n`);
    },
    emit(value) {
      if (json) stdout.write(`${plainJson(value)}\n`);
    },
    note(text) {
      stderr.write(`${plainLines(text)}\n`);
    },
    list(items, view) {
      if (json) for (const item of items) stdout.write(`${plainJson(view.json(item))}\n`);
      else if (items.length === 0) stdout.write(`${view.none}\n`);
      else stdout.write(`${table(view.headings, items.map(view.row))}\n`);
    },
  };
}

/** What went wrong, in one line, with the error's code where it has one. */
export function errorLine(error: unknown): string {
  return `yardmaster: ${errorText(error)}`;
}

/** The same without who says it. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return plain(String(error));
  const code = "code" in error && typeof error.code === "string" ? `${error.code}: ` : "";
  return plain(`${code}${error.message}`);
}
