import { parseArgs } from "node:util";
import { BadPlace, ENGINE_NAMES, type Place, placeOf } from "../servers/engines.ts";

export interface DemoOptions {
  readonly json: boolean;
  /** The yard to use, or the engine to start for one. */
  readonly place: Place;
  readonly files: number;
}

export const USAGE: string = [
  "npm run demo -- [--json] [--files NUMBER] [--engine NAME | --url URL | --broker URL --store URL]",
  `engines: ${ENGINE_NAMES.join(", ")}`,
].join("\n");

/** More would take longer than a demonstration may. */
const MAX_FILES = 20_000;

/** A command line that cannot be run as it is; the message says why. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export function parseOptions(args: readonly string[], environment: NodeJS.ProcessEnv): DemoOptions {
  const { json, files, ...place } = usage(
    () =>
      parseArgs({
        args: [...args],
        options: {
          json: { type: "boolean", default: false },
          files: { type: "string", default: String(MAX_FILES) },
          url: { type: "string" },
          broker: { type: "string" },
          store: { type: "string" },
          engine: { type: "string" },
        },
      }).values,
  );
  const count = Number(files);
  if (Number.isInteger(count) && count >= 1 && count <= MAX_FILES) {
    return { json, place: usage(() => placeOf(place, environment)), files: count };
  }
  throw new UsageError(`--files must be a whole number from 1 to ${MAX_FILES}`);
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
