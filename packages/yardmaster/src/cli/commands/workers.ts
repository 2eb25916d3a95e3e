import type { Command } from "commander";
import { EXIT } from "../exit-code.ts";
import { MAX_MS, whole } from "../options.ts";
import { plain } from "../plain-text.ts";
import { outputOf } from "../target.ts";
import { TASK_LIST } from "../task-view.ts";
import { type Exit, withYard } from "../yard-command.ts";

const GRACE_MS = 30_000;
const MAX_SLOTS = 10_000;

/** The commands about workers: workers, drain, shutdown, inspect, slots. */
export function addWorkers(program: Command, exit: Exit): void {
  program
    .command("workers")
    .description("list the workers and what they are doing")
    .action(async (_: unknown, command: Command) => exit(await list(command)));
  program
    .command("drain <worker>")
    .description("let a worker finish what it runs, take no more and end")
    .action(async (worker: string, _: unknown, command: Command) =>
      exit(await drain(command, worker, undefined)),
    );
  program
    .command("shutdown <worker>")
    .description("as drain, but what still runs after the grace is aborted, and runs again elsewhere")
    .option("--grace-ms <ms>", "how long running tasks may take to finish", whole(0, MAX_MS), GRACE_MS)
    .action(async (worker: string, { graceMs }: { graceMs: number }, command: Command) =>
      exit(await drain(command, worker, graceMs)),
    );
  program
    .command("inspect <worker>")
    .description("list the tasks that a worker has, assigned or running")
    .action(async (worker: string, _: unknown, command: Command) => exit(await inspect(command, worker)));
  program
    .command("slots <worker> <number>")
    .description("let a worker run so many tasks at a time from now on")
    .action(async (worker: string, slots: string, _: unknown, command: Command) =>
      exit(await setSlots(command, worker, whole(1, MAX_SLOTS)(slots))),
    );
}

function list(command: Command): Promise<number> {
  return withYard(command, async (yard) => {
    outputOf(command).list(await yard.workers(), {
      headings: ["WORKER", "STATE", "USED", "SLOTS", "RESOURCES", "TASKS", "LABELS"],
      row: (worker) => [
        worker.id,
        worker.draining ? "draining" : "ready",
        String(worker.used),
        String(worker.credit),
        Object.entries(worker.resources)
          .map(([name, amount]) => `${name}=${worker.resourcesUsed[name] ?? 0}/${amount}`)
          .join(" "),
        worker.tasks.join(", "),
        Object.entries(worker.labels)
          .map(([key, value]) => `${key}=${value}`)
          .join(" "),
      ],
      json: (worker) => worker,
      none: "no workers: start one with yardmaster worker FILE",
    });
    return EXIT.ok;
  });
}

function inspect(command: Command, worker: string): Promise<number> {
  return withYard(command, async (yard) => {
    outputOf(command).list(await yard.active(worker), { ...TASK_LIST, none: "it has no tasks" });
    return EXIT.ok;
  });
}

function setSlots(command: Command, worker: string, slots: number): Promise<number> {
  const output = outputOf(command);
  return withYard(command, async (yard) => {
    await yard.setSlots(worker, slots);
    output.say(`${plain(worker)} was told to run ${slots} at a time`);
    output.emit({ worker, slots });
    return EXIT.ok;
  });
}

function drain(command: Command, worker: string, withinMs: number | undefined): Promise<number> {
  const output = outputOf(command);
  return withYard(command, async (yard) => {
    await yard.drain(worker, withinMs === undefined ? {} : { withinMs });
    const end = withinMs === undefined ? "when it has finished those it runs" : `within ${withinMs} ms`;
    output.say(`${plain(worker)} takes no more tasks and ends ${end}`);
    output.emit({ worker, draining: true });
    return EXIT.ok;
  });
}
