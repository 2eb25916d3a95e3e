import { plain, truncated } from "./plain-text.ts";

const MAX_CELL = 48;
const GAP = "  ";

/** Rows under their headings, in columns as wide as their content needs; the last column is neither padded nor cut. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const last = headings.length - 1;
  const cells = rows.map((row) =>
    row.map((cell, column) => (column === last ? plain(cell) : truncated(plain(cell), MAX_CELL))),
  );
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...cells.map((row) => row[column]?.length ?? 0)),
  );
  return [headings, ...cells].map((row) => line(row, widths)).join("\n");
}

/** Facts one under the other, their names in one column. */
export function facts(entries: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(0, ...entries.map(([name]) => name.length));
  return entries.map(([name, value]) => `${name.padEnd(width)}${GAP}${value}`).join("\n");
}

function line(row: readonly string[], widths: readonly number[]): string {
  return row
    .map((cell, column) => cell.padEnd(widths[column] ?? 0))
    .join(GAP)
    .trimEnd();
}
