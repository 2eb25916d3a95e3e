import type { Command } from "commander";
import type { ScheduleStatus } from "../../client/schedules.ts";
import {
  MAX_MISSED,
  MIN_EVERY_MS,
  MISSED_POLICIES,
  type MissedPolicy,
  OVERLAP_POLICIES,
  type OverlapPolicy,
} from "../../protocol/schedule.ts";
import { MAX_PRIORITY } from "../../protocol/task.ts";
import type { Yard } from "../../yard.ts";
import { addDefinitionOptions, type DefinitionOptions, definitionOf } from "../definition-options.ts";
import { EXIT } from "../exit-code.ts";
import { jsonInput } from "../json-input.ts";
import { MAX_MS, oneOf, whole } from "../options.ts";
import { plain } from "../plain-text.ts";
import { outputOf } from "../target.ts";
import { type Exit, withYard } from "../yard-command.ts";

interface AddOptions extends DefinitionOptions {
  readonly cron?: string;
  readonly timeZone?: string;
  readonly everyMs?: number;
  readonly missed?: MissedPolicy;
  readonly missedLimit?: number;
  readonly overlap?: OverlapPolicy;
  readonly priority?: number;
}

/** The commands about schedules: add, list, pause, resume, run, remove. */
export function addSchedules(program: Command, exit: Exit): void {
  const schedules = program
    .command("schedule")
    .description("submit tasks again and again, by cron or interval");
  addAdd(schedules, exit);
  schedules
    .command("list")
    .description("list the schedules and their next ticks")
    .action(async (_: unknown, command: Command) => exit(await list(command)));
  const orders = [
    ["pause", "make no more tasks until it is resumed", "paused", (yard: Yard) => yard.schedules.pause],
    ["resume", "go on with the next tick", "resumed", (yard: Yard) => yard.schedules.resume],
    [
      "remove",
      "forget a schedule; a task of it that exists goes on",
      "removed",
      (yard: Yard) => yard.schedules.remove,
    ],
  ] as const;
  for (const [verb, description, done, orderOf] of orders) {
    schedules
      .command(`${verb} <schedule>`)
      .description(description)
      .action(async (name: string, _: unknown, command: Command) =>
        exit(await order(command, name, done, (yard) => orderOf(yard).call(yard.schedules, name))),
      );
  }
  schedules
    .command("run <schedule>")
    .description("submit its task now, beside its ticks")
    .action(async (name: string, _: unknown, command: Command) => exit(await run(command, name)));
}

function addAdd(schedules: Command, exit: Exit): void {
  const adding = schedules
    .command("add <schedule> <task> <json>")
    .description(
      "declare a schedule, or replace the one of that name; the input is - to read JSON from stdin, or JSON text, which the list of processes shows to everybody",
    )
    .option("--cron <line>", "five fields, or six with seconds in front")
    .option("--time-zone <zone>", "where the cron line's clock hangs (default: UTC)")
    .option("--every-ms <ms>", "a tick each so many milliseconds", whole(MIN_EVERY_MS, MAX_MS))
    .option(
      "--missed <policy>",
      "of ticks that could not run: once (default), skip, all",
      oneOf(MISSED_POLICIES),
    )
    .option("--missed-limit <number>", "with all: so many of the latest (default: 100)", whole(1, MAX_MISSED))
    .option(
      "--overlap <policy>",
      "while the last task is unfinished: allow (default), skip, queue",
      oneOf(OVERLAP_POLICIES),
    )
    .option(
      "--priority <number>",
      "0 to 255, larger first, in queues ordered by priority",
      whole(0, MAX_PRIORITY),
    );
  addDefinitionOptions(adding).action(
    async (name: string, task: string, json: string, options: AddOptions, command: Command) =>
      exit(await add(command, name, task, await jsonInput(json), options)),
  );
}

async function add(
  command: Command,
  name: string,
  task: string,
  input: unknown,
  { queue, attempts, timeoutMs, delivery, ...options }: AddOptions,
): Promise<number> {
  const definition = definitionOf(task, { queue, attempts, timeoutMs, delivery });
  return order(command, name, "scheduled", (yard) => yard.schedule(name, definition, input, options));
}

function order(
  command: Command,
  name: string,
  done: string,
  give: (yard: Yard) => Promise<ScheduleStatus>,
): Promise<number> {
  const output = outputOf(command);
  return withYard(command, async (yard) => {
    const schedule = await give(yard);
    output.say(`${done} ${plain(name)}`);
    if (done !== "removed" && done !== "paused") output.note(`next tick: ${schedule.nextAt ?? "none"}`);
    output.emit(schedule);
    return EXIT.ok;
  });
}

function run(command: Command, name: string): Promise<number> {
  const output = outputOf(command);
  return withYard(command, async (yard) => {
    const task = await yard.schedules.runNow(name);
    output.say(task.id);
    output.emit({ id: task.id, schedule: name });
    return EXIT.ok;
  });
}

function list(command: Command): Promise<number> {
  return withYard(command, async (yard) => {
    outputOf(command).list(await yard.schedules.list(), {
      headings: ["SCHEDULE", "TASK", "WHEN", "STATE", "NEXT", "LAST TASK"],
      row: (schedule) => [
        schedule.name,
        schedule.task,
        schedule.cron === null ? `every ${schedule.everyMs} ms` : `${schedule.cron} ${schedule.timeZone}`,
        schedule.paused ? "paused" : schedule.held ? "waits" : "on",
        schedule.paused ? "" : (schedule.nextAt ?? ""),
        schedule.lastTask ?? "",
      ],
      json: (schedule) => schedule,
      none: "no schedules yet: add one with yardmaster schedule add",
    });
    return EXIT.ok;
  });
}
