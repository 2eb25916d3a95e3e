import type { Command } from "commander";
import { isoTime, type TaskStatus } from "../../client/task-status.ts";
import { submittedAtOf } from "../../protocol/ids.ts";
import { MAX_PRIORITY } from "../../protocol/task.ts";
import { addDefinitionOptions, type DefinitionOptions, definitionOf } from "../definition-options.ts";
import { EXIT } from "../exit-code.ts";
import { jsonInput } from "../json-input.ts";
import { MAX_MS, whole } from "../options.ts";
import { plain } from "../plain-text.ts";
import { outputOf, usage } from "../target.ts";
import { waitForEnd } from "../wait.ts";
import { type Exit, withYard } from "../yard-command.ts";
import { submitMany } from "./submit-many.ts";

interface SubmitOptions extends DefinitionOptions {
  readonly wait?: boolean;
  readonly waitMs?: number;
  readonly priority?: number;
  readonly delayMs?: number;
  readonly key?: string;
  readonly many?: boolean;
}

export function addSubmit(program: Command, exit: Exit): void {
  const submit = program
    .command("submit <name> <json>")
    .description(
      "submit a task; its input is - to read JSON from stdin, or JSON text, which the list of processes shows to everybody",
    )
    .option("--many", "stdin (-) has an input in JSON on each line, and each becomes a task")
    .option("--wait", "wait for the end and print the result")
    .option("--wait-ms <ms>", "as --wait, for at most this long", whole(1, MAX_MS))
    .option(
      "--priority <number>",
      "0 to 255, larger first, in queues ordered by priority",
      whole(0, MAX_PRIORITY),
    )
    .option("--delay-ms <ms>", "start not before this long from now", whole(0, MAX_MS))
    .option("--key <key>", "idempotency key: the same one again is the same task");
  addDefinitionOptions(submit).action(
    async (name: string, json: string, options: SubmitOptions, command: Command) =>
      exit(
        await (options.many === true
          ? many(command, name, json, options)
          : one(command, name, json, options)),
      ),
  );
}

function many(command: Command, name: string, json: string, options: SubmitOptions): Promise<number> {
  const { priority, delayMs, key, wait = false, waitMs } = options;
  if (json !== "-") throw usage("--many reads stdin: say - in place of the input");
  if (key !== undefined) throw usage("--many takes no --key: it would make all of them one task");
  const submit = {
    ...(priority === undefined ? {} : { priority }),
    ...(delayMs === undefined ? {} : { delayMs }),
  };
  return withYard(command, (yard) =>
    submitMany(yard, definitionOf(name, options), process.stdin, outputOf(command), {
      submit,
      wait: wait || waitMs !== undefined,
      ...(waitMs === undefined ? {} : { timeoutMs: waitMs }),
    }),
  );
}

async function one(command: Command, name: string, json: string, options: SubmitOptions): Promise<number> {
  const { priority, delayMs, key } = options;
  const input = await jsonInput(json);
  const definition = definitionOf(name, options);
  const output = outputOf(command);
  return withYard(command, async (yard) => {
    const task = await yard.submit(definition, input, {
      ...(priority === undefined ? {} : { priority }),
      ...(delayMs === undefined ? {} : { delayMs }),
      ...(key === undefined ? {} : { idempotencyKey: key }),
    });
    if (options.wait === true || options.waitMs !== undefined) {
      return waitForEnd(yard, task.id, output, options.waitMs);
    }
    output.say(task.id);
    output.note(`submitted ${plain(name)}; see it with: yardmaster status ${task.id}`);
    output.emit(submittedJson(task.id, definition.spec, priority ?? 0));
    return EXIT.ok;
  });
}

/** What is known of a task that the broker holds and no dispatcher has seen yet. */
function submittedJson(
  id: string,
  spec: { readonly name: string; readonly queue: string; readonly attempts: number },
  priority: number,
): TaskStatus {
  return {
    id,
    name: spec.name,
    queue: spec.queue,
    state: "submitted",
    code: null,
    attempt: 0,
    attempts: spec.attempts,
    priority,
    submittedAt: isoTime(submittedAtOf(id)),
    startedAt: null,
    finishedAt: null,
    worker: null,
    error: null,
  };
}
