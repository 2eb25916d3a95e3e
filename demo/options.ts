import { parseArgs } from "node:util";

export interface DemoOptions {
  readonly json: boolean;
  /** The yard to use; empty for a fresh one in a folder of its own. */
  readonly url: string;
  readonly files: number;
}

export const USAGE = "npm run demo -- [--json] [--url URL] [--engine sqlite] [--files NUMBER]";

/** More would take longer than a demonstration may. */
const MAX_FILES = 20_000;
const ENGINES_TO_COME = [
  "redis",
  "redis-cluster",
  "postgres",
  "rabbitmq+redis",
  "rabbitmq+postgres",
  "redis+postgres",
  "rabbitmq+sqlite",
];

/** A command line that cannot be run as it is; the message says why. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export function parseOptions(args: readonly string[]): DemoOptions {
  const { json, url, engine, files } = parsed(args);
  if (ENGINES_TO_COME.includes(engine)) throw new UsageError(`UNSUPPORTED: this version has no ${engine}`);
  if (engine !== "sqlite") throw new UsageError(`there is no engine ${engine}`);
  const count = Number(files);
  if (Number.isInteger(count) && count >= 1 && count <= MAX_FILES) return { json, url, files: count };
  throw new UsageError(`--files must be a whole number from 1 to ${MAX_FILES}`);
}

function parsed(args: readonly string[]): { json: boolean; url: string; engine: string; files: string } {
  try {
    return parseArgs({
      args: [...args],
      options: {
        json: { type: "boolean", default: false },
        url: { type: "string", default: "" },
        engine: { type: "string", default: "sqlite" },
        files: { type: "string", default: String(MAX_FILES) },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
