import { parseArgs } from "node:util";

export interface BenchOptions {
  /** Only scenarios whose name contains this. */
  readonly only: string;
  /** A yard to measure; empty for fresh SQLite files. */
  readonly url: string;
  /** How long each measurement of throughput or latency takes. */
  readonly seconds: number;
  readonly repeat: number;
  readonly json: boolean;
  /** The folder for CPU profiles; empty for none. */
  readonly profile: string;
}

export const USAGE =
  "npm run bench -- [--only NAME] [--url URL] [--seconds NUMBER] [--repeat NUMBER] [--profile FOLDER] [--json]";

/** A command line that cannot be run as it is; the message says why. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export function parseOptions(args: readonly string[]): BenchOptions {
  const { only, url, seconds, repeat, json, profile } = parsed(args);
  return {
    only,
    url,
    json,
    profile,
    seconds: positive("seconds", seconds),
    repeat: positive("repeat", repeat),
  };
}

type Parsed = Record<"only" | "url" | "seconds" | "repeat" | "profile", string> & { json: boolean };

function parsed(args: readonly string[]): Parsed {
  try {
    return parseArgs({
      args: [...args],
      options: {
        only: { type: "string", default: "" },
        url: { type: "string", default: "" },
        seconds: { type: "string", default: "5" },
        repeat: { type: "string", default: "3" },
        profile: { type: "string", default: "" },
        json: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new UsageError(`--${name} must be a number above 0`);
}
