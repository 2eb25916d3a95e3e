import { parseArgs } from "node:util";
import { BadPlace, ENGINE_NAMES, type Place, placeOf } from "../servers/engines.ts";

export interface BenchOptions {
  /** Only scenarios whose name contains this. */
  readonly only: string;
  /** The yard to measure, or the engine to start for fresh ones. */
  readonly place: Place;
  /** How long each measurement of throughput or latency takes. */
  readonly seconds: number;
  readonly repeat: number;
  /** Another task system to compare with; empty for none. */
  readonly against: string;
  readonly json: boolean;
  /** The folder for CPU profiles; empty for none. */
  readonly profile: string;
}

export const USAGE: string = [
  "npm run bench -- [--only NAME] [--engine NAME | --url URL | --broker URL --store URL]",
  "                 [--seconds NUMBER] [--repeat NUMBER] [--profile FOLDER] [--json]",
  "npm run bench -- --against bullmq|bee-queue|pg-boss|graphile-worker [--seconds NUMBER] [--repeat NUMBER] [--json]",
  `engines: ${ENGINE_NAMES.join(", ")}`,
].join("\n");

/** A command line that cannot be run as it is; the message says why. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export function parseOptions(args: readonly string[], environment: NodeJS.ProcessEnv): BenchOptions {
  const { only, against, seconds, repeat, json, profile, ...place } = usage(
    () =>
      parseArgs({
        args: [...args],
        options: {
          only: { type: "string", default: "" },
          against: { type: "string", default: "" },
          url: { type: "string" },
          broker: { type: "string" },
          store: { type: "string" },
          engine: { type: "string" },
          seconds: { type: "string", default: "5" },
          repeat: { type: "string", default: "3" },
          profile: { type: "string", default: "" },
          json: { type: "boolean", default: false },
        },
      }).values,
  );
  return {
    only,
    against,
    place: usage(() => placeOf(place, environment)),
    json,
    profile,
    seconds: positive("seconds", seconds),
    repeat: positive("repeat", repeat),
  };
}

/** What `parse` answers; its complaint is one about the command line. */
function usage<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof BadPlace)) throw error;
    throw new UsageError(error.message);
  }
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new UsageError(`--${name} must be a number above 0`);
}
