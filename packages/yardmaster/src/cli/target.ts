import { type Command, Option } from "commander";
import type { EngineNews } from "../engine-watch.ts";
import { YardmasterError } from "../protocol/errors.ts";
import type { ConnectOptions } from "../yard.ts";
import { whole } from "./options.ts";
import { type Output, outputTo } from "./output.ts";

/** Which yard a command speaks to. */
export type Target = { readonly url: string } | { readonly broker: string; readonly store: string };

const DEFAULT_URL = "sqlite:./yard.db";
/** A day: who wants more has a supervisor that starts it again. */
const MAX_WAIT_SECONDS = 86_400;

interface TargetOptions {
  readonly url?: string;
  readonly broker?: string;
  readonly store?: string;
  readonly json?: boolean;
  readonly waitForEngine?: number;
}

/** The options that every command takes, before or after its name. */
export function addTargetOptions(program: Command): Command {
  return program
    .addOption(
      new Option("--url <url>", `the yard's broker and store in one (default: ${DEFAULT_URL})`).env(
        "YARDMASTER_URL",
      ),
    )
    .addOption(
      new Option("--broker <url>", "the broker, where the store is another").env("YARDMASTER_BROKER"),
    )
    .addOption(
      new Option("--store <url>", "the result store, where the broker is another").env("YARDMASTER_STORE"),
    )
    .option(
      "--wait-for-engine <seconds>",
      "how long an engine that cannot be reached is tried again (default: 30 for what runs on, 0 else)",
      whole(0, MAX_WAIT_SECONDS),
    )
    .option("--json", "print JSON: one object, and lists as one object a line");
}

/** The target of a parsed command: flags win over the environment. Throws INVALID_OPTIONS for half a pair. */
export function targetOf(command: Command): Target {
  const options = command.optsWithGlobals<TargetOptions>();
  const source = (name: string): string | undefined => command.getOptionValueSourceWithGlobals(name);
  const { url, broker, store } = options;
  const isUrlGiven = source("url") === "cli";
  const isPairGiven = source("broker") === "cli" || source("store") === "cli";
  if (isUrlGiven && isPairGiven) throw usage("give --url, or --broker with --store, not both");
  if (isUrlGiven && url !== undefined) return { url };
  if (!isPairGiven && url !== undefined) return { url };
  if (broker === undefined && store === undefined) return { url: DEFAULT_URL };
  if (broker === undefined) throw usage("--store needs --broker: or use --url for both in one");
  if (store === undefined) throw usage("--broker needs --store: or use --url for both in one");
  return { broker, store };
}

export function outputOf(command: Command): Output {
  return outputTo(process.stdout, process.stderr, command.optsWithGlobals<TargetOptions>().json === true);
}

/** How long the command waits for its engine, and where it says that it does; `seconds` unless told otherwise. */
export function engineWaitOf(
  command: Command,
  output: Output,
  seconds: number,
  tell: (news: EngineNews) => void = ({ message }) => output.note(`engine: ${message}`),
): ConnectOptions {
  const { waitForEngine = seconds } = command.optsWithGlobals<TargetOptions>();
  return {
    waitForEngineMs: waitForEngine * 1_000,
    onEngine: (news) => {
      tell(news);
      output.emit({ event: "engine", isUp: news.isUp, message: news.message });
    },
  };
}

/** The target as flags, for a child process. */
export function targetFlags(target: Target): string[] {
  return "url" in target ? ["--url", target.url] : ["--broker", target.broker, "--store", target.store];
}

/** `--wait-for-engine` as it was given, for a child process. */
export function waitFlags(command: Command): string[] {
  const { waitForEngine } = command.optsWithGlobals<TargetOptions>();
  return waitForEngine === undefined ? [] : ["--wait-for-engine", String(waitForEngine)];
}

export function usage(message: string): YardmasterError {
  return new YardmasterError("INVALID_OPTIONS", message);
}
