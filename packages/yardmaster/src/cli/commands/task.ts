import type { Command } from "commander";
import { isCode } from "../../protocol/errors.ts";
import type { Yard } from "../../yard.ts";
import { EXIT } from "../exit-code.ts";
import { MAX_MS, whole } from "../options.ts";
import { plain, plainJson } from "../plain-text.ts";
import { outputOf } from "../target.ts";
import { STORY, taskDetails } from "../task-view.ts";
import { checkId, notFound, statusOf, waitForEnd } from "../wait.ts";
import { type Exit, withYard } from "../yard-command.ts";

/** The commands about one task: status, explain, story, result, cancel, retry. */
export function addTask(program: Command, exit: Exit): void {
  program
    .command("status <id>")
    .description("show where a task stands; for a failed one with its error, stack and input")
    .action(async (id: string, _: unknown, command: Command) => exit(await status(command, id)));
  program
    .command("explain <id>")
    .description("say why a task is not running")
    .action(async (id: string, _: unknown, command: Command) => exit(await explain(command, id)));
  program
    .command("story <id>")
    .description("tell what has happened to a task")
    .action(async (id: string, _: unknown, command: Command) => exit(await story(command, id)));
  program
    .command("result <id>")
    .description("wait for a task's end and print its result")
    .option(
      "--wait-ms <ms>",
      "wait at most this long, and end with code 5 when it was too short",
      whole(1, MAX_MS),
    )
    .action(async (id: string, { waitMs }: { waitMs?: number }, command: Command) =>
      exit(await withYard(command, (yard) => waitForEnd(yard, id, outputOf(command), waitMs))),
    );
  program
    .command("cancel <id>")
    .description("cancel a task; ends when it can no longer start")
    .option("--reason <text>", "kept in the task's record", "")
    .action(async (id: string, { reason }: { reason: string }, command: Command) =>
      exit(await cancel(command, id, reason)),
    );
  program
    .command("retry <id>")
    .description("submit an ended task again as a new task, and print its id")
    .action(async (id: string, _: unknown, command: Command) => exit(await retry(command, id)));
}

function status(command: Command, id: string): Promise<number> {
  const output = outputOf(command);
  return withYard(command, async (yard) => {
    const task = await statusOf(yard, id);
    output.emit(task);
    if (!output.json) output.say(taskDetails(task, await inputText(yard, task.id)));
    if (task.state === "failed") output.note(`run it again with: yardmaster retry ${task.id}`);
    return EXIT.ok;
  });
}

function explain(command: Command, id: string): Promise<number> {
  const output = outputOf(command);
  return withYard(command, async (yard) => {
    checkId(id);
    const explanation = await yard.explain(id);
    if (explanation === null) throw notFound(id);
    output.say(plain(explanation.sentence));
    output.emit(explanation);
    return EXIT.ok;
  });
}

function story(command: Command, id: string): Promise<number> {
  const output = outputOf(command);
  return withYard(command, async (yard) => {
    checkId(id);
    const chapters = await yard.story(id);
    if (chapters === null) throw notFound(id);
    output.list(chapters, STORY);
    return EXIT.ok;
  });
}

function cancel(command: Command, id: string, reason: string): Promise<number> {
  const output = outputOf(command);
  return withYard(command, async (yard) => {
    // The yard would remember the cancel of a task that may yet come; a person has mistyped its id.
    await statusOf(yard, id);
    const state = await yard.cancel(id, reason);
    output.say(state === "cancelled" ? `cancelled ${id}` : `${id} had ${state} before`);
    output.emit({ id, state });
    return EXIT.ok;
  });
}

function retry(command: Command, id: string): Promise<number> {
  const output = outputOf(command);
  return withYard(command, async (yard) => {
    checkId(id);
    const task = await yard.retry(id);
    output.say(task.id);
    output.note(`${id} runs again as ${task.id}`);
    output.emit({ id: task.id, retryOf: id });
    return EXIT.ok;
  });
}

/** The task's input as JSON text; a codec of the definition's own may have written something else. */
async function inputText(yard: Yard, id: string): Promise<string | null> {
  try {
    return plainJson(await yard.input(id));
  } catch (error) {
    if (isCode(error, "TASK_NOT_FOUND")) return null;
    if (isCode(error, "INVALID_INPUT")) return "(not JSON)";
    throw error;
  }
}
