import { styleText } from "node:util";
import type { Command } from "commander";
import { Option } from "commander";
import { type Host, systemHost } from "../host.ts";
import { plain, truncated } from "./plain-text.ts";

const LEVELS = ["debug", "info", "warn", "error"] as const;
const FORMATS = ["pretty", "json"] as const;
export type LogLevel = (typeof LEVELS)[number];

/** What is told of an event beside its name: ids, codes and counts, never a payload. */
type LogFields = Readonly<Record<string, string | number | boolean | null>>;

/** Where what runs on tells what happens: one line an event, on stderr. */
export interface EventLog {
  /** `event` is for programs, `message` for people. */
  tell(level: LogLevel, event: string, message: string, fields?: LogFields): void;
  /** Whether anything of this level is written. */
  isOn(level: LogLevel): boolean;
}

interface LogOptions {
  readonly logLevel: LogLevel;
  readonly logFormat?: (typeof FORMATS)[number];
}

const COLOURS = { debug: "gray", info: "green", warn: "yellow", error: "red" } as const;
const MAX_VALUE = 300;

/** The options of commands that log. */
export function addLogOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--log-level <level>", "the least that is logged")
        .choices([...LEVELS])
        .default("info")
        .env("YARDMASTER_LOG_LEVEL"),
    )
    .addOption(
      new Option("--log-format <format>", "default: pretty in a terminal, else json")
        .choices([...FORMATS])
        .env("YARDMASTER_LOG_FORMAT"),
    );
}

export async function eventLogOf(command: Command): Promise<EventLog> {
  const { logLevel, logFormat } = command.opts<LogOptions>();
  const format = logFormat ?? (process.stderr.isTTY ? "pretty" : "json");
  return format === "json" ? openJsonLog(logLevel) : prettyLog(process.stderr, logLevel);
}

/** JSON lines by pino, which only what runs on has to load. */
async function openJsonLog(least: LogLevel): Promise<EventLog> {
  const { pino } = await import("pino");
  const logger = pino(
    {
      level: least,
      messageKey: "message",
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    // What is written just before the end of the process must not be lost.
    pino.destination({ dest: 2, sync: true }),
  );
  return {
    tell: (level, event, message, fields = {}) => logger[level]({ event, ...fields }, message),
    isOn: (level) => logger.isLevelEnabled(level),
  };
}

/** Lines for people: time, level, message, and the fields that the message does not say. */
export function prettyLog(
  stderr: Pick<NodeJS.WritableStream, "write">,
  least: LogLevel,
  host: Pick<Host, "now"> = systemHost,
): EventLog {
  const isOn = (level: LogLevel): boolean => LEVELS.indexOf(level) >= LEVELS.indexOf(least);
  return {
    isOn,
    tell(level, _event, message, fields = {}) {
      if (!isOn(level)) return;
      const time = styleText("gray", timeOfDay(host.now()));
      const said = plain(message);
      const rest = Object.entries(fields)
        .map(([name, value]) => [name, truncated(plain(String(value)), MAX_VALUE)] as const)
        .filter(([, value]) => value !== "" && !said.includes(value))
        .map(([name, value]) => styleText("gray", `${name}=${value}`));
      const mark = styleText(COLOURS[level], level.toUpperCase().padEnd(5));
      stderr.write(`${[time, mark, said, ...rest].join(" ")}\n`);
    },
  };
}

function timeOfDay(now: number): string {
  return new Date(now).toTimeString().slice(0, 8);
}
