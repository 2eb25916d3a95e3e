import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Command } from "commander";
import type { QueueDefinition } from "../../definition/queue.ts";
import { messageOf } from "../../protocol/errors.ts";
import { EXIT } from "../exit-code.ts";
import { plain } from "../plain-text.ts";
import { outputOf, usage } from "../target.ts";
import { type Exit, withYard } from "../yard-command.ts";

/** The commands about queues: queues, queues apply, pause, resume. */
export function addQueues(program: Command, exit: Exit): void {
  const queues = program
    .command("queues")
    .description("list the queues and what waits in them")
    .action(async (_: unknown, command: Command) => exit(await list(command)));
  queues
    .command("apply <file>")
    .description("give queues the settings that a file exports")
    .action(async (file: string, _: unknown, command: Command) =>
      exit(await apply(command, await loadQueues(file))),
    );
  program
    .command("pause <queue>")
    .description("start no more tasks of a queue; running ones go on")
    .action(async (queue: string, _: unknown, command: Command) =>
      exit(await switchQueue(command, queue, true)),
    );
  program
    .command("resume <queue>")
    .description("start tasks of a paused queue again")
    .action(async (queue: string, _: unknown, command: Command) =>
      exit(await switchQueue(command, queue, false)),
    );
}

function list(command: Command): Promise<number> {
  return withYard(command, async (yard) => {
    outputOf(command).list(await yard.queues(), {
      headings: ["QUEUE", "ORDER", "STATE", "SCHEDULED", "READY", "ACTIVE"],
      row: (queue) => [
        queue.name,
        queue.order,
        queue.paused ? "paused" : "open",
        String(queue.scheduled),
        String(queue.ready + queue.parked),
        String(queue.active),
      ],
      json: (queue) => queue,
      none: "no queues yet: the first task or worker brings one",
    });
    return EXIT.ok;
  });
}

function apply(command: Command, queues: readonly QueueDefinition[]): Promise<number> {
  const output = outputOf(command);
  return withYard(command, async (yard) => {
    await yard.apply(queues);
    for (const { name } of queues) output.say(`applied ${plain(name)}`);
    output.emit({ applied: queues.map(({ name }) => name) });
    return EXIT.ok;
  });
}

function switchQueue(command: Command, queue: string, paused: boolean): Promise<number> {
  const output = outputOf(command);
  return withYard(command, async (yard) => {
    await (paused ? yard.pause(queue) : yard.resume(queue));
    output.say(`${paused ? "paused" : "resumed"} ${plain(queue)}`);
    output.emit({ queue, paused });
    return EXIT.ok;
  });
}

/** The queues among a module's exports, alone or in lists. */
async function loadQueues(file: string): Promise<QueueDefinition[]> {
  const exported: Record<string, unknown> = await import(pathToFileURL(resolve(file)).href).catch(
    (error: unknown) => {
      throw usage(`${file} cannot be loaded: ${messageOf(error)}`);
    },
  );
  const queues = Object.values(exported).flat().filter(isQueue);
  if (queues.length > 0) return [...new Set(queues)];
  throw usage(`${file} exports no queue: export what defineQueue returns`);
}

function isQueue(value: unknown): value is QueueDefinition {
  const isObject = typeof value === "object" && value !== null;
  return isObject && "name" in value && "order" in value && "placement" in value && !("spec" in value);
}
