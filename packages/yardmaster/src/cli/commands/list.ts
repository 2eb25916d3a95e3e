import type { Command } from "commander";
import { STATES, type State } from "../../protocol/task.ts";
import { EXIT } from "../exit-code.ts";
import { oneOf, whole } from "../options.ts";
import { outputOf } from "../target.ts";
import { TASK_LIST } from "../task-view.ts";
import { type Exit, withYard } from "../yard-command.ts";

interface ListOptions {
  readonly state?: State;
  readonly queue?: string;
  readonly name?: string;
  readonly key?: string;
  readonly routingKey?: string;
  readonly limit: number;
}

const MAX_LISTED = 1_000;

export function addList(program: Command, exit: Exit): void {
  program
    .command("list")
    .description("list tasks: unfinished ones first")
    .option("--state <state>", STATES.join(", "), oneOf(STATES))
    .option("--queue <queue>", "only tasks of this queue")
    .option("--name <name>", "only tasks of this name")
    .option("--key <key>", "with --name: only the task that this idempotency key stands for")
    .option("--routing-key <key>", "with --key, where the queue is spread by a routing key: that one")
    .option("--limit <number>", `at most this many, up to ${MAX_LISTED}`, whole(1, MAX_LISTED), 50)
    .action(async (options: ListOptions, command: Command) => exit(await list(command, options)));
}

function list(command: Command, { limit, ...filter }: ListOptions): Promise<number> {
  const output = outputOf(command);
  return withYard(command, async (yard) => {
    const tasks = await yard.list({ ...filter, limit });
    output.list(tasks, TASK_LIST);
    if (tasks.length === limit) output.note(`the first ${limit}; --limit shows up to ${MAX_LISTED}`);
    return EXIT.ok;
  });
}
