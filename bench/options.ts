import { parseArgs } from "node:util";
import { BadPlace, ENGINE_NAMES, type Place, placeOf } from "../servers/engines.ts";

export interface BenchOptions {
  /** Only scenarios, or workloads, whose name contains this. */
  readonly only: string;
  /** The yard to measure, or the engine to start for fresh ones. */
  readonly place: Place;
  /** What `--engine` says; null without it. */
  readonly engine: string | null;
  /** How Redis keeps what it confirms; null for always, and for no where systems are compared. */
  readonly fsync: "always" | "everysec" | "no" | null;
  /** How long each measurement of throughput or latency takes. */
  readonly seconds: number;
  readonly repeat: number;
  /** How many tasks a backlog to drain has. */
  readonly tasks: number;
  /** How many tasks a large backlog has. */
  readonly backlog: number;
  /** Another task system to compare with, or all of them; empty for none. */
  readonly against: string;
  readonly json: boolean;
  /** Keeps what was found in docs/runs. */
  readonly keep: boolean;
  /** Draws the charts and the tables from what was kept, and measures nothing. */
  readonly chart: boolean;
  /** The folder for profiles; empty for none. */
  readonly profile: string;
}

export const USAGE: string = [
  "npm run bench -- [--only NAME|raw] [--engine NAME | --url URL | --broker URL --store URL] [--profile FOLDER]",
  "npm run bench -- --against NAME|all [--engine redis|postgres|sqlite|rabbitmq+redis] [--only NAME] [--keep]",
  "npm run bench -- --chart",
  "of both: [--seconds 5] [--repeat 3] [--tasks 200000] [--backlog 1000000] [--fsync always|everysec|no] [--json]",
  "systems: bullmq, bee-queue, pg-boss, pg-boss-fetched, graphile-worker, graphile-worker-unbatched",
  `engines: ${ENGINE_NAMES.join(", ")}`,
].join("\n");

/** A command line that cannot be run as it is; the message says why. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export function parseOptions(args: readonly string[], environment: NodeJS.ProcessEnv): BenchOptions {
  const { url, broker, store, engine, seconds, repeat, tasks, backlog, fsync, ...given } = usage(
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
          fsync: { type: "string" },
          seconds: { type: "string", default: "5" },
          repeat: { type: "string", default: "3" },
          tasks: { type: "string", default: "200000" },
          backlog: { type: "string", default: "1000000" },
          profile: { type: "string", default: "" },
          keep: { type: "boolean", default: false },
          chart: { type: "boolean", default: false },
          json: { type: "boolean", default: false },
        },
      }).values,
  );
  return {
    ...given,
    place: usage(() => placeOf({ url, broker, store, engine }, environment)),
    engine: engine ?? null,
    fsync: fsyncOf(fsync),
    seconds: positive("seconds", seconds),
    repeat: positive("repeat", repeat),
    tasks: positive("tasks", tasks),
    backlog: positive("backlog", backlog),
  };
}

function fsyncOf(text: string | undefined): BenchOptions["fsync"] {
  if (text === undefined) return null;
  if (text === "always" || text === "everysec" || text === "no") return text;
  throw new UsageError("--fsync takes always, everysec or no");
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
