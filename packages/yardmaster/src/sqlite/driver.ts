import { InvariantError, YardmasterError } from "../protocol/errors.ts";

/** What goes into and comes out of a statement. */
export type Value = null | number | string | Uint8Array;
export type Row = Readonly<Record<string, Value>>;

/** The little that is used of `node:sqlite`, whose class is still to get its final name. */
export interface Database {
  exec(sql: string): void;
  prepare(sql: string): Statement;
  close(): void;
}

/** Parameters are plain question marks: Node 22 binds no numbered ones by position. */
export interface Statement {
  run(...values: readonly Value[]): { readonly changes: number | bigint };
  get(...values: readonly Value[]): Row | undefined;
  all(...values: readonly Value[]): Row[];
  iterate(...values: readonly Value[]): Iterable<Row>;
}

type Constructor = new (path: string, options: { readonly readOnly: boolean }) => Database;

let driver: Constructor | null = null;

/** Opens a database file; errors come as the driver throws them, for `failure.ts` to translate. */
export function openDatabase(path: string, options: { readonly readOnly?: boolean } = {}): Database {
  driver ??= loadDriver();
  return new driver(path, { readOnly: options.readOnly ?? false });
}

function loadDriver(): Constructor {
  // A cast, since the types know only the class's present name, and nothing of the rows' types.
  const { Database, DatabaseSync } = withoutSqliteWarning(() =>
    process.getBuiltinModule("node:sqlite"),
  ) as unknown as { readonly Database?: Constructor; readonly DatabaseSync?: Constructor };
  const found = Database ?? DatabaseSync;
  if (found === undefined) throw new InvariantError("node:sqlite has neither Database nor DatabaseSync.");
  return found;
}

/** Node 22 calls SQLite experimental on stderr; this one warning alone is held back. */
function withoutSqliteWarning<T>(load: () => T): T {
  const { emitWarning } = process;
  const quiet = (warning: string | Error, ...rest: readonly unknown[]): void => {
    if (String(warning).startsWith("SQLite is an experimental feature")) return;
    Reflect.apply(emitWarning, process, [warning, ...rest]);
  };
  // A cast, since `emitWarning` is overloaded and `quiet` passes on whatever it is given.
  process.emitWarning = quiet as typeof process.emitWarning;
  try {
    return load();
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** A column that the schema says is an integer. Throws STORE_CORRUPT, as all three do. */
export function int(value: Value | undefined): number {
  if (typeof value === "number" && Number.isSafeInteger(value)) return value;
  throw damaged("an integer");
}

export function text(value: Value | undefined): string {
  if (typeof value === "string") return value;
  throw damaged("text");
}

export function blob(value: Value | undefined): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw damaged("bytes");
}

/** Somebody else wrote it, or the disk did not keep it. */
function damaged(what: string): YardmasterError {
  return new YardmasterError(
    "STORE_CORRUPT",
    `A column that holds ${what} holds something else: the file is damaged, restore it from a backup.`,
  );
}
