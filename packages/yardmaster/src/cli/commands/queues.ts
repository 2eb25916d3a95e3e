import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type Command, InvalidArgumentError } from "commander";
import type { QueueChanges } from "../../client/queue-changes.ts";
import type { QueueDefinition } from "../../definition/queue.ts";
import { messageOf } from "../../protocol/errors.ts";
import {
  MAX_PRIORITY,
  MAX_QUEUE_WEIGHT,
  ORDERS,
  type Order,
  PLACEMENTS,
  type PlacementName,
} from "../../protocol/task.ts";
import { EXIT } from "../exit-code.ts";
import { oneOf, whole } from "../options.ts";
import { plain } from "../plain-text.ts";
import { outputOf, usage } from "../target.ts";
import { type Exit, withYard } from "../yard-command.ts";

interface Rate {
  readonly limit: number;
  readonly perMs: number;
}

interface SetOptions {
  readonly order?: Order;
  readonly placement?: PlacementName;
  readonly weight?: number;
  readonly precedence?: number;
  readonly concurrency?: number;
  readonly rate?: Rate | "none";
  readonly burst?: number;
}

/** The commands about queues: queues, queues apply, queues set, pause, resume. */
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
  queues
    .command("set <queue>")
    .description("change some of a queue's settings while it runs; the others stay")
    .option("--order <order>", ORDERS.join(", "), oneOf(ORDERS))
    .option("--placement <name>", PLACEMENTS.join(", "), oneOf(PLACEMENTS))
    .option("--weight <number>", "its share of the workers", whole(1, MAX_QUEUE_WEIGHT))
    .option("--precedence <number>", "queues with a larger one go first", whole(0, MAX_PRIORITY))
    .option("--concurrency <number>", "how many run at a time; 0 for any number", whole(0, 1_000_000))
    .option("--rate <limit/ms>", "starts in a time, as 100/1000; or none", rate)
    .option("--burst <number>", "with --rate: starts at once after a quiet time", whole(1, 1_000_000))
    .action(async (queue: string, options: SetOptions, command: Command) =>
      exit(await configure(command, queue, options)),
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
      none: "no queue has tasks or settings: the next task brings its own",
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

function configure(command: Command, queue: string, options: SetOptions): Promise<number> {
  const { order, placement, weight, precedence, concurrency, rate: often, burst } = options;
  if (burst !== undefined && (often === undefined || often === "none")) throw usage("--burst needs --rate");
  const changes: QueueChanges = {
    ...(order === undefined ? {} : { order }),
    ...(placement === undefined ? {} : { placement }),
    ...(weight === undefined ? {} : { weight }),
    ...(precedence === undefined ? {} : { precedence }),
    ...(concurrency === undefined ? {} : { concurrency: concurrency === 0 ? null : concurrency }),
    ...(often === undefined
      ? {}
      : { rate: often === "none" ? null : { ...often, ...(burst === undefined ? {} : { burst }) } }),
  };
  if (Object.keys(changes).length === 0) throw usage("say what to change: yardmaster queues set --help");
  const output = outputOf(command);
  return withYard(command, async (yard) => {
    const now = await yard.configure(queue, changes);
    output.say(`changed ${plain(queue)}: revision ${now.revision}`);
    output.emit(now);
    return EXIT.ok;
  });
}

/** `100/1000`: so many starts in so many milliseconds. */
function rate(text: string): Rate | "none" {
  if (text === "none") return text;
  const [, limit, perMs] = /^(\d{1,7})\/(\d{1,10})$/.exec(text) ?? [];
  if (limit !== undefined && perMs !== undefined) return { limit: Number(limit), perMs: Number(perMs) };
  throw new InvalidArgumentError("It must be STARTS/MILLISECONDS, as 100/1000, or none.");
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
